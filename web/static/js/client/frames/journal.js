/**
 * A line for every captured frame, for measurements (journal=1 in the query). Pure: no clock.
 *
 * The frameCounts counts frames; the journal records them. Each count of the frameCounts has its line here, and vice versa.
 */

/** Lines kept; further ones are counted and not recorded. */
const MAX_LINES = 50_000;

/**
 * @typedef {object} Line times are the page's clock, ms; unknown values are null
 * @property {number | null} rtp null: it never left the encoder
 * @property {number | null} stampMs the picture's own timestamp
 * @property {number | null} captureMs
 * @property {number | null} leftMs at which it left the encoder
 * @property {number | null} bytes
 * @property {boolean | null} key
 * @property {number | null} width
 * @property {number | null} height
 * @property {string | null} outcome "in_time", "late", or the reason of a drop (the server's "late" is "hopeless")
 * @property {boolean} infeasible
 * @property {number | null} returnedMs at which its answer was handled
 * @property {object | null} answer the `detections` message
 *
 * @typedef {object} HintLine
 * @property {number} heardMs page clock
 * @property {import("../link/hint.js").Hint} hint
 */

export class Journal {
  /** @param {number} [most] lines kept */
  constructor(most = MAX_LINES) {
    this.most = most;
    /** @type {Line[]} in the order of their capture, except for frames that the encoder left out */
    this.lines = [];
    /** @type {Map<number, Line>} by rtp, until its outcome is known */
    this.open = new Map();
    /** @type {Map<number, Line>} by rtp, until its picture is known, which may be never */
    this.unplaced = new Map();
    /** @type {HintLine[]} */
    this.hints = [];
    this.beyond = 0;
  }

  /** @param {Partial<Line>} known @returns {Line} */
  add(known) {
    const line = {
      rtp: null, stampMs: null, captureMs: null, leftMs: null, bytes: null, key: null, width: null, height: null,
      outcome: null, infeasible: false, returnedMs: null, answer: null, ...known,
    };
    if (this.lines.length < this.most) this.lines.push(line);
    else this.beyond += 1;
    return line;
  }

  /** @param {import("./encoded.js").EncodedFrame} frame left the encoder */
  encoded({ rtp, leftMs, bytes, key, width = undefined, height = undefined }) {
    if (this.open.has(rtp)) return;
    const line = this.add({ rtp, leftMs, bytes, key, width: width ?? null, height: height ?? null });
    this.open.set(rtp, line);
    if (this.unplaced.size < this.most) this.unplaced.set(rtp, line);
  }

  /**
   * A picture that the encoder left out.
   *
   * @param {number} stampMs
   * @param {number} captureMs
   * @param {string} reason
   */
  skipped(stampMs, captureMs, reason) {
    this.add({ stampMs, captureMs, outcome: reason });
  }

  /**
   * @param {number} rtp
   * @param {number} stampMs the timestamp of its picture
   */
  placed(rtp, stampMs) {
    const line = this.unplaced.get(rtp);
    this.unplaced.delete(rtp);
    if (line) line.stampMs = stampMs;
  }

  /**
   * @param {number} rtp
   * @param {object} message `detections`
   */
  answered(rtp, message) {
    const line = this.open.get(rtp);
    if (line && !line.answer) line.answer = message;
  }

  /**
   * @param {number} rtp
   * @param {string} outcome
   * @param {{captureMs: number | null, returnedMs?: number, infeasible?: boolean}} more
   */
  ended(rtp, outcome, { captureMs, returnedMs = undefined, infeasible = false }) {
    const line = this.open.get(rtp);
    if (!line) return;
    this.open.delete(rtp);
    Object.assign(line, { outcome, captureMs, returnedMs: returnedMs ?? null, infeasible });
    if (returnedMs === undefined) line.answer = null;
  }

  /** @param {import("../link/hint.js").Hint} hint @param {number} heardMs */
  hinted(hint, heardMs) {
    if (this.hints.length < this.most) this.hints.push({ heardMs, hint });
  }

  /** @returns {{lines: Line[], hints: HintLine[], beyond: number}} */
  take() {
    return { lines: this.lines, hints: this.hints, beyond: this.beyond };
  }
}
