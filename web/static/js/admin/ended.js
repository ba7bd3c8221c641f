/** Sessions that have ended: the latest of them, each with a link to its page, which is kept. */

import { root } from "../root.js";
import { $, el, setAttribute, setText } from "./dom.js";
import { ageText, levelOfMisses, msText, percent, titleOf } from "./texts.js";

const SHOWN = 30;
/** Between two looks while nothing ends: another server's page, or an end that was not seen. */
const LOOK_MS = 30_000;
/** From the end of a session to its row: its frames are counted first. */
const SOON_MS = 1500;

export class EndedSessions {
  constructor() {
    /** @type {Set<string>} */
    this.present = new Set();
    this.dueMs = 0;
    this.fetching = false;
  }

  /** @param {any} state */
  show(state) {
    const now = performance.now();
    const present = new Set(state.sessions.map((/** @type {any} */ each) => each.name));
    if ([...this.present].some((name) => !present.has(name))) this.dueMs = Math.min(this.dueMs, now + SOON_MS);
    this.present = present;
    if (now >= this.dueMs) this.fetch();
  }

  async fetch() {
    if (this.fetching || document.hidden) return;
    this.fetching = true;
    this.dueMs = performance.now() + LOOK_MS;
    try {
      const response = await fetch(`${root}/api/ended?limit=${SHOWN}`).catch(() => null);
      if (response?.ok) this.fill((await response.json()).sessions);
      else setText($("ended-none"), "They can't be read now.");
    } finally {
      this.fetching = false;
    }
  }

  /** @param {any[]} sessions */
  fill(sessions) {
    $("ended").hidden = sessions.length === 0;
    $("ended-none").hidden = sessions.length > 0;
    const newest = String(sessions[0]?.id ?? "");
    if ($("ended-rows").dataset.newest === newest && $("ended-rows").children.length === sessions.length) return;
    setAttribute($("ended-rows"), "data-newest", newest);
    $("ended-rows").replaceChildren(...sessions.map(row));
  }
}

/**
 * @param {any} session
 * @returns {HTMLElement}
 */
function row(session) {
  const all = session.in_time + session.missed;
  const share = all ? session.missed / all : null;
  return el(
    "tr",
    { "data-ended": session.name },
    el("td", {}, el("a", { href: `${root}/admin/session/${encodeURIComponent(session.name)}`, text: titleOf(session) }), session.label ? el("span", { class: "sub", text: ` ${session.name}` }) : ""),
    el("td", { text: whenText(session.ended_s) }),
    el("td", { text: ageText(session.ended_s - session.began_s) }),
    el("td", { class: "num", "data-level": levelOfMisses(share), text: share === null ? "–" : percent(1 - share) }),
    el("td", { class: "num", text: msText(session.p99_ms) }),
    el("td", { text: session.reason }),
  );
}

/**
 * @param {number} atS Unix time
 * @returns {string}
 */
export function whenText(atS) {
  const at = new Date(1000 * atS);
  const time = at.toLocaleTimeString([], { hour12: false });
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString()} ${time}`;
}
