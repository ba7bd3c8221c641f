/** What the module tests need to assert; each exported `test_*` function is a test. */

export function equal(actual, expected, message = "") {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${message} expected ${b}, got ${a}`);
}

export function close(actual, expected, tolerance = 1e-9, message = "") {
  if (!(Math.abs(actual - expected) <= tolerance)) {
    throw new Error(`${message} expected ${expected} within ${tolerance}, got ${actual}`);
  }
}

export function ok(value, message = "expected true") {
  if (!value) throw new Error(message);
}

/** A small seeded generator (mulberry32), so that a failure comes again. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
