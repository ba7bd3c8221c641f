/** The devices and the plan: each device's utilisation, its batches and its sessions. */

import { $, el, setText, setAttribute } from "./dom.js";
import { bytesText, counted, percent, titleOf } from "./texts.js";

/**
 * @param {any} device
 * @returns {import("./texts.js").Level}
 */
export function levelOf(device) {
  if (device.state !== "ready") return "poor";
  return device.utilisation > 0.95 ? "fair" : "good";
}

/**
 * @param {any} state
 * @returns {void}
 */
export function showDevices(state) {
  const titles = new Map(state.sessions.map((/** @type {any} */ each) => [each.name, titleOf(each)]));
  const cards = $("devices");
  while (cards.children.length > state.devices.length) cards.lastChild.remove();
  state.devices.forEach((/** @type {any} */ device, /** @type {number} */ index) => {
    const card = cards.children[index] ?? cards.appendChild(make());
    fill(card, device, titles);
  });
}

/** @returns {HTMLElement} */
function make() {
  return el(
    "article",
    { class: "device" },
    el("h3", {}, el("span", { class: "name" }), el("span", { class: "state" })),
    el("div", { class: "meter", role: "img" }, el("i")),
    el("p", { class: "work" }),
    el("p", { class: "what" }),
    el("div", { class: "slots" }),
  );
}

/**
 * @param {HTMLElement} card
 * @param {any} device
 * @param {Map<string, string>} titles
 */
function fill(card, device, titles) {
  const part = (/** @type {string} */ name) => /** @type {any} */ (card.querySelector(name));
  const level = levelOf(device);
  setAttribute(card, "data-level", level);
  setText(part(".name"), `Device ${device.number} · ${device.name}`);
  setText(part(".state"), device.state === "ready" ? `${percent(device.utilisation)} used` : device.state);
  part(".meter i").style.width = `${Math.min(100, 100 * device.utilisation)}%`;
  setAttribute(part(".meter"), "data-level", device.utilisation > 0.95 ? "poor" : device.utilisation > 0.8 ? "fair" : "good");
  setAttribute(part(".meter"), "aria-label", `${percent(device.utilisation)} of its time used`);
  const planned = Math.max(0, ...device.plan.map((/** @type {any} */ slot) => slot.batch));
  const fill_ = device.mean_batch === null ? "no batch" : `${device.mean_batch.toFixed(1)}${planned ? ` of ${planned}` : ""} a batch`;
  const memory = device.memory_bytes === null ? "" : ` · ${bytesText(device.memory_bytes)} of ${bytesText(device.memory_total_bytes)}`;
  setText(part(".work"), `${Math.round(device.frames_per_s)} frames/s · ${fill_} · ${counted(device.in_flight, "batch").replace("batchs", "batches")} there${memory}`);
  const trouble = [device.restarts && `${device.restarts} restarts`, device.failures && `${device.failures} batches failed`].filter(Boolean);
  const models = Object.entries(device.models ?? {}).map(([name, state]) => `${name} ${state === "ready" ? "loaded" : state}`);
  setText(part(".what"), [device.description, ...models, ...trouble].join(" · "));
  const slots = device.plan.map((/** @type {any} */ slot) => {
    const who = slot.sessions.map((/** @type {string} */ name) => titles.get(name) ?? name).join(", ");
    return el("p", {}, el("b", { text: `${slot.variant} at ${slot.input.replace("x", "×")}, batches of ${slot.batch}` }), `: ${who}`);
  });
  part(".slots").replaceChildren(...slots);
}

/** @param {any} state */
export function showPlan(state) {
  const { plan } = state;
  setText($("plan-words"), plan ? `${plan.words} Expected accuracy ${plan.accuracy.toFixed(2)} (F1); made in ${plan.solve_ms.toFixed(0)} ms.` : "No plan yet.");
  const items = state.sessions.map((/** @type {any} */ session) => {
    const variant = session.planned ?? "not served";
    return el("li", {}, el("b", { text: `${titleOf(session)}: ${variant}` }), ` – ${session.reason || "not planned yet"}`);
  });
  $("reasons").replaceChildren(...items);
}
