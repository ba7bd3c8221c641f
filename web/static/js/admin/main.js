/** Connects the operator's pages: the server's feed to the display, buttons to actions. */

import { Changes, DrainButton } from "./changes.js";
import { Chart } from "./charts.js";
import { $, setAttribute, setText } from "./dom.js";
import { showDevices, showPlan } from "./devices.js";
import { EndedSessions } from "./ended.js";
import { Feed } from "./feed.js";
import { ChartSpan } from "./span.js";
import { SessionPage } from "./session-page.js";
import { Sessions } from "./sessions.js";
import { showVerdict, verdict } from "./verdict.js";
import { root } from "../root.js";
import { ageText, counted, levelOfMisses, percent, REASONS, setLimits, tally } from "./texts.js";

const settings = JSON.parse($("settings").textContent);
setLimits(settings);
const feed = new Feed(settings.misses);
const changes = new Changes();
const drain = new DrainButton($("drain"), `${root}/api/drain`);
const open = (/** @type {any} */ session) => changes.open(session);

/** @type {Record<string, string>} */
const REASON_COLOURS = {
  answered_late: "--warn",
  late: "--pink",
  superseded: "--blue",
  overload: "--violet",
  lost: "--bad",
  no_plan: "--quiet",
  failed: "--cyan",
  too_large: "--accent",
};
const DEVICE_COLOURS = ["--accent", "--blue", "--violet", "--cyan", "--warn", "--bad"];

/** @returns {{show: (state: any) => void}} the page of all sessions */
function fleet() {
  const sessions = new Sessions(settings.misses, open);
  const ended = settings.history_hours ? new EndedSessions() : null;
  const span = new ChartSpan();
  const place = $("charts");
  const devices = Array.from({ length: settings.devices }, (_, number) => number);
  const charts = [
    new Chart(place, {
      title: "Latency, share of each frame's own objective",
      unit: "%",
      least: 110,
      lines: [
        { label: "p99", column: "strain_p99", colour: "--blue", scale: 100 },
        { label: "p50", column: "strain_p50", colour: "--accent", scale: 100 },
        { label: "objective", column: "objective", colour: "--bad", dashed: true },
      ],
    }),
    new Chart(place, {
      title: "Frames missed a second, by reason",
      unit: "",
      least: 4,
      lines: settings.misses.map((/** @type {string} */ reason) => ({ label: REASONS[reason], column: reason, colour: REASON_COLOURS[reason] ?? "--quiet" })),
    }),
    new Chart(place, {
      title: "Links, least to most",
      unit: "Mbit/s",
      digits: 1,
      lines: [
        { label: "most", column: "link_max", colour: "--cyan", scale: 1e-6 },
        { label: "median", column: "link_p50", colour: "--blue", scale: 1e-6 },
        { label: "least", column: "link_min", colour: "--warn", scale: 1e-6 },
      ],
    }),
    new Chart(place, {
      title: "Device time used",
      unit: "%",
      least: 100,
      lines: devices.map((number) => ({ label: `device ${number}`, column: `util_${number}`, colour: DEVICE_COLOURS[number % DEVICE_COLOURS.length], scale: 100 })),
    }),
  ];
  const figure = (/** @type {string} */ name) => /** @type {any} */ (document.querySelector(`[data-figure="${name}"]`));

  return {
    show(state) {
      sessions.show(state, feed);
      showDevices(state);
      showPlan(state);
      const recent = /** @type {Record<string, number>} */ ({});
      for (const session of state.sessions) {
        for (const [end, count] of Object.entries(session.recent)) recent[end] = (recent[end] ?? 0) + Number(count);
      }
      const { share } = tally(recent, settings.misses);
      setText(figure("in_time"), share === null ? "–" : percent(1 - share));
      setAttribute(figure("in_time"), "data-level", levelOfMisses(share));
      const strain = state.point.strain_p99[0];
      setText(figure("strain"), strain === null ? "–" : percent(strain));
      setAttribute(figure("strain"), "data-level", strain > 1 ? "poor" : "");
      setText(figure("sessions"), `${state.sessions.length} of ${state.server.max_sessions}`);
      const { free_sessions: free, limit } = state.server;
      setText(figure("room"), free === 0 ? "0" : `about ${free}`);
      setText($("room-name"), state.sessions.length ? "more like these fit" : "sessions fit");
      setAttribute(figure("room"), "data-level", free === 0 ? "fair" : "");
      setAttribute(figure("room"), "title", `No more, since ${limit}`);
      setText(figure("rate"), String(Math.round(state.devices.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.frames_per_s, 0))));
      const busy = state.devices.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.utilisation, 0) / state.devices.length;
      setText(figure("busy"), percent(busy));
      ended?.show(state);
      const columns = span.columns() ?? feed.fleet;
      for (const chart of charts) chart.show({ ...columns, objective: columns.t.map(() => 100) });
    },
  };
}

const one = settings.session === null ? null : new SessionPage(settings, open);
const page = one ?? fleet();

feed.addEventListener("history", () => one?.load());
feed.addEventListener("state", () => {
  const { state } = feed;
  setAttribute(document.body, "data-stale", "false");
  showVerdict(verdict(state, settings.misses));
  drain.show(state.server.draining);
  const { version, uptime_s: uptime, waiting } = state.server;
  setText($("about"), `${version} · up ${ageText(uptime)}${waiting ? ` · ${counted(waiting, "frame")} waiting` : ""}`);
  page.show(state);
});
feed.addEventListener("stale", () => {
  setAttribute(document.body, "data-stale", "true");
  const line = feed.refused ? "Log in again: reload this page" : "No word from the server: what is shown is old";
  showVerdict({ level: "poor", line, causes: [] });
});

/** For tests: the latest state. */
/** @type {any} */ (window).__admin = feed;
