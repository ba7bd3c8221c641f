/**
 * Positions of a picture and its boxes on the screen. Pure functions, no DOM.
 *
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 * @typedef {[string | number, number, number, number, number, number, (number | null)?]} Box class (its name, or its
 *   index in the welcome's list), score, x1, y1, x2, y2 as fractions of the sent picture; its track, where the server
 *   follows things
 */

/**
 * The largest rectangle of the picture's shape inside a container, centred (object-fit: contain).
 *
 * @param {number} pictureWidth
 * @param {number} pictureHeight
 * @param {number} width the container's
 * @param {number} height the container's
 * @returns {Rect} empty when any side is not positive
 */
export function contain(pictureWidth, pictureHeight, width, height) {
  if (!(pictureWidth > 0 && pictureHeight > 0 && width > 0 && height > 0)) {
    return { x: 0, y: 0, width: 0, height: 0 };
  }
  const scale = Math.min(width / pictureWidth, height / pictureHeight);
  const w = pictureWidth * scale;
  const h = pictureHeight * scale;
  return { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h };
}

/**
 * A box's rectangle within the drawn picture; a mirrored picture mirrors its boxes.
 *
 * @param {Box} box
 * @param {Rect} picture where the picture is drawn
 * @param {boolean} mirrored
 * @returns {Rect}
 */
export function boxRect(box, picture, mirrored) {
  const clamp = (/** @type {number} */ v) => Math.min(1, Math.max(0, v));
  const [x1, y1, x2, y2] = [clamp(box[2]), clamp(box[3]), clamp(box[4]), clamp(box[5])];
  const left = mirrored ? 1 - x2 : x1;
  return {
    x: picture.x + left * picture.width,
    y: picture.y + y1 * picture.height,
    width: (x2 - x1) * picture.width,
    height: (y2 - y1) * picture.height,
  };
}

/**
 * The position of a label: above its box, or inside the box if there is no room above; never outside the picture.
 *
 * @param {Rect} box
 * @param {number} width the label's
 * @param {number} height the label's
 * @param {Rect} picture
 * @returns {{x: number, y: number}} the label's top left corner
 */
export function labelPlace(box, width, height, picture) {
  const right = picture.x + picture.width - width;
  const x = Math.max(picture.x, Math.min(box.x, right));
  const above = box.y - height;
  const y = above >= picture.y ? above : Math.max(picture.y, box.y);
  return { x, y: Math.min(y, picture.y + picture.height - height) };
}

/**
 * The pixels to store for a picture shown at some size: never more than it has, even numbers.
 *
 * @param {number} pictureWidth
 * @param {number} pictureHeight
 * @param {number} shownWidth device pixels
 * @param {number} shownHeight device pixels
 * @returns {{width: number, height: number}}
 */
export function storedSize(pictureWidth, pictureHeight, shownWidth, shownHeight) {
  const fit = contain(pictureWidth, pictureHeight, shownWidth, shownHeight);
  const scale = fit.width > 0 ? Math.min(1, fit.width / pictureWidth) : 1;
  const even = (/** @type {number} */ v) => Math.max(2, 2 * Math.round((v * scale) / 2));
  return { width: even(pictureWidth), height: even(pictureHeight) };
}
