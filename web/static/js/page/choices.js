/** What the user chooses of the detector: the model, the least score, and the classes that are drawn. */

/**
 * @typedef {object} ModelChoice
 * @property {string} name what the server is asked for; empty: its default
 * @property {string} label
 * @property {number} score_threshold below which the model itself drops boxes
 *
 * @typedef {object} ChoicesOptions
 * @property {ModelChoice[]} models
 * @property {string | null} model null: no wish
 * @property {number} minScore
 * @property {Set<string>} classes that are drawn; empty: all
 * @property {(model: string) => void} onModel
 * @property {(minScore: number) => void} onMinScore
 * @property {(classes: Set<string>) => void} onClasses
 */

/** Classes that are offered; a scene with more has its first ones. */
const MAX_CHIPS = 40;

/**
 * The class names that are offered: those that were seen and those that are chosen. Pure.
 *
 * @param {string[]} offered already, which keep their places
 * @param {Iterable<string>} seen
 * @param {Iterable<string>} chosen
 * @returns {string[]}
 */
export function offeredClasses(offered, seen, chosen) {
  return [...new Set([...chosen, ...offered, ...seen])].slice(0, MAX_CHIPS)
    .sort((a, b) => Number(offered.includes(b)) - Number(offered.includes(a)) || offered.indexOf(a) - offered.indexOf(b));
}

export class Choices {
  /**
   * @param {HTMLElement} root
   * @param {ChoicesOptions} options
   */
  constructor(root, options) {
    this.options = options;
    /** @param {string} id @returns {any} */
    const find = (id) => root.querySelector(`#${id}`);
    this.select = find("model");
    this.score = find("score");
    this.scoreText = find("score-text");
    this.chips = find("chips");
    this.filter = find("class-filter");
    /** @type {string[]} */
    this.offered = [];

    find("model-field").hidden = options.models.length < 2;
    for (const { name, label } of options.models) this.select.append(new Option(label, name));
    this.select.addEventListener("change", () => {
      this.showModel(this.select.value);
      options.onModel(this.select.value);
    });
    this.score.addEventListener("input", () => this.showScore());
    this.score.addEventListener("change", () => {
      options.minScore = this.chosenScore;
      options.onMinScore(options.minScore);
    });
    this.chips.addEventListener("click", (/** @type {any} */ event) => {
      const chip = event.target.closest("button");
      if (chip) this.choose(chip.dataset.name);
    });
    this.showModel(options.model);
    this.offer([]);
  }

  /** @returns {number} 0 where the model's own threshold is the least score */
  get chosenScore() {
    return Number(this.score.value) > Number(this.score.min) ? Number(this.score.value) : 0;
  }

  /** @param {string | null} model */
  showModel(model) {
    const { models, minScore } = this.options;
    const chosen = models.find(({ name }) => name === model) ?? models[0];
    this.select.value = chosen?.name ?? "";
    this.score.min = String(chosen?.score_threshold ?? 0);
    this.score.value = String(minScore); // the range holds it to its bounds
    this.showScore();
  }

  showScore() {
    const own = this.chosenScore === 0 && Number(this.score.min) > 0;
    const text = `${Math.round(100 * Number(this.score.value))}%`;
    this.scoreText.textContent = text;
    this.score.setAttribute("aria-valuetext", own ? `${text}, the model's own` : text);
  }

  /** @param {Iterable<string>} seen names of the classes in the answers so far */
  offer(seen) {
    const { classes } = this.options;
    const names = offeredClasses(this.offered, seen, classes);
    if (names.length !== this.offered.length) {
      this.offered = names;
      this.chips.replaceChildren(...["", ...names].map((name) => this.chip(name)));
      this.filter.hidden = names.length === 0;
    }
    for (const chip of this.chips.children) {
      const { name } = chip.dataset;
      chip.setAttribute("aria-pressed", String(name ? classes.has(name) : classes.size === 0));
    }
  }

  /** The classes of the last run are offered no more. */
  reset() {
    this.offered = [];
    this.chips.replaceChildren();
    this.offer([]);
  }

  /**
   * @param {string} name empty: all classes
   * @returns {HTMLButtonElement}
   */
  chip(name) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.textContent = name || "All";
    chip.dataset.name = name;
    return chip;
  }

  /** @param {string} name empty: all classes */
  choose(name) {
    const { classes, onClasses } = this.options;
    if (!name) classes.clear();
    else if (!classes.delete(name)) classes.add(name);
    this.offer([]);
    onClasses(classes);
  }
}
