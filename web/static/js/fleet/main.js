/** The fleet's page: asks the director once a second, and shows what it says. */

import { root } from "../root.js";
import { Changes } from "../admin/changes.js";
import { $, el, setAttribute, setText } from "../admin/dom.js";
import { levelOfMisses, percent, setLimits } from "../admin/texts.js";
import { Nodes } from "./nodes.js";
import { Sessions } from "./sessions.js";

const PERIOD_MS = 1000;
/** The director itself waits half a second for its nodes. */
const REQUEST_MS = 4000;

const settings = JSON.parse($("settings").textContent);
setLimits(settings);
const nodes = new Nodes();
const changes = new Changes(({ node, name }) => `${root}/api/nodes/${encodeURIComponent(node)}/sessions/${encodeURIComponent(name)}/actions`);
const sessions = new Sessions((session) => {
  nodes.offerVariants(session.node, $("change-variant"));
  changes.open(session);
}, () => poll());

/** @param {string} path */
async function get(path) {
  const response = await fetch(`${root}${path}`, { signal: AbortSignal.timeout(REQUEST_MS) });
  if (response.status === 401) throw new Error("Log in again: reload this page");
  if (!response.ok) throw new Error(`The director refuses (${response.status}): what is shown is old`);
  return response.json();
}

/** @param {{level: string, line: string, causes: {level: string, text: string, node: string | null}[]}} verdict */
function showVerdict({ level, line, causes }) {
  setAttribute(document.body, "data-level", level);
  setText($("verdict-text"), line);
  const items = causes.map(({ text, node }) => {
    if (!node) return el("li", { text });
    return el("li", {}, el("a", { href: `#node-${node}`, text: node }), ` ${text}`);
  });
  const list = $("causes");
  if (items.map((item) => item.textContent).join() !== [...list.children].map((item) => item.textContent).join()) list.replaceChildren(...items);
}

/** @param {any} state */
function showFigures(state) {
  const figure = (/** @type {string} */ name) => /** @type {any} */ (document.querySelector(`[data-figure="${name}"]`));
  const alive = state.nodes.filter((/** @type {any} */ node) => node.state !== "gone");
  const sum = (/** @type {string} */ key) => alive.reduce((/** @type {number} */ all, /** @type {any} */ node) => all + (node[key] ?? 0), 0);
  const frames = sum("in_time") + sum("missed");
  const share = frames ? sum("missed") / frames : null;
  setText(figure("in_time"), share === null ? "–" : percent(1 - share));
  setAttribute(figure("in_time"), "data-level", levelOfMisses(share));
  setText(figure("sessions"), String(state.sessions));
  setText(figure("free"), String(state.free_sessions));
  setAttribute(figure("free"), "data-level", state.free_sessions ? "" : "fair");
  setText(figure("nodes"), alive.length === state.nodes.length ? String(alive.length) : `${alive.length} of ${state.nodes.length}`);
  setText(figure("engine"), state.engine_connected ? "here" : "away");
  setAttribute(figure("engine"), "data-level", state.engine_connected ? "" : "fair");
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let turn = 0;
async function poll() {
  clearTimeout(timer);
  const mine = (turn += 1);
  if (!document.hidden) {
    try {
      const [state, listed] = await Promise.all([get("/api/nodes"), get(`/api/sessions?${sessions.query()}`)]);
      if (mine !== turn) return; // another one has been asked for since
      setAttribute(document.body, "data-stale", "false");
      showVerdict(state.verdict);
      showFigures(state);
      nodes.show(state.nodes);
      sessions.show(listed);
    } catch (error) {
      if (mine !== turn) return;
      const known = error instanceof Error && /^(Log in|The director refuses)/.test(error.message);
      setAttribute(document.body, "data-stale", "true");
      showVerdict({ level: "poor", line: known ? error.message : "No word from the director: what is shown is old", causes: [] });
    }
  }
  timer = setTimeout(poll, PERIOD_MS);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) poll();
});
poll();
