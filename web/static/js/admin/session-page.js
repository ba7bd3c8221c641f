/** SessionPage session's page: the legs of its frames, its charts, and its last picture if that is enabled. */

import { root } from "../root.js";
import { $, el, setText } from "./dom.js";
import { Chart } from "./charts.js";
import { whenText } from "./ended.js";
import { drawPlaces, placeRows } from "./places.js";
import { deviceName } from "./sessions.js";
import { accuracyText, ageText, levelOfMisses, OUTCOMES, LEGS, msText, percent, rateText, tally, titleOf } from "./texts.js";

const BOX_COLOURS = ["#3ddc97", "#ffc857", "#7aa2ff", "#c792ea", "#5fd3f3", "#ff6b6b"];

const MOST_ATTEMPTS = 5;

export class SessionPage {
  /**
   * @param {{session: string, misses: string[], pictures: boolean, history_hours: number, places: import("./places.js").Places}} settings
   * @param {(session: any) => void} onChange
   */
  constructor(settings, onChange) {
    this.settings = settings;
    /** @type {any} */
    this.session = null;
    this.path = `${root}/api/sessions/${encodeURIComponent(settings.session)}`;
    this.charts = [
      new Chart($("charts"), {
        title: "Latency, capture to answer",
        unit: "ms",
        lines: [
          { label: "p99", column: "p99_ms", colour: "--blue" },
          { label: "p50", column: "p50_ms", colour: "--accent" },
          { label: "objective", column: "slo_ms", colour: "--bad", dashed: true },
        ],
      }),
      new Chart($("charts"), { title: "Frames missed a second", unit: "", least: 4, lines: [{ label: "missed", column: "missed", colour: "--bad", filled: true }] }),
      new Chart($("charts"), {
        title: "Link",
        unit: "Mbit/s",
        digits: 2,
        lines: [
          { label: "capacity", column: "link_bps", colour: "--blue", scale: 1e-6 },
          { label: "received", column: "bps", colour: "--accent", scale: 1e-6 },
        ],
      }),
    ];
    /** @type {any} */
    this.history = null;
    $("one-change").addEventListener("click", () => this.session && onChange(this.session));
    this.fetching = false;
    this.fetchingEnded = false;
    this.attempts = 0;
    /** @type {any} */
    this.ended = null;
  }

  async load() {
    const response = await fetch(`${this.path}/history`);
    if (response.ok) this.history = await response.json();
  }

  /** @param {any} state */
  show(state) {
    const session = state.sessions.find((/** @type {any} */ each) => each.name === this.settings.session);
    $("one-change").disabled = !session;
    if (!session) {
      if (!this.ended) setText($("one-reason"), "This session has ended, or never was.");
      this.showEnded();
      this.session = null;
      return;
    }
    const before = this.session;
    this.session = session;
    setText($("one-title"), titleOf(session));
    this.describe(session);
    this.figures(session, state);
    this.point(session, before, state);
    if (this.settings.pictures && session.variant !== null) this.fetchPicture();
  }

  /** @param {any} session */
  describe(session) {
    const served = session.planned === null ? "Not served" : `Served with ${session.planned}`;
    setText($("one-reason"), `${served}: ${session.reason || "not planned yet"}. ${session.hint ? `Asked to send ${session.hint.max_edge} px, ${session.hint.fps} fps, ${rateText(session.hint.max_bps)}: ${session.hint.reason}.` : ""}`);
  }

  /**
   * @param {any} session
   * @param {any} state
   */
  figures(session, state) {
    const { share } = tally(session.recent, this.settings.misses);
    this.tiles([
      [msText(session.latency?.p50_ms), "p50 ms"],
      [msText(session.latency?.p99_ms), "p99 ms", (session.latency?.p99_ms ?? 0) > session.slo_ms ? "poor" : ""],
      [String(session.slo_ms), "objective, ms"],
      [share === null ? "–" : percent(share), this.session ? "missed, 10 s" : "missed", levelOfMisses(share)],
      [String(Math.round(session.fps)), "frames a second"],
    ]);
    this.legs(session);
    this.showOutcomes(session);
    this.showPlaces(session);
    this.facts(session, state);
  }

  /** Shows what is kept of a session that has ended, once; tries a few times, for its frames are counted first. */
  async showEnded() {
    if (this.ended || this.fetchingEnded || this.attempts >= MOST_ATTEMPTS || !this.settings.history_hours) return;
    this.fetchingEnded = true;
    this.attempts += 1;
    try {
      const response = await fetch(`${root}/api/ended/${encodeURIComponent(this.settings.session)}`).catch(() => null);
      if (!response?.ok) return;
      const ended = this.ended = await response.json();
      setText($("one-title"), titleOf(ended));
      setText($("one-reason"), `Ended at ${whenText(ended.ended_s)}, ${ageText(ended.ended_s - ended.began_s)} after its offer: ${ended.reason} (${ended.code}).`);
      const { session, history } = ended;
      if (session) {
        this.figures({ ...session, recent: session.outcomes }, { devices: [] });
        this.showOutcomes({ ...session, recent: {} });
      }
      setText($("one-charts-title"), "Its last five minutes");
      if (history) for (const chart of this.charts) chart.show({ ...history, slo_ms: history.t.map(() => ended.slo_ms) });
    } finally {
      setTimeout(() => (this.fetchingEnded = false), 2000);
    }
  }

  /** @param {[string, string, string?][]} tiles */
  tiles(tiles) {
    $("one-tiles").replaceChildren(...tiles.map(([value, name, level = ""]) => el(
      "div",
      { class: "tile" },
      el("span", { class: "value", "data-level": level, text: value }),
      el("span", { class: "name", text: name }),
    )));
  }

