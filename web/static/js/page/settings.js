/**
 * What the server gives to the page, what the user chooses, and what of it the browser keeps.
 *
 * @typedef {object} Settings from the server, in the page
 * @property {string} version
 * @property {number} slo_ms
 * @property {number[]} slo_choices
 * @property {number} fps
 * @property {string | null} sample
 * @property {RTCIceServer[]} ice_servers the servers without credentials
 * @property {boolean} ask_ice whether the endpoint gives further ones
 * @property {boolean} token_required
 * @property {import("./choices.js").ModelChoice[]} models to choose from
 * @property {string} whip
 * @property {string | null} lan the server's address in its network, for a page that was opened on the server's own machine
 * @property {string | null} [ca] the URL of the server's own certificate authority
 *
 * @typedef {object} SessionOptions
 * @property {number} sloMs
 * @property {number} fps
 * @property {string} label
 * @property {() => string} token
 * @property {string | null} model a name of the server's; empty for its default, null for no wish
 * @property {number} minScore
 * @property {Set<string>} classes that are drawn; empty: all
 * @property {boolean} [journal]
 */

/** @returns {number} the page's clock: monotonic Unix milliseconds, with a fraction */
export function pageNow() {
  return performance.timeOrigin + performance.now();
}

/**
 * @param {string | null} text
 * @returns {number | null}
 */
export function positive(text) {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : null;
}

/** In place of a storage that is forbidden, as in another site's frame; forgotten with the page. @type {Map<string, string>} */
const forgotten = new Map();

/**
 * @param {"localStorage" | "sessionStorage"} storage
 * @param {string} key
 * @returns {string | null}
 */
export function stored(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return forgotten.get(key) ?? null;
  }
}

/**
 * @param {"localStorage" | "sessionStorage"} storage
 * @param {string} key
 * @param {string} value
 */
export function store(storage, key, value) {
  try {
    window[storage].setItem(key, value);
  } catch {
    forgotten.set(key, value);
  }
}
