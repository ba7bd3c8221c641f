/**
 * Problems, in words that help the user to solve them.
 *
 * @typedef {"insecure" | "unsupported" | "camera_refused" | "camera_absent" | "camera_busy" | "camera_failed"
 *   | "sample_failed" | "full" | "not_ready" | "draining" | "token" | "unreachable" | "refused" | "no_path"
 *   | "link_lost" | "ended" | "replaced"} ProblemCode
 */

/** A known problem; `detail` is the browser's or server's own message, shown in small print. */
export class Problem extends Error {
  /**
   * @param {ProblemCode} code
   * @param {{detail?: string, retryAfterMs?: number}} [more]
   */
  constructor(code, { detail = "", retryAfterMs } = {}) {
    super(detail || code);
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
  }
}

/** @type {Record<ProblemCode, {title: string, text: string}>} */
const WORDS = {
  insecure: {
    title: "This page needs a secure address",
    text: "Browsers allow the camera only on pages opened over https. Open the https address that the server printed, "
      + "or use the sample video.",
  },
  unsupported: {
    title: "This browser can't send video",
    text: "It has no WebRTC. Use a current Chrome, Safari, Edge or Firefox.",
  },
  camera_refused: {
    title: "The camera was not allowed",
    text: "Allow the camera for this page in the browser's site settings (the icon beside the address), then try again.",
  },
  camera_absent: {
    title: "No camera found",
    text: "Connect one and try again, or use the sample video.",
  },
  camera_busy: {
    title: "The camera is in use",
    text: "Another app or tab is using it. Close it, then try again.",
  },
  camera_failed: {
    title: "The camera did not start",
    text: "Try again, or use the sample video.",
  },
  sample_failed: {
    title: "The sample video did not play",
    text: "The server may not have it. Try the camera instead.",
  },
  full: {
    title: "The server is full",
    text: "It already serves as many sessions as it can. Try again later.",
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

/**
 * @param {unknown} error
 * @returns {{code: string, title: string, text: string, detail: string}}
 */
export function describe(error) {
  if (error instanceof Problem) return { code: error.code, ...WORDS[error.code], detail: error.detail };
  return {
    code: "unknown",
    title: "Something went wrong",
    text: "Try again.",
    detail: error instanceof Error ? error.message : String(error),
  };
}