  /** @param {any} session */
  legs({ legs, slo_ms: sloMs }) {
    const known = Object.keys(LEGS).filter((leg) => legs[leg]);
    const whole = known.reduce((sum, leg) => sum + legs[leg].p50_ms, 0);
    const scale = 100 / Math.max(1.15 * sloMs, whole);
    const parts = known.map((leg) => {
      const part = el("i", { "data-leg": leg, title: `${leg} ${msText(legs[leg].p50_ms)} ms` });
      part.style.width = `${scale * legs[leg].p50_ms}%`;
      return part;
    });
    const limit = el("span", { class: "objective", title: `objective ${sloMs} ms` });
    limit.style.left = `${scale * sloMs}%`;
    $("legs").replaceChildren(...parts, limit);
    $("legs").setAttribute("aria-label", `Medians of ${sloMs} milliseconds: ${known.map((leg) => `${leg} ${msText(legs[leg].p50_ms)}`).join(", ")}`);
    $("leg-rows").replaceChildren(...known.map((leg) => el(
      "tr",
      {},
      el("td", { "data-leg": leg, text: leg }),
      el("td", { class: "num", text: msText(legs[leg].p50_ms) }),
      el("td", { class: "num", text: msText(legs[leg].p99_ms) }),
      el("td", { text: LEGS[leg] }),
    )));
  }

  /** @param {any} session */
  showOutcomes({ outcomes, recent }) {
    $("end-rows").replaceChildren(...Object.keys(OUTCOMES).filter((end) => outcomes[end]).map((end) => el(
      "tr",
      {},
      el("td", { text: OUTCOMES[end] }),
      el("td", { class: "num", text: String(recent[end] ?? 0) }),
      el("td", { class: "num", text: String(outcomes[end]) }),
    )));
  }

  /** @param {{scene?: import("./places.js").Scene | null}} session */
  showPlaces({ scene }) {
    $("places-section").hidden = !scene;
    if (!scene) return;
    const rows = placeRows(this.settings.places, scene);
    $("place-rows").replaceChildren(...rows);
    $("places").hidden = rows.length === 0;
    setText($("places-text"), scene.tracks === 1 ? "1 thing is followed." : `${scene.tracks} things are followed.`);
  }

  /**
   * @param {any} session
   * @param {any} state
   */
  facts(session, state) {
    const { packets } = session;
    const facts = /** @type {[string, string][]} */ ([
      ["Link capacity", rateText(session.link_bps)],
      ["Received", rateText(session.bps)],
      ["Lost, 2 s", percent(session.loss)],
      ["Queue on the link", `${msText(session.queue_ms)} ms`],
      ["Round trip", session.rtt_ms === null ? "–" : `${msText(session.rtt_ms)} ms`],
      ["Picture", session.size ? session.size.join("×") : "–"],
      ["Served with", session.variant ?? "–"],
      ["Expected accuracy", accuracyText(session)],
      ["On", session.device === null ? "–" : deviceName(state.devices[session.device])],
      ["Infeasible", `${session.infeasible} frames`],
      ["Packets", `${packets.packets}, ${packets.missed} missed, ${packets.recovered} recovered`],
      ["Key frames requested", String(packets.keyframe_requests)],
      ["Connected for", ageText(session.age_s)],
    ]);
    $("facts").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value }))));
  }

  /**
   * Adds a second to the charts.
   *
   * @param {any} session
   * @param {any} before
   * @param {any} state
   */
  point(session, before, state) {
    const { history } = this;
    if (!history) return;
    if (history.t.at(-1) < state.at) {
      const missed = (/** @type {any} */ each) => this.settings.misses.reduce((sum, reason) => sum + (each.outcomes[reason] ?? 0), 0);
      const row = { t: state.at, p50_ms: session.latency?.p50_ms ?? null, p99_ms: session.latency?.p99_ms ?? null, missed: before ? missed(session) - missed(before) : 0, link_bps: session.link_bps, bps: session.bps };
      for (const [name, value] of Object.entries(row)) {
        history[name].push(value);
        if (history[name].length > 300) history[name].shift();
      }
    }
    for (const chart of this.charts) chart.show({ ...history, slo_ms: history.t.map(() => session.slo_ms) });
  }

  /** Fetches and draws the current picture. */
  async fetchPicture() {
    if (this.fetching || document.hidden) return;
    this.fetching = true;
    try {
      const response = await fetch(`${this.path}/picture`).catch(() => null);
      if (response?.ok) await this.draw(await response.json());
    } finally {
      this.fetching = false;
    }
  }

  /** @param {{width: number, height: number, jpeg: string, boxes: [string, number, number, number, number, number, (number | null)?][]}} picture */
  async draw({ width, height, jpeg, boxes }) {
    const image = new Image();
    image.src = `data:image/jpeg;base64,${jpeg}`;
    await image.decode();
    const canvas = $("picture");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, width, height);
    context.font = "600 13px system-ui";
    context.lineWidth = 2;
    boxes.forEach(([name, score, x1, y1, x2, y2, track], index) => {
      context.strokeStyle = context.fillStyle = BOX_COLOURS[(track ?? index) % BOX_COLOURS.length];
      context.strokeRect(x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height);
      context.fillText(`${name}${track ? ` #${track}` : ""} ${score.toFixed(2)}`, x1 * width + 4, Math.max(13, y1 * height - 4));
    });
    if (this.session?.scene) drawPlaces(context, this.settings.places, this.session.scene);
    setText($("picture-text"), `${boxes.length} ${boxes.length === 1 ? "box" : "boxes"}`);
  }
}
