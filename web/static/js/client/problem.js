/**
 * Problems, in words that help the user to solve them.
 *
 * @typedef {"unsupported" | "track_ended" | "full" | "busy" | "too_many" | "not_ready" | "draining" | "token" | "unreachable" | "refused"
 *   | "no_path" | "link_lost" | "ended" | "replaced"} ProblemCode
 */

/** @type {Record<string, {title: string, text: string}>} by code, or by what is known beyond it */
const WORDS = {
  unsupported: {
    title: "This browser can't send video",
    text: "It has no WebRTC. Use a current Chrome, Safari, Edge or Firefox.",
  },
  track_ended: {
    title: "The camera stopped",
    text: "It was taken away, or its track ended.",
  },
  full: {
    title: "The server is full",
    text: "It already serves as many sessions as it can. Try again later.",
  },
  busy: {
    title: "The server is too busy",
    text: "One more session would take time from the others. Try again later, or let answers take longer.",
  },
  own_full: {
    title: "No place left for you",
    text: "Your address or your token has as many sessions as it may have. End another one first.",
  },
  too_many: {
    title: "Too many attempts",
    text: "The server takes so many from each address in a minute.",
  },
  not_ready: {
    title: "The server is still starting",
    text: "Its detector is not ready yet.",
  },
  draining: {
    title: "The server is restarting",
    text: "It will be back in a moment.",
  },
  token: {
    title: "An access token is needed",
    text: "Ask the operator of this server for the token and enter it here.",
  },
  wrong_token: {
    title: "That token is not accepted",
    text: "Check it for typing mistakes. If it was right before, the operator of this server has changed it: ask for the new one.",
  },
  unreachable: {
    title: "The server can't be reached",
    text: "Check that you are on the same network and that the server is running.",
  },
  refused: {
    title: "The server refused this session",
    text: "It could not use what this browser offered.",
  },
  no_path: {
    title: "Video cannot reach the server",
    text: "The server answers, but a firewall or another network may block the video. "
      + "UDP is needed.",
  },
  link_lost: {
    title: "The connection was lost",
    text: "The server has not answered for a while.",
  },
  ended: {
    title: "The server ended the session",
    text: "You can start again at any time.",
  },
  replaced: {
    title: "Opened somewhere else",
    text: "This session continues in another tab or on another device.",
  },
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
    this.title = WORDS[words].title;
    this.text = WORDS[words].text;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
    this.sloMs = sloMs;
  }
}
