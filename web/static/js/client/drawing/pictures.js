/**
 * Each picture as the source captured it, with its timestamps, by the best method that the browser offers.
 *
 * @typedef {object} CapturedPicture valid during the callback only
 * @property {number} stampMs the source's own timestamp
 * @property {number} arrivedMs page clock
 * @property {number} captureMs page clock: the browser's capture time if it has one, else the earliest delivery
 * @property {boolean} presented whether it was received when it was presented, some time after its delivery
 * @property {CanvasImageSource} image
 * @property {number} width
 * @property {number} height
 */

import { pageNow } from "../clock.js";

const CALIBRATION_SAMPLES = 11;
const RECENT = 8;

/**
 * @param {import("../source.js").Source} source
 * @param {HTMLVideoElement} video a muted, inline element of the page, for browsers that present frames only there
 * @param {(picture: CapturedPicture) => void} onPicture
 * @returns {() => void} stops
 */
export function watchPictures(source, video, onPicture) {
  if (source.canvas && source.watch) return watchCanvas(source, onPicture);
  const Processor = /** @type {any} */ (globalThis).MediaStreamTrackProcessor;
  return Processor
    ? watchTrack(new Processor({ track: source.track, maxBufferSize: 2 }), source.stream, video, onPicture)
    : watchVideo(source.stream, video, onPicture);
}

/**
 * The page draws the sample's pictures itself, so it knows when each was captured.
 *
 * @param {import("../source.js").Source} source
 * @param {(picture: CapturedPicture) => void} onPicture
 * @returns {() => void}
 */
function watchCanvas(source, onPicture) {
  const canvas = /** @type {HTMLCanvasElement} */ (source.canvas);
  source.watch?.(() => {
    const now = pageNow();
    onPicture({
      stampMs: now,
      arrivedMs: now,
      captureMs: now,
      presented: false,
      image: canvas,
      width: canvas.width,
      height: canvas.height,
    });
  });
  return () => source.watch?.(null);
}

/**
 * Chromium: every frame of the track itself, without waiting for a repaint. Its timestamps have their own base; a
 * video element plays for a moment, only to measure the offset from it to capture times.
 *
 * @param {any} processor
 * @param {MediaStream} stream
 * @param {HTMLVideoElement} video
 * @param {(picture: CapturedPicture) => void} onPicture
 * @returns {() => void}
 */
function watchTrack(processor, stream, video, onPicture) {
  const reader = processor.readable.getReader();
  /** @type {{stampMs: number, arrivedMs: number}[]} newest last */
  const recent = [];
  /** @type {number[]} */
  const samples = [];
  let minDelay = Infinity;
  /** @type {number | null} */
  let calibrated = null;
  let stopped = false;

  const release = () => {
    video.pause();
    video.srcObject = null;
  };
  const calibrate = (/** @type {number} */ _now, /** @type {VideoFrameCallbackMetadata} */ metadata) => {
    if (stopped) return;
    const now = pageNow();
    const last = recent.findLast((frame) => frame.arrivedMs <= now);
    if (metadata.captureTime === undefined) {
      release();
      return;
    }
    if (last) samples.push(performance.timeOrigin + metadata.captureTime - last.stampMs);
    if (samples.length < CALIBRATION_SAMPLES) {
      video.requestVideoFrameCallback(calibrate);
      return;
    }
    samples.sort((a, b) => a - b);
    calibrated = samples[samples.length >> 1];
    release();
  };
  if ("requestVideoFrameCallback" in video) {
    video.srcObject = stream;
    video.play().catch(() => {});
    video.requestVideoFrameCallback(calibrate);
  }

  const deliver = (/** @type {VideoFrame} */ frame) => {
    const arrivedMs = pageNow();
    const stampMs = frame.timestamp / 1000;
    minDelay = Math.min(minDelay, arrivedMs - stampMs);
    recent.push({ stampMs, arrivedMs });
    if (recent.length > RECENT) recent.shift();
    onPicture({
      stampMs,
      arrivedMs,
      captureMs: Math.min(arrivedMs, stampMs + (calibrated ?? minDelay)),
      presented: false,
      image: frame,
      width: frame.displayWidth,
      height: frame.displayHeight,
    });
  };

  (async () => {
    for (;;) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      if (stopped) {
        frame.close();
        return;
      }
      try {
        deliver(frame);
      } finally {
        frame.close(); // the camera has few buffers: keeping one stalls it
      }
    }
  })();
  return () => {
    stopped = true;
    reader.cancel().catch(() => {});
    release();
  };
}

