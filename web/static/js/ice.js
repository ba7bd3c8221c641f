/**
 * STUN and TURN servers with credentials, as the endpoint tells those who may publish (RFC 9725, section 4.6).
 */

const TIMEOUT_MS = 3000;

/**
 * @param {string} url the WHIP endpoint
 * @param {string} token bearer token, empty for none
 * @returns {Promise<RTCIceServer[]>} none where the endpoint tells none: a direct path may do
 */
export async function askIceServers(url, token) {
  try {
    const response = await fetch(url, {
      method: "OPTIONS",
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return readLinks(response.headers.get("Link") ?? "");
  } catch {
    return []; // the offer that follows meets the same trouble, and says so
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
