/** The sessions: one row each, worst first; rows persist from one state to the next. */

import { root } from "../root.js";
import { $, el, setAttribute, setText, svg } from "./dom.js";
import { accuracyText, ageText, rateSession, msText, percent, rateText, REASONS, tally, titleOf } from "./texts.js";

const WIDTH = 132;
const HEIGHT = 30;
/** The top of a sparkline, as a multiple of the objective. */
const TOP = 1.6;
const ORDER = ["poor", "fair", "idle", "good"];
/** A row moves only after so many states, so that rows do not jump. */
const SETTLE = 3;

export class Sessions {
  /**
   * @param {string[]} misses
   * @param {(session: any) => void} onChange called to change one
   */
  constructor(misses, onChange) {
    this.misses = misses;
    this.onChange = onChange;
    /** @type {Map<string, any>} */
    this.rows = new Map();
  }

  /**
   * @param {any} state
   * @param {import("./feed.js").Feed} feed
   */
  show(state, feed) {
    const here = new Set(state.sessions.map((/** @type {any} */ session) => session.name));
    for (const [name, row] of this.rows) {
      if (!here.has(name)) {
        row.tr.remove();
        this.rows.delete(name);
      }
    }
    for (const session of state.sessions) this.fill(session, state, feed.sparks.get(session.name));
    const wanted = [...this.rows.values()].sort(
      (a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level) || a.title.localeCompare(b.title, "en", { numeric: true }),
    );
    const body = $("rows");
    wanted.forEach((row, index) => {
      if (body.children[index] !== row.tr) body.insertBefore(row.tr, body.children[index] ?? null);
    });
    $("empty").hidden = this.rows.size > 0;
    $("sessions").hidden = this.rows.size === 0;
  }

  /**
   * @param {any} session
   * @param {any} state
   * @param {any} spark
   */
  fill(session, state, spark) {
    let row = this.rows.get(session.name);
    if (!row) {
      row = this.make(session.name);
      this.rows.set(session.name, row);
    }
    row.session = session;
    row.title = titleOf(session);
    const { level } = rateSession(session, this.misses);
    if (row.lastLevel === level) row.unchanged += 1;
    else [row.lastLevel, row.unchanged] = [level, 0];
    if (row.level === undefined || row.unchanged >= SETTLE || level === "poor") row.level = level;
    setAttribute(row.tr, "data-level", level);
    setText(row.link, row.title);
    setText(row.about, [session.label ? session.name : "", ageText(session.age_s)].filter(Boolean).join(" · "));
    setText(row.p50, msText(session.latency?.p50_ms));
    setText(row.p99, msText(session.latency?.p99_ms));
    setAttribute(row.p99, "data-over", String((session.latency?.p99_ms ?? 0) > session.slo_ms));
    setAttribute(row.p99, "data-slo", String(session.slo_ms));
    setText(row.slo, `${session.slo_ms}`);
    const { share, reasons, all } = tally(session.recent, this.misses);
    const why = reasons.slice(0, 2).map(([reason, n]) => `${REASONS[reason]} ${percent(n / all)}`);
    setAttribute(row.misses, "data-level", level);
    setText(row.misses, share === null ? (level === "poor" ? "no frames" : "–") : why.join(", ") || "no misses");
    setText(row.network, rateText(session.link_bps));
    const link = [session.loss >= 0.001 && `${percent(session.loss)} lost`, session.rtt_ms !== null && `${msText(session.rtt_ms)} ms round trip`];
    setText(row.more, link.filter(Boolean).join(" · "));
    setText(row.size, session.size ? `${session.size[0]}×${session.size[1]}${session.pins.edge ? " pinned" : ""}` : "–");
    setText(row.bits, `${Math.round(session.fps)} fps · ${rateText(session.bps)}`);
    const served = (session.variant ?? session.planned ?? "–").replace("yolov4-tiny-", "tiny ").replace("yolov4-", "v4 ");
    setText(row.variant, `${served}${session.pins.variant ? " pinned" : ""}`);
    row.variant.title = session.reason;
    const device = session.device === null ? "" : deviceName(state.devices[session.device]);
    setText(row.device, [device, session.f1 !== null && `F1 ${session.f1.toFixed(2)}`].filter(Boolean).join(" · "));
    row.device.title = accuracyText(session);
    draw(row.spark, spark);
  }

  /** @param {string} name */
  make(name) {
    const cells = /** @type {Record<string, any>} */ ({
      link: el("a", { href: `${root}/admin/session/${encodeURIComponent(name)}` }),
      about: el("span", { class: "sub" }),
      p50: el("td", { class: "num p50" }),
      p99: el("td", { class: "num p99" }),
      slo: el("td", { class: "num slo" }),
      misses: el("span", { class: "misses" }),
      network: el("span"),
      more: el("span", { class: "sub" }),
      size: el("span"),
      bits: el("span", { class: "sub" }),
      variant: el("span"),
      device: el("span", { class: "sub" }),
      spark: svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }),
    });
    const change = el("button", { type: "button", class: "small-button", text: "Change", on: { click: () => this.onChange(this.rows.get(name).session) } });
    const dot = el("span", { class: "dot", "aria-hidden": "true" });
    cells.tr = el(
      "tr",
      { "data-session": name },
      el("td", { class: "who-cell" }, el("span", { class: "who" }, dot, el("span", {}, cells.link, cells.about))),
      cells.p50,
      cells.p99,
      cells.slo,
      el("td", { class: "misses-cell" }, cells.misses),
      el("td", { class: "spark-cell" }, cells.spark),
      el("td", { class: "link-cell" }, cells.network, cells.more),
      el("td", { class: "sent-cell" }, cells.size, cells.bits),
      el("td", { class: "served-cell" }, cells.variant, cells.device),
      el("td", { class: "change-cell" }, change),
    );
    return cells;
  }
}

/**
 * @param {any} device
 * @returns {string}
 */
export function deviceName(device) {
  if (!device) return "";
  return `device ${device.number}`;
}

/**
 * The 99th percentile against the objective, and a tick for each second with misses.
 *
 * @param {SVGElement} target
 * @param {{strain: (number | null)[], missed: number[]} | undefined} spark
 */
function draw(target, spark) {
  if (!spark) return;
  const step = WIDTH / 59;
  const y = (/** @type {number} */ strain) => HEIGHT - 1 - (HEIGHT - 2) * Math.min(1, strain / TOP);
  const offset = 60 - spark.strain.length;
  const points = spark.strain.map((strain, index) => (strain === null ? null : `${((index + offset) * step).toFixed(1)},${y(strain).toFixed(1)}`));
  const shapes = [svg("line", { class: "limit", x1: 0, x2: WIDTH, y1: y(1), y2: y(1) })];
  spark.missed.forEach((missed, index) => {
    const x = (index + 60 - spark.missed.length) * step;
    if (missed > 0) shapes.push(svg("line", { class: "miss", x1: x, x2: x, y1: HEIGHT, y2: HEIGHT - Math.min(10, 3 + missed) }));
  });
  shapes.push(svg("polyline", { class: "path", points: points.filter(Boolean).join(" ") }));
  target.replaceChildren(...shapes);
  const last = spark.strain.at(-1);
  const spoken = last === null || last === undefined ? "no latency yet" : `99th percentile at ${percent(last)} of the objective`;
  target.setAttribute("aria-label", spoken);
}
