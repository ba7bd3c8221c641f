/**
 * Carries out the server's hints: longest side, frame rate and bitrate of the sent video.
 *
 * @typedef {object} Hint
 * @property {number} seq
 * @property {number} [max_edge] pixels
 * @property {number} [fps]
 * @property {number} [max_bps]
 * @property {string} [variant]
 * @property {string} [reason]
 */

/** A source up to this much faster than the hint is not limited: jitter alone would trigger the encoder's limit. */
const RATE_MARGIN = 1.1;

/**
 * The share of a lower cap that is set just before the cap itself. libvpx saves unused bits, up to a second's worth,
 * and aims at 0.6 s of saved bits; WebRTC sets both values. After a cut, the saved bits are worth more seconds than it aims
 * at, and until they are spent its frames stay as large as before. A lower rate, for a moment, discards them.
 */
const SAVED_S = 0.5;

/**
 * The encoding parameters for a hint. Pure.
 *
 * @param {RTCRtpEncodingParameters & Record<string, any>} encoding as it is
 * @param {Hint} hint
 * @param {{longest: number, fps: number, scalesTo: boolean}} source its longest side and its rate (0: unknown), and
 *   whether the browser scales to a size
 * @returns {RTCRtpEncodingParameters & Record<string, any>}
 */
export function encodingFor(encoding, hint, { longest, fps, scalesTo }) {
  const next = { ...encoding };
  const edge = Number(hint.max_edge);
  const hintedFps = Number(hint.fps);
  const capBps = Number(hint.max_bps);
  if (edge > 0) {
    delete next.scaleResolutionDownTo;
    if (scalesTo) {
      delete next.scaleResolutionDownBy;
      next.scaleResolutionDownTo = { maxWidth: Math.round(edge), maxHeight: Math.round(edge) };
    } else if (longest > 0) {
      next.scaleResolutionDownBy = Math.max(1, longest / edge);
    }
  }
  if (hintedFps > 0) {
    if (fps > 0 && fps <= hintedFps * RATE_MARGIN) delete next.maxFramerate;
    else next.maxFramerate = hintedFps;
  }
  if (capBps > 0) next.maxBitrate = Math.round(capBps);
  return next;
}

/** Applies hints one at a time; of the waiting hints, the newest wins. */
export class HintApplier {
  /**
   * @param {RTCRtpSender} sender
   * @param {import("../source.js").Source} source
   * @param {(seq: number) => void} onApplied
   */
  constructor(sender, source, onApplied) {
    this.sender = sender;
    this.source = source;
    this.onApplied = onApplied;
    /** @type {Hint | null} */
    this.current = null;
    /** @type {Hint | null} one slot: a newer hint replaces it */
    this.waiting = null;
    this.busy = false;
    this.scalesTo = true;
    this.wantsRate = false;
    this.cappedBps = sender.getParameters().encodings?.[0]?.maxBitrate ?? Infinity;
  }

  /** @param {Hint} hint */
  async apply(hint) {
    if (this.current && hint.seq < this.current.seq) return;
    this.current = hint;
    this.waiting = hint;
    if (this.busy) return;
    this.busy = true;
    while (this.waiting) {
      const next = this.waiting;
      this.waiting = null;
      try {
        await this.set(next);
        if (!this.waiting) this.onApplied(next.seq);
      } catch {
        // The connection is closing, or the encoder refuses: the next hint repeats the request.
      }
    }
    this.busy = false;
  }

  /** Applies the current hint again, after the source changed its size. */
  again() {
    if (this.current && !this.scalesTo) this.apply(this.current);
  }

  /** @param {Hint} hint */
  async set(hint) {
    const capBps = Number(hint.max_bps);
    const fps = Number(hint.fps);
    if (capBps > 0) {
      const isCut = capBps < this.cappedBps;
      this.cappedBps = capBps;
      if (isCut) {
        await this.setEncoding({ seq: hint.seq, max_bps: SAVED_S * capBps });
        if (this.waiting) return;
      }
    }
    await this.setEncoding(hint);
    const [encoding] = this.sender.getParameters().encodings;
    // A browser that does not know a member ignores it silently.
    if (this.scalesTo && Number(hint.max_edge) > 0 && !(/** @type {any} */ (encoding).scaleResolutionDownTo)) {
      this.scalesTo = false;
      await this.setEncoding(hint);
    }
    if (fps > 0) await this.setSourceRate(fps, encoding.maxFramerate);
  }

  /** @param {Hint} hint */
  async setEncoding(hint) {
    const parameters = this.sender.getParameters();
    if (!parameters.encodings?.length) parameters.encodings = [{}];
    const { width = 0, height = 0, frameRate = 0 } = this.source.track.getSettings();
    const source = {
      longest: Math.max(width, height),
      // It produces pictures at the hinted rate.
      fps: this.source.setRate ? Number(hint.fps) : frameRate,
      scalesTo: this.scalesTo,
    };
    this.wantsRate = source.fps <= 0 || source.fps > Number(hint.fps) * RATE_MARGIN;
    parameters.encodings[0] = encodingFor(parameters.encodings[0], hint, source);
    await this.sender.setParameters(parameters);
  }

  /**
   * Not capturing a frame is cheaper than discarding it. The camera's rate changes only if the sender cannot limit it.
   *
   * @param {number} fps
   * @param {number | undefined} maxFramerate the value that the sender accepted
   */
  async setSourceRate(fps, maxFramerate) {
    this.source.setRate?.(fps);
    if (!this.wantsRate || maxFramerate === fps || this.source.setRate) return;
    try {
      const { track } = this.source;
      await track.applyConstraints({ ...track.getConstraints(), frameRate: { ideal: fps, max: fps } });
    } catch {
      // The camera does not support so low a rate: the server discards the excess frames.
    }
  }
}
