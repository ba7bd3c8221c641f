/** The pictures of a session's source: watched, kept until their results come, and drawn where the caller wishes. */

import { Overlay } from "./overlay.js";
import { watchPictures } from "./pictures.js";

/**
 * @typedef {object} PreviewEvents
 * @property {(picture: import("./pictures.js").CapturedPicture) => void} onPicture
 * @property {() => void} onSize the pictures have another size than before
 * @property {() => void} onEnded the source gives no more
 */

export class Preview {
  /**
   * @param {HTMLVideoElement | null} video for the pictures' times; null: one outside the document
   * @param {PreviewEvents} events
   */
  constructor(video, events) {
    this.video = video;
    this.events = events;
    /** @type {Overlay | null} */
    this.overlay = null;
    /** Stops watching the source; null without one. @type {(() => void) | null} */
    this.stop = null;
    this.kept = { sloMs: 0, fps: 0 };
    /** When the newest picture came, page clock. @type {number | null} */
    this.pictureMs = null;
  }

  /** @param {import("../source.js").Source} source in the place of the one before */
  watch(source) {
    this.unwatch();
    this.overlay?.reset();
    const { track, mirrored } = source;
    const { onPicture, onSize, onEnded } = this.events;
    let { width, height } = track.getSettings();
    const unwatch = watchPictures(source, this.video ?? probe(), (picture) => {
      this.pictureMs = picture.arrivedMs;
      this.overlay?.keep(picture, mirrored);
      onPicture(picture);
      if (picture.width === width && picture.height === height) return;
      ({ width, height } = picture);
      onSize();
    });
    track.addEventListener("ended", onEnded);
    this.stop = () => {
      unwatch();
      track.removeEventListener("ended", onEnded);
    };
  }

  unwatch() {
    this.stop?.();
    this.stop = null;
  }

  /**
   * Keeps as many pictures as an answer in time may need.
   *
   * @param {number} sloMs
   * @param {number} fps of the source
   */
  keepFor(sloMs, fps) {
    this.kept = { sloMs, fps };
    this.overlay?.keepFor(sloMs, fps);
  }

  /**
   * @param {HTMLCanvasElement | null} canvas null: draws no more
   * @param {{stage?: HTMLElement, onDrawn?: (drawn: import("./overlay.js").Drawn) => void}} [more] stage: the
   *   positioned element that the canvas is fitted into
   */
  drawOn(canvas, { stage, onDrawn = () => {} } = {}) {
    this.overlay?.close();
    this.overlay = canvas && new Overlay(canvas, stage ?? null, onDrawn);
    this.overlay?.keepFor(this.kept.sloMs, this.kept.fps);
  }

  /**
   * @param {import("./overlay.js").Result} result
   * @param {number} nowMs page clock
   */
  show(result, nowMs) {
    if (this.overlay) this.overlay.show(result, nowMs);
    else result.done();
  }

  /** Shows no picture, and watches none. */
  clear() {
    this.unwatch();
    this.overlay?.clear();
  }

  close() {
    this.unwatch();
    this.overlay?.close();
  }
}

/** @returns {HTMLVideoElement} plays in no page: only its frames' times are read */
function probe() {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  return video;
}
