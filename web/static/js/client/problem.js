/**
 * Problems, in words that help the user to solve them.
 *
 * @typedef {"unsupported" | "track_ended" | "full" | "busy" | "too_many" | "not_ready" | "draining" | "token" | "unreachable" | "refused"
 *   | "no_path" | "link_lost" | "ended" | "replaced"} ProblemCode
 */

/** The server's reasons to refuse or end a session for now. */
export const FOR_NOW = ["full", "busy", "not_ready", "draining"];

/** @type {Record<string, [title: string, text: string]>} by code, or by what is known beyond it */
const WORDS = {
  unsupported: [
    "This browser can't send video",
    "It has no WebRTC. Use a current Chrome, Safari, Edge or Firefox.",
  ],
  track_ended: [
    "The camera stopped",
    "It was taken away.",
  ],
  full: [
    "The server is full",
    "It serves as many sessions as it can. Try again later.",
  ],
  busy: [
    "The server is too busy",
    "One more session would take time from the others. Try again later, or let answers take longer.",
  ],
  own_full: [
    "No place left for you",
    "Your address or your token has all sessions that it may have. End another one first.",
  ],
  too_many: [
    "Too many attempts",
    "The server takes so many from each address in a minute.",
  ],
  not_ready: [
    "The server is still starting",
    "Its detector is not ready yet.",
  ],
  draining: [
    "The server is restarting",
    "It will be back in a moment.",
  ],
  token: [
    "An access token is needed",
    "Ask the operator of this server for it.",
  ],
  wrong_token: [
    "That token is not accepted",
    "Check it for typing mistakes, or ask the operator of this server whether it was changed.",
  ],
  unreachable: [
    "The server can't be reached",
    "Check your network, and that the server is running.",
  ],
  refused: [
    "The server refused this session",
    "It could not use what this browser offered.",
  ],
  no_path: [
    "Video cannot reach the server",
    "The server answers, but a firewall or another network may block UDP, which is needed.",
  ],
  link_lost: [
    "The connection was lost",
    "The server has not answered for a while.",
  ],
  ended: [
    "The server ended the session",
    "You can start again.",
  ],
  replaced: [
    "Opened somewhere else",
    "This session continues in another tab or on another device.",
  ],
};

/** A known problem, in words for the user; `detail` is the browser's or server's own message, for small print. */
export class Problem extends Error {
  /**
   * @param {ProblemCode} code
   * @param {{detail?: string, retryAfterMs?: number, sloMs?: number, words?: string}} [more] words: others than the code's
   */
  constructor(code, { detail = "", retryAfterMs, sloMs, words = code } = {}) {
    super(detail || code);
    this.code = code;
    const [title, text] = WORDS[words];
    this.title = title;
    this.text = text;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
    this.sloMs = sloMs;
  }
}
