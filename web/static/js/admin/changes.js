/** The operator's actions: a dialog for a session, and draining a server. */

import { root } from "../root.js";
import { $, setText } from "./dom.js";
import { titleOf } from "./texts.js";

/** A second press within this time confirms the first. */
const CONFIRM_MS = 4000;

/**
 * @param {string} path
 * @param {any} body
 * @returns {Promise<string>} the error message, empty on success
 */
export async function post(path, body) {
  try {
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (response.ok) return "";
    const refusal = await response.json().catch(() => null);
    return refusal?.error?.message ?? `The server refused (${response.status}).`;
  } catch {
    return "The server can't be reached.";
  }
}

/**
 * A button that acts on its second press.
 *
 * @param {HTMLButtonElement} button
 * @param {() => string} ask the question that is shown after the first press
 * @param {() => void} act
 */
export function onSecondPress(button, ask, act) {
  let label = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const reset = () => {
    clearTimeout(timer);
    if (timer !== undefined) button.textContent = label;
    timer = undefined;
  };
  button.addEventListener("click", () => {
    if (timer === undefined) {
      label = button.textContent ?? "";
      button.textContent = ask();
      timer = setTimeout(reset, CONFIRM_MS);
      return;
    }
    reset();
    act();
  });
}

/**
 * The actions' address on the server itself.
 *
 * @param {{name: string}} session
 */
const here = ({ name }) => `${root}/api/sessions/${encodeURIComponent(name)}/actions`;

/** The dialog for a session. */
export class Changes {
  /** @param {(session: any) => string} [address] to which a session's actions are posted */
  constructor(address = here) {
    this.address = address;
    this.dialog = $("change");
    /** @type {any} */
    this.session = null;
    $("change-cancel").addEventListener("click", () => this.dialog.close());
    $("change-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.apply();
    });
    onSecondPress($("change-end"), () => "Really end it?", async () => this.finish(await this.act({ kind: "end" })));
  }

  /** @param {any} session */
  open(session) {
    this.session = session;
    $("change-title").textContent = titleOf(session);
    $("change-slo").value = String(session.slo_ms);
    $("change-variant").value = session.pins.variant ?? "";
    $("change-edge").value = session.pins.edge === null ? "" : String(session.pins.edge);
    $("change-wrong").hidden = true;
    this.dialog.showModal();
  }

  /**
   * @param {any} action
   * @returns {Promise<string>}
   */
  act(action) {
    return post(this.address(this.session), action);
  }

  async apply() {
    const { slo_ms: sloMs, pins } = this.session;
    const slo = Number($("change-slo").value);
    const variant = $("change-variant").value || null;
    const edge = $("change-edge").value ? Number($("change-edge").value) : null;
    const wanted = [];
    if (slo !== sloMs) wanted.push({ kind: "slo", slo_ms: slo });
    if (variant !== pins.variant) wanted.push({ kind: "variant", variant });
    if (edge !== pins.edge) wanted.push({ kind: "size", edge });
    for (const action of wanted) {
      const wrong = await this.act(action);
      if (wrong) return this.finish(wrong);
    }
    return this.finish("");
  }

  /** @param {string} wrong */
  finish(wrong) {
    $("change-wrong").textContent = wrong;
    $("change-wrong").hidden = !wrong;
    if (!wrong) this.dialog.close();
  }
}

/** A button that drains a server, and takes that back. */
export class DrainButton {
  /**
   * @param {HTMLButtonElement} button
   * @param {string} address to which `{"on": true}` or `{"on": false}` is posted
   * @param {(wrong: string) => void} [done] called with the error message, empty on success
   */
  constructor(button, address, done = () => {}) {
    this.button = button;
    this.draining = false;
    onSecondPress(button, () => (this.draining ? "Accept newcomers?" : "Refuse newcomers?"), async () => done(await post(address, { on: !this.draining })));
  }

  /** @param {boolean} draining */
  show(draining) {
    if (draining !== this.draining) setText(this.button, draining ? "Stop draining" : "Drain");
    this.draining = draining;
    this.button.setAttribute("aria-pressed", String(draining));
  }
}
