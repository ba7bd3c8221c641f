/**
 * Connects the page's parts: buttons to the session, the session to texts and figures.
 *
 * Query parameters, for automation: autostart=1, source=camera|sample, slo=MS, fps=N, label=TEXT, model=NAME,
 * min_score=0..1, classes=NAME,NAME, journal=1.
 * A token may come in the fragment: #token=TEXT.
 *
 * Tests and the demo command observe and control the page through `window.__edge`:
 *   state          "idle" | "asking" | "connecting" | "live" | "reconnecting" | "paused" | "error"
 *   problem        {code, title, text, detail} or null
 *   counts         {captured, in_time, late, infeasible, dropped: {reason: n}, pending};
 *                  captured = in_time + late + sum(dropped) + pending. The page's own reasons: "encoder" (left
 *                  out by the encoder), "paced" (left out to keep the hinted rate), "lost" (no answer), "stopped"
 *   latency        {n, p50, p90, p99} ms from capture to the drawn boxes
 *   legs           {encode, network, decode, queue, inference, send, back}: {n, p50, p90, p99} each; a frame's legs sum
 *                  to its latency
 *   classes        {name: boxes}      sent_sizes {"WxH": frames}      variants {name: answers}
 *   hint           the server's last hint, or null
 *   choices        {model, min_score, classes}: what the user has chosen of the detector
 *   snapshot()     all of this and more: {state, slo_ms, fps, label, source, counts, latency_ms, legs_ms, classes,
 *                  sent_sizes, variants, hint, hints_applied, session, reconnects, replacements, refusals,
 *                  choices, drawn, undrawn, sender, server, clock}
 *   journal()      with journal=1, a line for every frame captured since the start, and the hints: client/journal.js
 *   start(kind), stop(), flip()
 *   finish()       stops sending, waits until every frame is counted, stops, and returns a snapshot
 * Each drawn answer is an event "edge:drawn" on window, detail {rtp, stampMs, boxes, mirrored}, sent while the
 * canvas shows that very picture.
 */

import { Choices } from "./choices.js";
import { Panel } from "./panel.js";
import { describe } from "./problems.js";
import { Session } from "./session.js";
import { pageNow, positive, store, stored } from "./settings.js";

const SLO_KEY = "edge.slo_ms";
const MODEL_KEY = "edge.model";
const MIN_SCORE_KEY = "edge.min_score";
const CLASSES_KEY = "edge.classes";
const TOKEN_KEY = "edge.token";
const NOTICE_MS = 5000;

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
/** @type {import("./settings.js").Settings} */
const settings = JSON.parse($("settings").textContent);
const query = new URLSearchParams(location.search);

const panel = new Panel($("panel"));
const view = {
  canvas: $("canvas"),
  stage: $("stage"),
  video: $("probe"),
  onDrawn: (/** @type {any} */ drawn) => window.dispatchEvent(new CustomEvent("edge:drawn", { detail: drawn })),
};
const session = new Session(settings, view, {
  sloMs: positive(query.get("slo")) ?? positive(stored("localStorage", SLO_KEY)) ?? settings.slo_ms,
  fps: positive(query.get("fps")) ?? settings.fps,
  label: query.get("label") ?? "",
  token: () => stored("sessionStorage", TOKEN_KEY) ?? "",
  model: query.get("model") ?? storedModel(),
  minScore: Math.min(1, positive(query.get("min_score")) ?? positive(stored("localStorage", MIN_SCORE_KEY)) ?? 0),
  classes: new Set((query.get("classes") ?? stored("localStorage", CLASSES_KEY) ?? "").split(",").filter(Boolean)),
  journal: query.get("journal") === "1",
});

const choices = new Choices($("choices"), {
  models: settings.models,
  model: session.options.model,
  minScore: session.options.minScore,
  classes: session.options.classes,
  onModel: (model) => {
    store("localStorage", MODEL_KEY, model);
    choices.reset();
    session.setModel(model);
  },
  onMinScore: (minScore) => {
    store("localStorage", MIN_SCORE_KEY, String(minScore));
    session.setMinScore(minScore);
  },
  onClasses: (classes) => {
    store("localStorage", CLASSES_KEY, [...classes].join(","));
    session.setClasses();
  },
});

