/**
 * Draws pictures with the boxes that belong to them. A result is drawn over the very picture it was computed from,
 * which is kept in a ring of recent pictures. Without results, the live picture is shown without boxes.
 */

import { boxRect, contain, labelPlace, storedSize } from "./geometry.js";
import { PictureRing, ringCapacity } from "./picture-ring.js";

const MAX_DEVICE_PIXELS = 2;
const MAX_EDGE = 1600;
/** After this long without an answer the live picture is shown, ms. */
const LIVE_AFTER_MS = 1000;
const FONT = "600 13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const LABEL_HEIGHT = 20;
const LABEL_PADDING = 6;

/**
 * @typedef {object} Drawn
 * @property {number} rtp
 * @property {number} stampMs of the picture
 * @property {import("./geometry.js").Box[]} boxes
 * @property {boolean} mirrored
 *
 * @typedef {object} Result
 * @property {number} rtp
 * @property {number | null} stampMs of the picture it belongs to, null when unknown
 * @property {number} toleranceMs
 * @property {import("./geometry.js").Box[]} boxes
 * @property {string[]} classes
 * @property {() => void} done called once, when it was drawn or cannot be
 */

export class Overlay {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement | null} stage the positioned element that the canvas is fitted into, hidden while there is no
   *   picture; null: the page lays the canvas out, whose own size is the picture's, as a video element's is
   * @param {(drawn: Drawn) => void} onDrawn called while the canvas shows exactly that
   */
  constructor(canvas, stage, onDrawn) {
    this.canvas = canvas;
    this.stage = stage;
    this.onDrawn = onDrawn;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.ring = new PictureRing(ringCapacity(0, 0), makeSurface);
    /** Pixels of the canvas for each pixel of the page. */
    this.pixels = 1;
    this.place = "";
    /** @type {Result | null} one slot, for a result whose picture has not arrived; a newer result replaces it */
    this.waiting = null;
    /** @type {{picture: import("./picture-ring.js").Picture, result: Result | null} | null} */
    this.shown = null;
    this.shownStamp = -Infinity;
    this.answeredMs = -Infinity;
    this.drawn = 0;
    this.missed = 0;
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(stage ?? canvas);
  }

  /**
   * Keeps a picture for its result.
   *
   * @param {import("./pictures.js").CapturedPicture} captured
   * @param {boolean} mirrored
   */
  keep(captured, mirrored) {
    this.fitTo(captured.width, captured.height);
    const surface = this.ring.borrow();
    const size = storedSize(captured.width, captured.height, ...this.shownSize);
    if (surface.width !== size.width || surface.height !== size.height) {
      surface.width = size.width;
      surface.height = size.height;
    }
    const context = surface.getContext("2d", { alpha: false });
    context.drawImage(captured.image, 0, 0, size.width, size.height);
    const { stampMs, captureMs, width, height } = captured;
    this.ring.push({ stampMs, captureMs, width, height, mirrored, surface });
    if (this.waiting) {
      const result = this.waiting;
      this.waiting = null;
      this.show(result, captured.arrivedMs);
    } else if (captured.arrivedMs - this.answeredMs > LIVE_AFTER_MS) {
      this.draw(/** @type {import("./picture-ring.js").Picture} */ (this.ring.newest), null);
    }
  }

  /** @returns {[number, number]} device pixels that the canvas fills on the screen: no more need be kept of a picture */
  get shownSize() {
    const { canvas, stage } = this;
    if (stage || !canvas.clientWidth) return [canvas.width, canvas.height];
    const density = Math.min(MAX_DEVICE_PIXELS, globalThis.devicePixelRatio || 1);
    return [canvas.clientWidth * density, canvas.clientHeight * density];
  }

  /**
   * @param {Result} result
   * @param {number} nowMs page clock
   */
  show(result, nowMs) {
    const { stampMs } = result;
    if (stampMs === null || stampMs <= this.shownStamp) {
      result.done();
      return;
    }
    const picture = this.ring.find(stampMs, result.toleranceMs);
    if (picture) {
      this.answeredMs = nowMs;
      this.shownStamp = picture.stampMs;
      this.drawn += 1;
      this.draw(picture, result);
      result.done();
      this.onDrawn({ rtp: result.rtp, stampMs: picture.stampMs, boxes: result.boxes, mirrored: picture.mirrored });
      return;
    }
    const { newest } = this.ring;
    if (newest && stampMs > newest.stampMs) {
      this.waiting?.done();
      this.waiting = result;
      return;
    }
    this.missed += 1;
    result.done();
  }

  /**
   * Keeps enough pictures for the time that answers may take.
   *
   * @param {number} sloMs
   * @param {number} fps of the source
   */
  keepFor(sloMs, fps) {
    this.ring.resize(ringCapacity(sloMs, fps));
  }

  /** Discards all pictures, after a change of source. */
  reset() {
    this.waiting?.done();
    this.waiting = null;
    this.shown = null;
    this.shownStamp = -Infinity;
    this.answeredMs = -Infinity;
    this.ring.clear();
  }

  /** Shows no picture. */
  clear() {
    this.reset();
    if (this.stage) this.canvas.hidden = true;
    else this.canvas.width = this.canvas.width; // which empties it
  }

  /** Draws no more. */
  close() {
    this.clear();
    this.observer.disconnect();
  }

  /**
   * @param {number} width the picture's
   * @param {number} height the picture's
   */
  fitTo(width, height) {
    if (this.stage) this.fitInto(this.stage, width, height);
    else this.fitPicture(width, height);
  }

  /**
   * @param {HTMLElement} stage
   * @param {number} width the picture's
   * @param {number} height the picture's
   */
  fitInto(stage, width, height) {
    const fit = contain(width, height, stage.clientWidth, stage.clientHeight);
    this.pixels = Math.min(
      MAX_DEVICE_PIXELS, globalThis.devicePixelRatio || 1, MAX_EDGE / Math.max(1, fit.width, fit.height),
    );
    const place = `${fit.x} ${fit.y} ${fit.width} ${fit.height}`;
    if (place !== this.place) {
      this.place = place;
      const { style } = this.canvas;
      [style.left, style.top, style.width, style.height] = place.split(" ").map((side) => `${side}px`);
    }
    this.setSize(fit.width * this.pixels, fit.height * this.pixels);
    this.canvas.hidden = false;
  }

  /**
   * @param {number} width the picture's
   * @param {number} height the picture's
   */
  fitPicture(width, height) {
    const scale = Math.min(1, MAX_EDGE / Math.max(width, height));
    this.setSize(width * scale, height * scale);
    const shown = contain(width, height, this.canvas.clientWidth, this.canvas.clientHeight);
    this.pixels = shown.width > 0 ? this.canvas.width / shown.width : 1;
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  setSize(width, height) {
    const { canvas } = this;
    const [wide, high] = [Math.max(2, Math.round(width)), Math.max(2, Math.round(height))];
    // Setting a size empties the canvas, even if it is the same.
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  }

  resized() {
    if (!this.shown) return;
    const { picture, result } = this.shown;
    this.fitTo(picture.width, picture.height);
    // Its surface may hold a newer picture by now.
    if (this.ring.pictures.includes(picture)) this.draw(picture, result);
    else if (this.ring.newest) this.draw(this.ring.newest, null);
  }

  /**
   * @param {import("./picture-ring.js").Picture} picture
   * @param {Result | null} result
   */
  draw(picture, result) {
    const { context, canvas } = this;
    this.shown = { picture, result };
    if (picture.mirrored) {
      context.setTransform(-1, 0, 0, 1, canvas.width, 0);
      context.drawImage(picture.surface, 0, 0, canvas.width, canvas.height);
    } else {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.drawImage(picture.surface, 0, 0, canvas.width, canvas.height);
    }
    if (!result) return;
    context.setTransform(this.pixels, 0, 0, this.pixels, 0, 0);
    const area = { x: 0, y: 0, width: canvas.width / this.pixels, height: canvas.height / this.pixels };
    // The best box is drawn last, on top.
    for (const box of [...result.boxes].reverse()) this.drawBox(box, area, picture.mirrored, result.classes);
  }

  /**
   * @param {import("./geometry.js").Box} box
   * @param {import("./geometry.js").Rect} area
   * @param {boolean} mirrored
   * @param {string[]} classes
   */
  drawBox(box, area, mirrored, classes) {
    const { context } = this;
    const rect = boxRect(box, area, mirrored);
    const name = className(box, classes);
    const colour = classColour(name);
    context.lineJoin = "round";
    context.strokeStyle = "rgb(0 0 0 / 55%)";
    context.lineWidth = 5;
    context.strokeRect(rect.x, rect.y, rect.width, rect.height);
    context.strokeStyle = colour;
    context.lineWidth = 2.5;
    context.strokeRect(rect.x, rect.y, rect.width, rect.height);
    const text = `${name} ${Math.round(box[1] * 100)}%`;
    context.font = FONT;
    const width = context.measureText(text).width + 2 * LABEL_PADDING;
    const at = labelPlace(rect, width, LABEL_HEIGHT, area);
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(at.x, at.y, width, LABEL_HEIGHT, 4);
    context.fill();
    context.fillStyle = "#06090d";
    context.textBaseline = "middle";
    context.fillText(text, at.x + LABEL_PADDING, at.y + LABEL_HEIGHT / 2 + 0.5);
  }
}

/** @type {Map<string, string>} */
const colours = new Map();

/**
 * @param {string} name
 * @returns {string} a colour for each class, in order of first use; light enough for dark text
 */
export function classColour(name) {
  let colour = colours.get(name);
  if (colour === undefined) {
    colour = `hsl(${Math.round((152 + colours.size * 137.508) % 360)} 90% 64%)`;
    if (colours.size < 256) colours.set(name, colour);
  }
  return colour;
}

/**
 * @param {import("./geometry.js").Box} box
 * @param {string[]} classes names by class number
 * @returns {string} the class's name; a server may send the name or its number
 */
export function className(box, classes) {
  return String(typeof box[0] === "number" ? (classes[box[0]] ?? box[0]) : box[0]);
}

/** @returns {OffscreenCanvas | HTMLCanvasElement} */
function makeSurface() {
  return "OffscreenCanvas" in globalThis ? new OffscreenCanvas(2, 2) : document.createElement("canvas");
}
