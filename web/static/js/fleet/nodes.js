/** The nodes: one row each, by name; rows persist from one state to the next. */

import { root } from "../root.js";
import { DrainButton } from "../admin/changes.js";
import { $, el, setAttribute, setText } from "../admin/dom.js";
import { ageText, counted, levelOfMisses, percent } from "../admin/texts.js";

/** A report of a node's sessions that is older is said to be. */
const OLD_MS = 3000;

/** @type {Record<string, string>} */
const STATES = { fresh: "well", suspect: "silent, being asked", vouched: "answers, does not beat", gone: "gone" };

/**
 * A node's state in words, and how bad it is.
 *
 * @param {any} node
 * @returns {{level: "good" | "fair" | "poor" | "idle", words: string}}
 */
export function rateNode(node) {
  const silent = `for ${ageText(node.silent_ms / 1000)}`;
  if (node.stopped) return { level: "idle", words: `stopped ${silent}` };
  if (node.state === "gone") return { level: "poor", words: `gone ${silent}` };
  if (node.doubled) return { level: "poor", words: "two processes have this name" };
  if (!node.ready) return { level: "poor", words: "no device takes frames" };
  if (node.state !== "fresh") return { level: "fair", words: `${STATES[node.state]} ${silent}` };
  if (node.draining) return { level: "fair", words: node.sessions ? `draining: ${counted(node.sessions, "session")} left` : "drained" };
  const frames = (node.in_time ?? 0) + (node.missed ?? 0);
  const level = levelOfMisses(frames ? node.missed / frames : null);
  if (level || node.sessions_red || node.sessions_amber) return { level: node.sessions_red ? "poor" : level || "fair", words: "misses frames" };
  return { level: "good", words: STATES.fresh };
}

export class Nodes {
  constructor() {
    /** @type {Map<string, any>} */
    this.rows = new Map();
  }

  /** @param {any[]} nodes */
  show(nodes) {
    const here = new Set(nodes.map(({ node }) => node));
    for (const [name, row] of this.rows) {
      if (here.has(name)) continue;
      row.tr.remove();
      this.rows.delete(name);
    }
    nodes.forEach((node, index) => {
      const row = this.fill(node);
      const body = $("node-rows");
      if (body.children[index] !== row.tr) body.insertBefore(row.tr, body.children[index] ?? null);
    });
    $("nodes-none").hidden = nodes.length > 0;
    $("nodes").hidden = nodes.length === 0;
  }

  /**
   * Fills a menu with the variants that a node serves.
   *
   * @param {string} name
   * @param {HTMLSelectElement} menu
   */
  offerVariants(name, menu) {
    const variants = this.rows.get(name)?.node.variants ?? [];
    menu.replaceChildren(el("option", { value: "", text: "as planned" }), ...variants.map((/** @type {string} */ text) => el("option", { text })));
  }

  /** @param {any} node */
  fill(node) {
    let row = this.rows.get(node.node);
    if (!row) {
      row = this.make(node);
      this.rows.set(node.node, row);
    }
    row.node = node;
    const { level, words } = rateNode(node);
    const gone = node.state === "gone";
    setAttribute(row.tr, "data-level", level);
    setAttribute(row.link, "href", `${node.url}/admin`);
    setText(row.state, words);
    setText(row.version, node.version || "–");
    setAttribute(row.version, "class", node.version_differs ? "mark" : "");
    setText(row.settings, node.settings_differ ? `settings differ (${node.settings})` : "");
    setText(row.sessions, gone ? "–" : String(node.sessions));
    setText(row.room, gone ? "" : node.draining ? "takes no newcomers" : `room for ${node.room}`);
    const takesNone = gone || node.draining; // then its load, of what it would take, says nothing
    setAttribute(row.meter, "data-level", node.load >= 1 ? "fair" : "");
    row.bar.style.width = takesNone ? "0" : `${Math.round(100 * Math.min(1, node.load))}%`;
    setText(row.load, takesNone ? "–" : percent(node.load));
    const frames = gone ? 0 : (node.in_time ?? 0) + (node.missed ?? 0);
    setText(row.inTime, frames ? percent(node.in_time / frames) : "–");
    setText(row.missed, gone || node.missed === null ? "–" : String(node.missed));
    const untold = gone ? "" : node.report_age_ms === null ? "not told" : node.report_age_ms > OLD_MS ? `${ageText(node.report_age_ms / 1000)} old` : "";
    setText(row.age, untold);
    row.drain.show(node.draining);
    row.button.hidden = gone;
    return row;
  }

  /** @param {any} node */
  make({ node }) {
    const row = /** @type {Record<string, any>} */ ({
      link: el("a", { text: node, target: "_blank", rel: "noopener", title: "Its own admin page" }),
      state: el("span", { class: "sub" }),
      version: el("span"),
      settings: el("span", { class: "sub mark" }),
      sessions: el("span"),
      room: el("span", { class: "sub" }),
      bar: el("i"),
      load: el("span", { class: "sub" }),
      inTime: el("span"),
      missed: el("span"),
      age: el("span", { class: "sub" }),
      button: el("button", { type: "button", class: "small-button", text: "Drain", "aria-describedby": `node-${node}` }),
    });
    const failed = (/** @type {string} */ wrong) => {
      setText($("nodes-wrong"), wrong ? `${node}: ${wrong}` : "");
      $("nodes-wrong").hidden = !wrong;
    };
    row.drain = new DrainButton(row.button, `${root}/api/nodes/${encodeURIComponent(node)}/drain`, failed);
    row.meter = el("div", { class: "meter" }, row.bar);
    const dot = el("span", { class: "dot", "aria-hidden": "true" });
    row.tr = el(
      "tr",
      { "data-node": node },
      el("td", { id: `node-${node}` }, el("span", { class: "who" }, dot, el("span", {}, row.link, row.state))),
      el("td", { "data-name": "Version" }, row.version, row.settings),
      el("td", { "data-name": "Sessions" }, row.sessions, row.room),
      el("td", { "data-name": "Load" }, row.meter, row.load),
      el("td", { class: "num", "data-name": "In time" }, row.inTime, row.age),
      el("td", { class: "num", "data-name": "Missed a minute" }, row.missed),
      el("td", { class: "act-cell" }, row.button),
    );
    return row;
  }
}
