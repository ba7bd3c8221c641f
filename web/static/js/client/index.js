/**
 * The client for browsers, as other people's pages import it: bundled into `/edge-client.js`, whose types are in
 * `edge-client.d.ts`. docs/embed/javascript.md says how to use it.
 */

import { Session } from "./session.js";

export { Problem } from "./problem.js";
export { LEGS } from "./frames/frame-counts.js";

/**
 * Opens a session; the work goes on after the return, and `onState` tells how.
 *
 * @param {any} options `ConnectOptions` of edge-client.d.ts
 * @returns {Session}
 * @throws {TypeError} for an option that cannot be used
 */
export function connect(options) {
  const session = new Session(options);
  try {
    session.begin(options);
  } catch (error) {
    session.unwatchPage();
    throw error;
  }
  return session;
}
