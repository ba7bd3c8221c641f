/** Zones, lines and rules of a session: drawn over its last picture, and what is in them as rows. */

import { el } from "./dom.js";

const ZONE_COLOUR = "#ffc857";
const LINE_COLOUR = "#ff6b6b";
const ARROW = 14; // px, from the line to where `in` leads

/**
 * @typedef {{zones: {name: string, polygon: [number, number][]}[], lines: {name: string, start: [number, number], end: [number, number]}[],
 *   rules: {name: string, zone: string}[]}} Places those of the settings; points are fractions of the picture
 * @typedef {{tracks: number, zones: Record<string, number>, lines: Record<string, [number, number]>, rules_on: string[]}} Scene
 */

/**
 * Draws a session's zones and lines; a line's arrow points to where `in` leads.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Places} places
 * @param {Scene} scene its own: it names those that lie in its picture
 */
export function drawPlaces(context, places, scene) {
  const { width, height } = context.canvas;
  const at = (/** @type {[number, number]} */ [x, y]) => /** @type {[number, number]} */ ([x * width, y * height]);
  context.font = "600 13px system-ui";
  context.lineWidth = 2;
  for (const zone of places.zones.filter(({ name }) => name in scene.zones)) {
    context.strokeStyle = context.fillStyle = ZONE_COLOUR;
    context.beginPath();
    for (const corner of zone.polygon) context.lineTo(...at(corner));
    context.closePath();
    context.globalAlpha = 0.15;
    context.fill();
    context.globalAlpha = 1;
    context.stroke();
    const [x, y] = at(zone.polygon[0]);
    write(context, `${zone.name} ${scene.zones[zone.name]}`, x + 4, y + 16);
  }
  for (const line of places.lines.filter(({ name }) => name in scene.lines)) {
    const [[x1, y1], [x2, y2]] = [at(line.start), at(line.end)];
    const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
    const scale = ARROW / Math.hypot(x2 - x1, y2 - y1);
    const [across, down] = [-(y2 - y1) * scale, (x2 - x1) * scale];
    context.strokeStyle = context.fillStyle = LINE_COLOUR;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.moveTo(x, y);
    context.lineTo(x + across, y + down);
    context.stroke();
    context.beginPath();
    context.arc(x + across, y + down, 4, 0, 2 * Math.PI);
    context.fill();
    const [into, out] = scene.lines[line.name];
    write(context, `${line.name} ${into} in, ${out} out`, x + 6, y - 6);
  }
}

/**
 * Rows of a table: what each place holds.
 *
 * @param {Places} places
 * @param {Scene} scene
 * @returns {HTMLTableRowElement[]}
 */
export function placeRows(places, scene) {
  const rows = /** @type {[string, string, string][]} */ ([
    ...Object.entries(scene.zones).map(([name, inside]) => ["Zone", name, `${inside} inside`]),
    ...Object.entries(scene.lines).map(([name, [into, out]]) => ["Line", name, `${into} in, ${out} out`]),
    ...places.rules
      .filter(({ zone }) => zone in scene.zones)
      .map(({ name }) => ["Rule", name, scene.rules_on.includes(name) ? "on" : "off"]),
  ]);
  return rows.map((row) => el("tr", {}, ...row.map((text) => el("td", { text }))));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} x
 * @param {number} y
 */
function write(context, text, x, y) {
  const { fillStyle, lineWidth } = context;
  const left = Math.max(4, Math.min(x, context.canvas.width - context.measureText(text).width - 4));
  context.lineWidth = 4;
  context.strokeStyle = "rgb(0 0 0 / 65%)";
  context.strokeText(text, left, Math.max(14, y));
  context.fillText(text, left, Math.max(14, y));
  context.lineWidth = lineWidth;
  context.strokeStyle = fillStyle;
}
