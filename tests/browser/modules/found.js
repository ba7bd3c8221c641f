import { FoundAnnouncer, foundWords, usualCounts } from "/static/js/page/found.js";
import { equal, ok } from "./check.js";

const answer = (counts) => new Map(Object.entries(counts));
const usual = (answers, before = {}) => Object.fromEntries(usualCounts(answers.map(answer), answer(before)));

export function test_what_most_answers_found_counts() {
  const both = { car: 1, person: 2 };
  equal(usual([both, both, { person: 2 }, both, both]), both);
  equal(usual([{ dog: 1 }, {}, {}, {}]), {}); // one answer alone is a mistake
  equal(usual([]), {});
}

export function test_a_number_that_flickers_stays_what_it_was() {
  const flicker = [{ car: 1 }, { car: 2 }, { car: 1 }, { car: 2 }];
  equal(usual(flicker, { car: 1 }), { car: 1 });
  equal(usual(flicker, { car: 2 }), { car: 2 });
  equal(usual([{ car: 2 }, { car: 2 }, { car: 2 }, { car: 2 }], { car: 1 }), { car: 2 });
}

export function test_the_most_numerous_come_first_and_a_crowd_of_classes_is_cut() {
  equal(foundWords(answer({ car: 1, bus: 1, person: 2 })), "person × 2, bus, car");
  equal(foundWords(answer({})), "Nothing found");
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`class ${n}`, 9 - n]));
  const words = foundWords(answer(many));
  ok(words.startsWith("class 0 × 9, class 1 × 8"));
  ok(words.endsWith("class 5 × 4 and more"));
}

export function test_it_speaks_seldom_and_only_of_news() {
  const element = document.createElement("p");
  let said = 0;
  let words = "";
  Object.defineProperty(element, "textContent", {
    get: () => words,
    set: (text) => {
      words = text;
      said += 1;
    },
  });
  const announcer = new FoundAnnouncer(element);
  said = 0;
  const { now } = performance;
  let atMs = 0;
  performance.now = () => atMs;
  try {
    const boxes = (n) => ({ boxes: Array.from({ length: n }, () => ({ class: "person" })) });
    const run = (untilMs, of) => {
      for (; atMs < untilMs; atMs += 67) announcer.add(boxes(of(atMs)));
    };
    run(10_000, () => 1);
    equal([said, words], [1, "person"]); // once, though each answer has one
    run(40_000, (ms) => 1 + (Math.floor(ms / 67) % 2)); // flickers
    ok(said <= 2, `${said}`);
    const before = said;
    run(70_000, (ms) => 2 + Math.floor(ms / 1000)); // another number each second
    ok(said - before <= 8 && said - before >= 5, `${said - before} in 30 s`);
    announcer.reset();
    equal(words, "");
  } finally {
    performance.now = now;
  }
}
