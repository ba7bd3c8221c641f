/** The sessions of all nodes: the director searches, sorts and cuts; rows persist from one answer to the next. */

import { $, el, setAttribute, setText } from "../admin/dom.js";
import { ageText, counted, msText, percent, rateText, titleOf } from "../admin/texts.js";

/** A report that is older is said to be. */
const OLD_MS = 3000;
const TYPED_MS = 250;
const LIMIT = 200;
/** What is read from the largest value on, when it is first sorted by. */
const FALLING = new Set(["p50", "p99"]);

export class Sessions {
  /**
   * @param {(session: any) => void} onChange called to change one
   * @param {() => void} onQuery called when something else is asked for
   */
  constructor(onChange, onQuery) {
    this.onChange = onChange;
    /** @type {Map<string, any>} */
    this.rows = new Map();
    this.sort = "worst";
    this.descending = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    $("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(onQuery, TYPED_MS);
    });
    for (const button of $("heads").querySelectorAll("button")) {
      button.addEventListener("click", () => {
        this.sortBy(button.dataset.sort);
        onQuery();
      });
    }
  }

  /**
   * By this column, then the other way round, then the worst first again.
   *
   * @param {string} column
   */
  sortBy(column) {
    const first = FALLING.has(column);
    if (this.sort !== column) [this.sort, this.descending] = [column, first];
    else if (this.descending === first) this.descending = !first;
    else [this.sort, this.descending] = ["worst", false];
    for (const button of $("heads").querySelectorAll("button")) {
      const head = button.parentElement;
      if (button.dataset.sort === this.sort) head.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  /** @returns {string} of the request */
  query() {
    return new URLSearchParams({ search: $("search").value, sort: this.sort, descending: String(this.descending), limit: String(LIMIT) }).toString();
  }

  /** @param {{sessions: any[], total: number, told: number, matched: number}} listed */
  show({ sessions, total, told, matched }) {
    const key = (/** @type {any} */ session) => `${session.node}/${session.name}`;
    const here = new Set(sessions.map(key));
    for (const [name, row] of this.rows) {
      if (here.has(name)) continue;
      row.tr.remove();
      this.rows.delete(name);
    }
    sessions.forEach((session, index) => {
      const row = this.fill(key(session), session);
      const body = $("rows");
      if (body.children[index] !== row.tr) body.insertBefore(row.tr, body.children[index] ?? null);
    });
    const cut = [
      matched > sessions.length && `The first ${sessions.length} of ${counted(matched, "session")} are shown: search, or sort by another column.`,
      told < total && `${counted(total - told, "session")} more are on nodes that tell of their worst thousand alone.`,
    ].filter(Boolean);
    setText($("cut"), cut.join(" "));
    $("cut").hidden = !cut.length;
    setText($("empty"), total ? "No session matches." : "No session. Open this director's start page with a camera, or publish by WHIP.");
    $("empty").hidden = sessions.length > 0;
    $("sessions").hidden = sessions.length === 0;
  }

  /**
   * @param {string} key
   * @param {any} session
   */
  fill(key, session) {
    let row = this.rows.get(key);
    if (!row) {
      row = this.make(key);
      this.rows.set(key, row);
    }
    row.session = { ...session, pins: { variant: session.pinned_variant, edge: session.pinned_edge } };
    setAttribute(row.tr, "data-level", session.level);
    setAttribute(row.link, "href", session.url);
    setText(row.link, titleOf(session));
    const old = session.report_age_ms > OLD_MS && `as of ${ageText(session.report_age_ms / 1000)} ago`;
    setText(row.about, [session.label ? session.name : "", ageText(session.age_s), old].filter(Boolean).join(" · "));
    setText(row.node, session.node);
    const frames = session.in_time + session.missed;
    setText(row.inTime, frames ? percent(session.in_time / frames) : "–");
    setText(row.p50, msText(session.p50_ms));
    setText(row.p99, msText(session.p99_ms));
    setText(row.slo, `of ${session.slo_ms} ms`);
    setText(row.size, session.size ? `${session.size[0]}×${session.size[1]}` : "–");
    setText(row.fps, `${Math.round(session.fps)} fps${session.pinned_edge ? " · pinned" : ""}`);
    setText(row.variant, session.variant ?? "–");
    setText(row.pinned, session.pinned_variant ? "pinned" : "");
    setText(row.network, rateText(session.link_bps));
    const more = [session.loss >= 0.001 && `${percent(session.loss)} lost`, session.rtt_ms !== null && `${msText(session.rtt_ms)} ms round trip`];
    setText(row.more, more.filter(Boolean).join(" · "));
    return row;
  }

  /** @param {string} key */
  make(key) {
    const row = /** @type {Record<string, any>} */ ({
      link: el("a", { target: "_blank", rel: "noopener", title: "Its page at its node" }),
      node: el("td", { "data-name": "Node" }),
      inTime: el("td", { class: "num", "data-name": "In time" }),
      p50: el("td", { class: "num", "data-name": "p50 ms" }),
      p99: el("span"),
      slo: el("span", { class: "sub" }),
      about: el("span", { class: "sub" }),
      size: el("span"),
      fps: el("span", { class: "sub" }),
      variant: el("span"),
      pinned: el("span", { class: "sub mark" }),
      network: el("span"),
      more: el("span", { class: "sub" }),
    });
    const change = el("button", { type: "button", class: "small-button", text: "Change", on: { click: () => this.onChange(this.rows.get(key).session) } });
    const dot = el("span", { class: "dot", "aria-hidden": "true" });
    row.tr = el(
      "tr",
      { "data-session": key },
      el("td", {}, el("span", { class: "who" }, dot, el("span", {}, row.link, row.about))),
      row.node,
      row.inTime,
      row.p50,
      el("td", { class: "num", "data-name": "p99 ms" }, row.p99, row.slo),
      el("td", { "data-name": "Sent" }, row.size, row.fps),
      el("td", { "data-name": "Served" }, row.variant, row.pinned),
      el("td", { "data-name": "Link" }, row.network, row.more),
      el("td", { class: "act-cell" }, change),
    );
    return row;
  }
}