/**
 * Other browsers: the frames that a playing video element presents.
 *
 * @param {MediaStream} stream
 * @param {HTMLVideoElement} video
 * @param {(picture: CapturedPicture) => void} onPicture
 * @returns {() => void}
 */
function watchVideo(stream, video, onPicture) {
  let stopped = false;
  let lastStamp = -1;
  let sameBase = false;
  const corrector = new SlipCorrector();
  let minDelay = Infinity;
  const deliver = (/** @type {VideoFrameCallbackMetadata | null} */ metadata) => {
    const arrivedMs = pageNow();
    const mediaMs = (metadata ? metadata.mediaTime : video.currentTime) * 1000;
    let frame = null;
    try {
      // The element may already hold a newer frame than the callback's: the frame's own timestamp shows it.
      frame = "VideoFrame" in globalThis ? new VideoFrame(video) : null;
    } catch {
      frame = null;
    }
    const captureTime = metadata?.captureTime;
    const moved = frame && metadata ? frame.timestamp / 1000 - mediaMs : 0;
    // Firefox gives such frames timestamps of another base: then there is nothing to correct.
    if (frame && mediaMs > 1 && Math.abs(moved) < 0.5) sameBase = true;
    const shift = sameBase && Math.abs(moved) < 500 ? moved : 0;
    let stampMs = corrector.stamp(mediaMs + shift, arrivedMs);
    if (captureTime !== undefined) stampMs = performance.timeOrigin + captureTime + shift;
    else if (!metadata && frame) stampMs = frame.timestamp / 1000;
    if (stampMs === lastStamp) {
      frame?.close();
      return;
    }
    lastStamp = stampMs;
    minDelay = Math.min(minDelay, arrivedMs - stampMs);
    onPicture({
      stampMs,
      arrivedMs,
      captureMs: Math.min(arrivedMs, captureTime === undefined ? stampMs + minDelay : stampMs),
      presented: true,
      image: frame ?? video,
      width: video.videoWidth,
      height: video.videoHeight,
    });
    frame?.close();
  };
  video.srcObject = stream;
  video.play().catch(() => {});
  if ("requestVideoFrameCallback" in video) {
    const next = (/** @type {number} */ _now, /** @type {VideoFrameCallbackMetadata} */ metadata) => {
      if (stopped) return;
      deliver(metadata);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  } else {
    const tick = () => {
      if (stopped) return;
      if (/** @type {HTMLVideoElement} */ (video).videoWidth) deliver(null);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
  return () => {
    stopped = true;
    video.pause();
    video.srcObject = null;
  };
}

const SLIP_WINDOW = 10;
const SLIP_MS = 20;

/**
 * Corrects media times that permanently lose time: Firefox counts them in audio blocks, and a stall of that count
 * shifts all later ones. Such a slip is a delay that grows in one step and is then as even as before, unlike delay by load.
 */
export class SlipCorrector {
  constructor() {
    this.added = 0;
    this.least = Infinity;
    /** @type {number[]} the newest delays */
    this.delays = [];
  }

  /**
   * @param {number} mediaMs
   * @param {number} arrivedMs
   * @returns {number} a stamp that continues as if no time had been lost
   */
  stamp(mediaMs, arrivedMs) {
    const delay = arrivedMs - mediaMs - this.added;
    this.delays.push(delay);
    if (this.delays.length > SLIP_WINDOW) this.delays.shift();
    const [low, high] = [Math.min(...this.delays), Math.max(...this.delays)];
    if (this.delays.length === SLIP_WINDOW && low > this.least + SLIP_MS && high - low < 2 * SLIP_MS) {
      this.added += low - this.least;
      this.delays = [];
    }
    this.least = Math.min(this.least, delay);
    return mediaMs + this.added;
  }
}
