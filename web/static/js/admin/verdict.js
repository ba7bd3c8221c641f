/** The first line: whether all is well and, if not, which sessions and devices have problems. */

import { root } from "../root.js";
import { $, el, setAttribute, setText } from "./dom.js";
import { counted, rateSession, msText, titleOf } from "./texts.js";

const MOST_CAUSES = 4;
const LAG_MS = 50;

/**
 * @param {any} state
 * @param {string[]} misses
 * @returns {{level: import("./texts.js").Level, line: string, causes: {text: string, name?: string, title?: string}[]}}
 */
export function verdict(state, misses) {
  const rated = state.sessions.map((/** @type {any} */ session) => ({ session, ...rateSession(session, misses) }));
  const wrong = rated.filter((/** @type {any} */ each) => ["poor", "fair"].includes(each.level))
    .sort((/** @type {any} */ a, /** @type {any} */ b) => Number(b.level === "poor") - Number(a.level === "poor"));
  const down = state.devices.filter((/** @type {any} */ device) => device.state !== "ready");
  const { server } = state;
  const causes = [];
  for (const device of down) causes.push({ text: `Device ${device.number} is ${device.state} (${device.description}).` });
  if (server.loop_lag_ms > LAG_MS) causes.push({ text: `The server's event loop is ${msText(server.loop_lag_ms)} ms late: its processor is too busy.` });
  for (const each of server.ingest) if (!each.ready) causes.push({ text: "An ingest process is being restarted." });
  const serverCauses = causes.length;
  const refused = Object.entries(server.refused ?? {}).sort((a, b) => b[1] - a[1]);
  for (const { session, words } of wrong.slice(0, MOST_CAUSES)) causes.push({ name: session.name, title: titleOf(session), text: words });
  if (wrong.length > MOST_CAUSES) causes.push({ text: `and ${wrong.length - MOST_CAUSES} more, below` });
  if (refused.length) {
    const all = refused.reduce((sum, [, count]) => sum + count, 0);
    causes.push({ text: `${counted(all, "newcomer")} refused in ten minutes: ${refused.map(([reason, count]) => `${reason} ${count}`).join(", ")}.` });
  }
  const live = rated.filter((/** @type {any} */ each) => each.level !== "idle").length;
  const poor = down.length > 0 || wrong.some((/** @type {any} */ each) => each.level === "poor");
  const level = poor ? "poor" : serverCauses || wrong.length ? "fair" : live ? "good" : "idle";
  let line = live ? (live === 1 ? "The one session is in time" : `All ${live} sessions in time`) : "No session";
  if (!server.ready) line = "No device takes frames";
  else if (wrong.length) line = `${wrong.length} of ${counted(rated.length, "session")} ${wrong.length === 1 ? "misses" : "miss"} the objective`;
  else if (down.length) line = `${counted(down.length, "device")} down`;
  if (server.draining) line += " · draining: newcomers are refused";
  return { level, line, causes };
}

/** @param {ReturnType<typeof verdict>} summary */
export function showVerdict({ level, line, causes }) {
  setAttribute(document.body, "data-level", level);
  setText($("verdict-text"), line);
  const items = causes.map(({ text, name, title }) => {
    if (!name) return el("li", { text });
    return el("li", {}, el("a", { href: `${root}/admin/session/${encodeURIComponent(name)}`, text: title }), ` ${text}`);
  });
  const list = $("causes");
  if (items.map((item) => item.textContent).join() !== [...list.children].map((item) => item.textContent).join()) list.replaceChildren(...items);
}
