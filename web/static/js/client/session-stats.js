/** The figures that a caller gets of a session. */

/**
 * @param {import("./session.js").Session} session
 * @param {number} sinceMs page clock: latency and legs of the frames after it
 * @returns {any} `Stats` of edge-client.d.ts
 */
export function statsOf({ tallies, link, links, retry, preview: { overlay } }, sinceMs) {
  return {
    ...tallies.summary(sinceMs),
    session: link?.serverSession ?? null,
    hint: link?.hint ?? null,
    hintsApplied: link?.hintsApplied ?? 0,
    reconnects: retry.count,
    replacements: links.replacements,
    refusals: links.refusals,
    drawn: overlay?.drawn ?? 0,
    undrawn: overlay?.missed ?? 0,
    sender: link?.stats ?? null,
    server: link?.serverStats ?? null,
    clock: link?.clock.best ?? null,
  };
}
