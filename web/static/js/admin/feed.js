/** The server's event stream: first the history of the last minutes, then a state each second. */

import { root } from "../root.js";

const FLEET_POINTS = 600;
const SPARK_POINTS = 60;
/** After this long without a state, the displayed data is out of date. */
const STALE_MS = 4000;

export class Feed extends EventTarget {
  /** @param {string[]} misses */
  constructor(misses) {
    super();
    this.misses = misses;
    /** @type {any} */
    this.state = null;
    /** @type {Record<string, (number | null)[]>} columns by name; `t` in Unix seconds */
    this.fleet = { t: [] };
    /** @type {Map<string, {strain: (number | null)[], missed: number[]}>} by session, a minute */
    this.sparks = new Map();
    /** @type {Map<string, number>} missed since the start, by session */
    this.missed = new Map();
    this.stale = false;
    this.refused = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.source = new EventSource(`${root}/admin/events`);
    this.source.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    this.source.addEventListener("error", () => {
      this.refused = this.source.readyState === EventSource.CLOSED;
      this.age();
    });
  }

  /** @param {any} message */
  take(message) {
    if (message.type === "history") this.begin(message);
    else if (message.type === "state") this.step(message);
    else return; // unknown types are ignored
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.age(), STALE_MS);
    this.stale = false;
    this.dispatchEvent(new Event(message.type));
  }

  age() {
    this.stale = true;
    this.dispatchEvent(new Event("stale"));
  }

  /** @param {any} message */
  begin({ fleet, sessions }) {
    this.fleet = fleet;
    this.sparks.clear();
    this.missed.clear();
    this.past = sessions;
  }

  /** @param {any} state */
  step(state) {
    this.state = state;
    if (state.point.t[0] !== this.fleet.t.at(-1)) {
      for (const [name, [value]] of Object.entries(state.point)) {
        const column = (this.fleet[name] ??= []);
        column.push(value);
        if (column.length > FLEET_POINTS) column.shift();
      }
    }
    const here = new Set();
    for (const session of state.sessions) {
      here.add(session.name);
      this.spark(session);
    }
    for (const name of this.sparks.keys()) if (!here.has(name)) this.sparks.delete(name);
  }

  /** @param {any} session */
  spark({ name, slo_ms: sloMs, latency, outcomes }) {
    const missed = this.misses.reduce((sum, reason) => sum + (outcomes[reason] ?? 0), 0);
    let spark = this.sparks.get(name);
    if (!spark) {
      const past = this.past?.[name];
      spark = {
        strain: (past?.p99_ms ?? []).map((/** @type {number | null} */ ms) => (ms === null ? null : ms / sloMs)),
        missed: [...(past?.missed ?? [])],
      };
      this.sparks.set(name, spark);
    } else {
      spark.strain.push(latency ? latency.p99_ms / sloMs : null);
      spark.missed.push(missed - (this.missed.get(name) ?? missed));
    }
    this.missed.set(name, missed);
    while (spark.strain.length > SPARK_POINTS) spark.strain.shift();
    while (spark.missed.length > SPARK_POINTS) spark.missed.shift();
  }
}
