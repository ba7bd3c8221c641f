/** The WHIP endpoint's address: the server's, and an offer's with what is asked of the session. */

/**
 * @param {string | URL} url of the server, or of its WHIP endpoint
 * @returns {URL} of the WHIP endpoint
 * @throws {TypeError} for an address that cannot be read
 */
export function endpointOf(url) {
  const at = new URL(url, document.baseURI);
  const path = at.pathname.replace(/\/+$/, "");
  at.pathname = path.endsWith("/whip") ? path : `${path}/whip`;
  at.hash = "";
  return at;
}

/**
 * @param {import("./options.js").Options} options
 * @param {string | null} replaces the session whose place the new one is to take
 * @returns {string}
 */
export function offerUrl({ url, sloMs, label, model, minScore }, replaces) {
  const at = new URL(url);
  const ask = (/** @type {string} */ name, /** @type {any} */ value) => at.searchParams.set(name, String(value));
  if (sloMs !== null) ask("slo_ms", sloMs);
  if (label) ask("label", label);
  if (model !== null) ask("model", model);
  if (minScore > 0) ask("min_score", minScore);
  if (replaces) ask("replaces", replaces); // the last one: a publisher may take it away again
  return at.href;
}
