/**
 * STUN and TURN servers with credentials, which the endpoint gives to authorised publishers (RFC 9725, section 4.6).
 */

const TIMEOUT_MS = 3000;

/**
 * @param {string} url the WHIP endpoint
 * @param {string} token bearer token, empty for none
 * @param {RTCIceServer[] | null} known those given before
 * @returns {Promise<RTCIceServer[]>} empty if the endpoint gives none: a direct path may suffice
 */
export async function askIceServers(url, token, known) {
  try {
    const response = await fetch(url, {
      method: "OPTIONS",
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return readLinks(response.headers.get("Link") ?? "");
  } catch {
    return known ?? []; // the offer that follows will fail the same way, and reports it
  }
}

/**
 * @param {string} header Link header values, joined by commas
 * @returns {RTCIceServer[]}
 */
export function readLinks(header) {
  const servers = [];
  for (const [, urls, rest] of header.matchAll(/<([^<>]*)>((?:;\s*[\w-]+="[^"]*"\s*)*)/g)) {
    const values = Object.fromEntries([...rest.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
    if (values.rel !== "ice-server") continue;
    const { username, credential } = values;
    servers.push(credential === undefined ? { urls } : { urls, username, credential });
  }
  return servers;
}
