/** What the page says over the picture: the card of a problem that the user has to solve, and the line of one that passes. */

import { describe } from "./problems.js";
import { pageNow } from "./settings.js";

const NOTICE_MS = 5000;
const COUNTDOWN_MS = 500;

export class Notices {
  /**
   * @param {HTMLElement} root
   * @param {import("./session.js").Session} session
   * @param {import("./freshness.js").FreshnessMonitor} monitor
   */
  constructor(root, session, monitor) {
    this.session = session;
    this.monitor = monitor;
    /** @param {string} id @returns {any} */
    this.find = (id) => root.querySelector(`#${id}`);
    /** A sentence that is shown for a moment. */
    this.moment = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.momentTimer = undefined;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.countdown = undefined;
  }

  /** @param {string} sentence shown for a moment */
  tell(sentence) {
    clearTimeout(this.momentTimer);
    this.moment = sentence;
    this.momentTimer = setTimeout(() => {
      this.moment = "";
      this.renderLine();
    }, NOTICE_MS);
    this.renderLine();
  }

  /** @returns {number | null} the objective with which a busy server would have room */
  get advisedSloMs() {
    const { state, problem, options } = this.session;
    const advised = state === "reconnecting" ? /** @type {any} */ (problem)?.sloMs : null;
    return advised > options.sloMs ? advised : null;
  }

  render() {
    this.renderCard();
    this.renderLine();
  }

  renderCard() {
    const { find, session } = this;
    const shown = session.state === "error";
    const appears = shown && find("notice").hidden;
    find("notice").hidden = !shown;
    if (!shown) return;
    const { code, title, text, detail } = describe(session.problem);
    const wantsToken = code === "token";
    const wasWrong = wantsToken && session.options.token() !== "";
    find("notice-title").textContent = title;
    find("notice-text").textContent = text;
    find("notice-detail").textContent = detail;
    find("notice-detail").hidden = !detail;
    find("token-form").hidden = !wantsToken;
    find("token").setAttribute("aria-invalid", String(wasWrong));
    if (appears && wasWrong) find("token").focus();
    find("notice-actions").hidden = wantsToken;
    const sample = session.settings.sample && session.kind !== "sample" && /^(camera|insecure)/.test(code);
    find("notice-sample").hidden = !sample;
  }

  renderLine() {
    const { find } = this;
    clearInterval(this.countdown);
    const { line, busy, counts } = this.line();
    find("toast").hidden = !line;
    find("toast-spinner").hidden = !busy;
    find("toast-text").textContent = line;
    find("toast-action").hidden = this.advisedSloMs === null;
    find("toast-action").textContent = `Try ${this.advisedSloMs} ms`;
    if (!counts) return;
    this.countdown = setInterval(() => {
      find("toast-text").textContent = this.line().line;
    }, COUNTDOWN_MS);
  }

  /** @returns {{line: string, busy: boolean, counts: boolean}} empty: nothing to say; counts: it has seconds */
  line() {
    const { session, monitor } = this;
    const { state, kind } = session;
    switch (state) {
      case "asking":
        return { line: kind === "camera" ? "Allow the camera to continue" : "Connecting…", busy: true, counts: false };
      case "connecting":
        return { line: "Connecting…", busy: true, counts: false };
      case "reconnecting": {
        const title = this.advisedSloMs === null
          ? describe(session.problem).title
          : `Too busy for ${session.options.sloMs} ms`;
        const seconds = Math.ceil((session.retryAtMs - pageNow()) / 1000);
        const again = seconds > 0 ? `Trying again in ${seconds} s` : "Trying again…";
        return { line: `${title}. ${again}`, busy: true, counts: true };
      }
      case "live":
        if (this.moment) return { line: this.moment, busy: false, counts: false };
        if (monitor.freshness === "fresh") return { line: "", busy: false, counts: false };
        return { line: this.staleLine(), busy: true, counts: true };
      default:
        return { line: "", busy: false, counts: false };
    }
  }

  /** @returns {string} why the picture, or its boxes, are not of now */
  staleLine() {
    const { session, monitor } = this;
    const seconds = Math.max(1, Math.round((pageNow() - monitor.freshMs) / 1000));
    if (!session.source) return "Opening the camera…";
    if (monitor.freshness === "unsent") return `No picture has been sent for ${seconds} s`;
    if (monitor.freshness === "unanswered") return `No answer from the server for ${seconds} s`;
    const source = session.kind === "camera" ? "The camera" : "The sample video";
    return `${source} has given no picture for ${seconds} s`;
  }
}