/** @returns {string | null} the model of the last visit, if the server still has it and others */
function storedModel() {
  const name = stored("localStorage", MODEL_KEY);
  return settings.models.length > 1 && settings.models.some((model) => model.name === name) ? name : null;
}

/** The status text of each state. */
const STATUS = {
  idle: "Ready",
  asking: "Waiting for the camera",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  paused: "Paused",
  error: "Stopped",
};

/** @type {any} */
let wakeLock = null;
/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown;
/** A notice that is shown for a moment. */
let notice = "";
/** @type {ReturnType<typeof setTimeout> | undefined} */
let noticeTimer;

function render() {
  const { state } = session;
  document.body.dataset.state = state;
  document.body.dataset.source = session.kind;
  const status = state === "asking" && session.kind === "sample" ? "Loading the sample video" : STATUS[state];
  if ($("status-text").textContent !== status) $("status-text").textContent = status;

  const starting = !["live", "reconnecting", "connecting", "asking"].includes(state);
  $("toggle").setAttribute("aria-label", starting ? "Start camera" : "Stop");
  $("toggle").title = starting ? "Start camera" : "Stop";
  $("flip").disabled = !(session.kind === "camera" && session.source);
  $("sample").hidden = !settings.sample;
  $("welcome").hidden = state !== "idle";
  $("welcome-sample").hidden = !settings.sample;
  $("trust").hidden = !settings.ca;
  for (const element of document.querySelectorAll('input[name="slo"]')) {
    const input = /** @type {HTMLInputElement} */ (element);
    input.checked = Number(input.value) === session.options.sloMs;
  }
  choices.showModel(session.options.model);
  renderNotice();
  renderToast();
  keepScreenOn(state === "live");
}

function renderNotice() {
  const shown = session.state === "error";
  $("notice").hidden = !shown;
  if (!shown) return;
  const { code, title, text, detail } = describe(session.problem);
  const wantsToken = code === "token";
  $("notice-title").textContent = title;
  $("notice-text").textContent = text;
  $("notice-detail").textContent = detail;
  $("notice-detail").hidden = !detail;
  $("token-form").hidden = !wantsToken;
  $("notice-actions").hidden = wantsToken;
  $("notice-sample").hidden = !settings.sample || session.kind === "sample" || !/^(camera|insecure)/.test(code);
}

function renderToast() {
  clearInterval(countdown);
  const { state } = session;
  const busy = ["asking", "connecting", "reconnecting"].includes(state);
  $("toast").hidden = !busy && !(notice && state === "live");
  if (!busy) {
    $("toast-text").textContent = notice;
    return;
  }
  const say = () => {
    if (state !== "reconnecting") {
      const asking = state === "asking" && session.kind === "camera";
      $("toast-text").textContent = asking ? "Allow the camera to continue" : "Connecting…";
      return;
    }
    const { title } = describe(session.problem);
    const seconds = Math.ceil((session.retryAtMs - pageNow()) / 1000);
    $("toast-text").textContent = seconds > 0 ? `${title}. Trying again in ${seconds} s` : `${title}. Trying again…`;
  };
  say();
  if (state === "reconnecting") countdown = setInterval(say, 500);
}

/**
 * Keeps the screen on while the session is live.
 *
 * @param {boolean} wanted
 */
async function keepScreenOn(wanted) {
  try {
    if (wanted && !wakeLock) {
      wakeLock = true;
      wakeLock = await /** @type {any} */ (navigator).wakeLock.request("screen");
      wakeLock.addEventListener("release", () => { wakeLock = null; });
    } else if (!wanted && wakeLock?.release) {
      await wakeLock.release();
      wakeLock = null;
    }
  } catch {
    wakeLock = null; // Refused or not supported: the screen may dim.
  }
}

