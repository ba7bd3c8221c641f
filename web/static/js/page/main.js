/**
 * Connects the page's parts: buttons to the session, the session to texts and figures.
 *
 * Query parameters, for automation: autostart=1, source=camera|sample, slo=MS, fps=N, label=TEXT, model=NAME,
 * min_score=0..1, classes=NAME,NAME, journal=1.
 * A token may come in the fragment: #token=TEXT.
 *
 * Tests and the demo command observe and control the page through `window.__edge`: automation.js.
 * Each drawn answer is an event "edge:drawn" on window, detail {rtp, stampMs, boxes, mirrored}, sent while the
 * canvas shows that very picture.
 */

import { automationOf } from "./automation.js";
import { CameraTools } from "./camera-tools.js";
import { Choices } from "./choices.js";
import { FoundAnnouncer } from "./found.js";
import { FreshnessMonitor } from "./freshness.js";
import { Notices } from "./notices.js";
import { Panel } from "./panel.js";
import { Session } from "./session.js";
import { ShareDialog } from "./share.js";
import { positive, store, stored } from "./settings.js";
import { keepScreenOn } from "./wake-lock.js";

const SLO_KEY = "edge.slo_ms";
const MODEL_KEY = "edge.model";
const MIN_SCORE_KEY = "edge.min_score";
const CLASSES_KEY = "edge.classes";
const TOKEN_KEY = "edge.token";

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

/** The same while it is live, and what is shown is not of now. */
const STALE = { frozen: "Picture frozen", unsent: "Nothing sent", unanswered: "No answers" };

const monitor = new FreshnessMonitor(session, () => render());
const notices = new Notices(document.body, session, monitor);
const tools = new CameraTools($("camera-tools"), session);
const share = new ShareDialog($("share-dialog"), { lan: settings.lan, token: session.options.token });
const found = new FoundAnnouncer($("found"));

function render() {
  const { state } = session;
  document.body.dataset.state = state;
  document.body.dataset.source = session.kind;
  document.body.dataset.freshness = monitor.freshness;
  const status = statusWords();
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
  tools.render();
  notices.render();
  keepScreenOn(state === "live");
}

/** @returns {string} */
function statusWords() {
  const { state } = session;
  if (state === "asking" && session.kind === "sample") return "Loading the sample video";
  return state === "live" && monitor.freshness !== "fresh" ? STALE[monitor.freshness] : STATUS[state];
}

/** @param {number} sloMs */
function setSlo(sloMs) {
  store("localStorage", SLO_KEY, String(sloMs));
  session.setSlo(sloMs);
}

/** @param {"camera" | "sample"} kind */
function start(kind) {
  panel.reset();
  choices.reset();
  found.reset();
  return session.start(kind);
}

session.addEventListener("change", render);
session.addEventListener("notice", (event) => notices.tell(/** @type {CustomEvent} */ (event).detail));
session.addEventListener("detections", (event) => found.add(/** @type {CustomEvent} */ (event).detail));
session.addEventListener("figures", () => {
  panel.show(session);
  choices.offer(Object.keys(session.stats().classes));
});

$("toggle").addEventListener("click", () => (session.active ? session.stop() : start("camera")));
$("share").addEventListener("click", () => share.open());
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
  setSlo(Number(event.target.value));
});
$("toast-action").addEventListener("click", () => setSlo(Number(notices.advisedSloMs)));
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

/** @type {any} */ (window).__edge = automationOf(session, monitor, start);

render();
if (query.get("autostart") === "1") start(query.get("source") === "sample" ? "sample" : "camera");
