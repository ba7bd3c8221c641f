/** Time charts with uPlot: all charts of a page share one cursor and the page's colours. */

import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { el } from "./dom.js";

const HEIGHT = 150;
const sync = uPlot.sync("edge");

/**
 * @param {string} name of a custom property
 * @returns {string}
 */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} column
 * @property {string} colour a custom property's name
 * @property {number} [scale] factor for its values
 * @property {boolean} [filled]
 * @property {boolean} [dashed]
 */

export class Chart {
  /**
   * @param {HTMLElement} place
   * @param {{title: string, lines: Line[], unit: string, least?: number, digits?: number}} spec `least`: the lowest value
   *   for the scale's top
   */
  constructor(place, { title, lines, unit, least = 1, digits = 0 }) {
    this.lines = lines;
    this.box = place.appendChild(el("div", { class: "chart" }, el("h3", { text: title })));
    this.unit = unit;
    this.least = least;
    this.digits = digits;
    this.make();
    new ResizeObserver(() => this.plot.setSize({ width: this.width(), height: HEIGHT })).observe(this.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.plot.destroy();
      this.make();
    });
  }

  width() {
    return Math.max(200, this.box.clientWidth - 24);
  }

  make() {
    const text = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? "–" : `${value.toFixed(this.digits)} ${this.unit}`);
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    this.plot = new uPlot(
      {
        width: this.width(),
        height: HEIGHT,
        cursor: { sync: { key: sync.key }, drag: { x: false, y: false }, points: { size: 5 } },
        scales: { y: { range: (_, __, most) => [0, Math.max(this.least, (most ?? 0) * 1.08)] } },
        axes: [
          { ...axis, size: 26, values: "{HH}:{mm}:{ss}", space: 80 },
          { ...axis, size: 44, values: (_, ticks) => ticks.map((tick) => `${tick}`) },
        ],
        series: [
          { value: (_, t) => (t === null ? "–" : new Date(1000 * t).toLocaleTimeString([], { hour12: false })), label: "at" },
          ...this.lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            width: line.dashed ? 1.2 : 1.6,
            dash: line.dashed ? [5, 5] : undefined,
            fill: line.filled ? `${colour(line.colour)}33` : undefined,
            points: { show: false },
            value: (/** @type {any} */ _, /** @type {number} */ value) => text(value),
          })),
        ],
      },
      this.data ?? [[], ...this.lines.map(() => [])],
      this.box,
    );
  }

  /** @param {Record<string, (number | null)[]>} columns */
  show(columns) {
    const { t } = columns;
    this.data = [
      t,
      ...this.lines.map(({ column, scale = 1 }) => (columns[column] ?? t.map(() => null)).map((value) => (value === null ? null : value * scale))),
    ];
    this.plot.setData(this.data);
    if (this.plot.cursor.left < 0) this.plot.setLegend({ idx: t.length - 1 }); // the cursor is elsewhere: show the latest values
  }
}
