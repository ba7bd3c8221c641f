/**
 * What can go wrong on the page itself, in words that help the user to solve it; the client has its own problems.
 *
 * @typedef {"insecure" | "camera_refused" | "camera_absent" | "camera_busy" | "camera_failed" | "camera_silent" | "sample_failed"} ProblemCode
 */

/** @type {Record<ProblemCode, {title: string, text: string}>} */
const WORDS = {
  insecure: {
    title: "This page needs a secure address",
    text: "Browsers allow the camera only on pages opened over https. Open the https address that the server printed, "
      + "or use the sample video.",
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
  camera_silent: {
    title: "That camera gives no picture",
    text: "Another app may be using it, or it is covered or switched off.",
  },
  sample_failed: {
    title: "The sample video did not play",
    text: "The server may not have it. Try the camera instead.",
  },
};

/** A known problem; `detail` is the browser's own message, shown in small print. */
export class SourceProblem extends Error {
  /**
   * @param {ProblemCode} code
   * @param {{detail?: string}} [more]
   */
  constructor(code, { detail = "" } = {}) {
    super(detail || code);
    this.code = code;
    this.title = WORDS[code].title;
    this.text = WORDS[code].text;
    this.detail = detail;
  }
}

/**
 * @param {any} error
 * @returns {{code: string, title: string, text: string, detail: string}}
 */
export function describe(error) {
  if (error?.code && error.title) {
    const { code, title, text, detail } = error;
    return { code, title, text, detail };
  }
  return {
    code: "unknown",
    title: "Something went wrong",
    text: "Try again.",
    detail: error instanceof Error ? error.message : String(error),
  };
}
