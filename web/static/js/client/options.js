/** What a caller may ask of a session, checked. */

import { endpointOf } from "./endpoint.js";

const FUNCTIONS = /** @type {const} */ (["onDetections", "onState", "onError", "onSettings", "onStats"]);
/** What `update` takes. */
const CHANGES = new Set(["sloMs", "fps", "classes", "minScore", "model", "token", "track", "stream", "source", "mirrored"]);
const NAMES = new Set([...CHANGES, ...FUNCTIONS, "url", "label", "iceServers", "video", "journal"]);

/**
 * @typedef {object} Options
 * @property {URL} url the WHIP endpoint
 * @property {() => string} token
 * @property {number | null} sloMs null: the server's default
 * @property {number | null} fps null: the track's
 * @property {string} label
 * @property {string | null} model a name of the server's; empty for its default, null for no wish
 * @property {number} minScore
 * @property {Set<string> | null} classes null: all
 * @property {RTCIceServer[] | null} iceServers null: the server is asked
 * @property {HTMLVideoElement | null} video
 * @property {boolean} journal
 * @property {((detections: object) => void) | null} onDetections
 * @property {((state: string, problem: Error | null) => void) | null} onState
 * @property {((problem: Error) => void) | null} onError
 * @property {((settings: object) => void) | null} onSettings
 * @property {(() => void) | null} onStats
 */

/**
 * @param {any} given
 * @param {string[]} [changed] the names that `update` was given; without them, all are as `connect` was given them
 * @returns {Options}
 * @throws {TypeError} names the option and the rule
 */
export function optionsOf(given, changed) {
  const known = changed ? CHANGES : NAMES;
  for (const name of changed ?? Object.keys(given)) if (!known.has(name)) refuse(name, `one of ${[...known].join(", ")}`);
  const { token = "", label = "", classes = null, minScore = 0, model = null, iceServers = null } = given;
  if (typeof token !== "string" && typeof token !== "function") refuse("token", "a text, or a function that returns one");
  if (typeof label !== "string") refuse("label", "a text");
  if (model !== null && typeof model !== "string") refuse("model", "a name of the server's, or null");
  if (classes !== null && (typeof classes === "string" || !classes[Symbol.iterator])) refuse("classes", "a list of names, or null");
  if (!(minScore >= 0 && minScore <= 1)) refuse("minScore", "from 0 to 1");
  const functions = FUNCTIONS.map((name) => {
    if (given[name] && typeof given[name] !== "function") refuse(name, "a function");
    return [name, given[name] ?? null];
  });
  return /** @type {any} */ ({
    url: endpoint(given.url),
    token: typeof token === "function" ? token : () => token,
    sloMs: positive("sloMs", given.sloMs),
    fps: positive("fps", given.fps),
    label,
    model,
    minScore: Number(minScore),
    classes: classes && new Set(classes),
    iceServers,
    video: given.video ?? null,
    journal: given.journal ?? false,
    ...Object.fromEntries(functions),
  });
}

/**
 * @param {string | URL | undefined} url of the server, or of its WHIP endpoint
 * @returns {URL} of the WHIP endpoint
 */
function endpoint(url) {
  if (!url) refuse("url", "the server's address");
  try {
    return endpointOf(/** @type {string | URL} */ (url));
  } catch {
    return refuse("url", `the server's address, not ${url}`);
  }
}

/**
 * @param {string} name
 * @param {any} value
 * @returns {number | null}
 */
function positive(name, value) {
  if (value === undefined || value === null) return null;
  if (!(typeof value === "number" && value > 0 && Number.isFinite(value))) refuse(name, "a number above 0");
  return value;
}

/**
 * @param {string} name
 * @param {string} rule
 * @returns {never}
 */
function refuse(name, rule) {
  throw new TypeError(`\`${name}\`: ${rule}`);
}

/**
 * Calls one of the caller's functions; its mistakes are its own.
 *
 * @param {Options} options
 * @param {"onDetections" | "onState" | "onError" | "onSettings" | "onStats"} name
 * @param {...any} values
 */
export function tell(options, name, ...values) {
  try {
    /** @type {((...values: any[]) => void) | null} */ (options[name])?.(...values);
  } catch (error) {
    reportError(error);
  }
}
