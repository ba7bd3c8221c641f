/**
 * The client for browsers, as other people's pages import it: bundled into `/edge-client.js`, whose types are in
 * `edge-client.d.ts`. docs/embed/javascript.md says how to use it.
 */

export { connect } from "./session.js";
export { Problem } from "./problem.js";
export { LEGS } from "./frame-counts.js";