/** @param {"camera" | "sample"} kind */
function start(kind) {
  panel.reset();
  choices.reset();
  return session.start(kind);
}

session.addEventListener("change", render);
session.addEventListener("notice", (event) => {
  clearTimeout(noticeTimer);
  notice = /** @type {CustomEvent} */ (event).detail;
  noticeTimer = setTimeout(() => {
    notice = "";
    renderToast();
  }, NOTICE_MS);
  renderToast();
});
session.addEventListener("figures", () => {
  panel.show(session);
  choices.offer(Object.keys(session.stats().classes));
});

$("toggle").addEventListener("click", () => (session.active ? session.stop() : start("camera")));
$("flip").addEventListener("click", () => session.flip());
for (const id of ["sample", "welcome-sample", "notice-sample"]) $(id).addEventListener("click", () => start("sample"));
$("welcome-camera").addEventListener("click", () => start("camera"));
$("notice-retry").addEventListener("click", () => start(session.kind));
$("token-form").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  store("sessionStorage", TOKEN_KEY, $("token").value.trim());
  $("token").value = "";
  start(session.kind);
});
$("slo").addEventListener("change", (/** @type {any} */ event) => {
  store("localStorage", SLO_KEY, event.target.value);
  session.setSlo(Number(event.target.value));
});
$("more").addEventListener("click", () => {
  const open = document.body.classList.toggle("details-open");
  $("more").setAttribute("aria-expanded", String(open));
});

document.addEventListener("visibilitychange", () => (document.hidden ? session.hide() : session.show()));
window.addEventListener("pagehide", () => session.hide());
window.addEventListener("pageshow", (event) => {
  if (event.persisted) session.show();
});

const fragment = new URLSearchParams(location.hash.slice(1));
const token = fragment.get("token");
if (token) {
  store("sessionStorage", TOKEN_KEY, token);
  history.replaceState(null, "", location.pathname + location.search);
}

/** @returns {Record<string, any>} */
function snapshot() {
  const stats = session.stats();
  const quantiles = (/** @type {any} */ { p50, p90, p99 }) => ({ p50, p90, p99 });
  return {
    state: session.state,
    slo_ms: session.options.sloMs,
    fps: session.options.fps,
    label: session.options.label,
    source: session.kind,
    counts: stats.counts,
    latency_ms: quantiles(stats.latencyMs),
    legs_ms: Object.fromEntries(Object.entries(stats.legsMs).map(([leg, summary]) => [leg, quantiles(summary)])),
    classes: stats.classes,
    sent_sizes: stats.sentSizes,
    variants: stats.variants,
    hint: stats.hint,
    hints_applied: stats.hintsApplied,
    session: stats.session,
    reconnects: stats.reconnects,
    replacements: stats.replacements,
    refusals: stats.refusals,
    choices: chosen(),
    drawn: stats.drawn,
    undrawn: stats.undrawn,
    sender: stats.sender,
    server: stats.server,
    clock: stats.clock,
  };
}

function chosen() {
  const { model, minScore, classes } = session.options;
  return { model, min_score: minScore, classes: [...classes] };
}

/** @type {any} */ (window).__edge = Object.freeze({
  get state() { return session.state; },
  get problem() { return session.problem ? describe(session.problem) : null; },
  get counts() { return session.stats().counts; },
  get latency() { return session.stats().latencyMs; },
  get legs() { return session.stats().legsMs; },
  get classes() { return session.stats().classes; },
  get sent_sizes() { return session.stats().sentSizes; },
  get variants() { return session.stats().variants; },
  get hint() { return session.stats().hint; },
  get choices() { return chosen(); },
  snapshot,
  journal: () => session.client?.journal() ?? null,
  start,
  stop: () => session.stop(),
  flip: () => session.flip(),
  async finish() {
    await session.finish();
    return snapshot();
  },
});

render();
if (query.get("autostart") === "1") start(query.get("source") === "sample" ? "sample" : "camera");
