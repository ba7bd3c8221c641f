/** What the layout tests ask of the page. */

const shown = (element) => element.checkVisibility({ visibilityProperty: true });

/** What is wrong with the layout, as a list of sentences; `least` is the smallest side of a control, px. */
export function faults(least) {
  const found = [];
  const { scrollWidth, scrollHeight } = document.documentElement;
  if (scrollWidth > innerWidth || scrollHeight > innerHeight) found.push(`scrolls to ${scrollWidth}x${scrollHeight}`);
  const controls = [...document.querySelectorAll("button, .choices label, a, input[type=password], input[type=range], select")]
    .filter(shown)
    .map((element) => ({
      element,
      name: element.id || element.textContent.trim(),
      box: element.getBoundingClientRect(),
      card: element.closest(".card, .details"), // which may scroll, and clips what it scrolls
    }));
  for (const { element, name, box, card } of controls) {
    const across = box.left < -0.5 || box.right > innerWidth + 0.5;
    const down = box.top < -0.5 || box.bottom > innerHeight + 0.5;
    if (across || (down && !card)) found.push(`${name} leaves the screen`);
    if (element.tagName !== "A" && Math.min(box.width, box.height) < least) {
      found.push(`${name} is only ${Math.round(box.width)}x${Math.round(box.height)}`);
    }
    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    if (!card && !element.contains(top)) found.push(`${name} is covered by ${top?.id || top?.className}`);
  }
  for (const a of controls) {
    for (const b of controls) {
      if (a === b || a.element.contains(b.element) || b.element.contains(a.element) || a.card !== b.card) continue;
      const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (across > 1 && down > 1) found.push(`${a.name} overlaps ${b.name}`);
    }
  }
  for (const element of document.querySelectorAll("h1, h2, p, dd, dt, .value, .name, .choices span, li, button")) {
    const { clientWidth } = element;
    const inline = getComputedStyle(element).display === "inline";
    if (shown(element) && !inline && clientWidth > 1 && element.scrollWidth > clientWidth + 1) {
      found.push(`text cut: ${element.textContent.trim().slice(0, 40)}`);
    }
  }
  return found;
}

/** Where the canvas lies in the stage. */
export function geometry() {
  const canvas = document.getElementById("canvas");
  const [c, s] = [canvas, document.getElementById("stage")].map((element) => element.getBoundingClientRect());
  return {
    canvas: [c.left - s.left, c.top - s.top, c.width, c.height],
    stage: [s.width, s.height],
    pixels: [canvas.width, canvas.height],
  };
}

/** Controls that a screen reader could not name. */
export function unnamed() {
  return [...document.querySelectorAll("button, input, select")]
    .filter((element) => !(element.getAttribute("aria-label") || element.textContent.trim() || element.labels?.length))
    .map((element) => element.outerHTML);
}

const channel = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
const colour = (text) => text.match(/[\d.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);

function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const ground = colour(getComputedStyle(at).backgroundColor);
    if (ground.length === 3 || ground[3] > 0.9) return ground;
  }
  return [0, 0, 0];
}

/** Texts with less contrast than WCAG 2.2 asks for (1.4.3: 4.5 to 1). */
export function poorContrast() {
  const poor = [];
  for (const element of document.querySelectorAll("h1, h2, p, button, span, dt, dd, small, label, a, legend")) {
    if (!shown(element) || !element.textContent.trim() || element.disabled) continue;
    const lights = [luminance(colour(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
    if (ratio < 4.5) poor.push(`${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(1)}`);
  }
  return poor;
}
