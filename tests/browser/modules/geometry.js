import { boxRect, contain, labelPlace, storedSize } from "/static/js/client/drawing/geometry.js";
import { close, equal, ok, random } from "./check.js";

export function test_a_wide_picture_gets_bars_above_and_below() {
  equal(contain(1280, 720, 400, 800), { x: 0, y: 287.5, width: 400, height: 225 });
}

export function test_a_tall_picture_gets_bars_at_the_sides() {
  equal(contain(720, 1280, 800, 400), { x: 287.5, y: 0, width: 225, height: 400 });
}

export function test_nothing_to_fit_is_nothing() {
  for (const sides of [[0, 10, 10, 10], [10, 10, 0, 10], [NaN, 1, 1, 1], [10, -1, 5, 5]]) {
    equal(contain(...sides), { x: 0, y: 0, width: 0, height: 0 });
  }
}

export function test_fitting_keeps_shape_and_fills_one_side() {
  const next = random(1);
  for (let i = 0; i < 500; i += 1) {
    const [w, h, cw, ch] = [1, 2, 3, 4].map(() => 1 + next() * 2000);
    const fit = contain(w, h, cw, ch);
    close(fit.width / fit.height, w / h, 1e-6 * (w / h));
    ok(Math.abs(fit.width - cw) < 1e-6 || Math.abs(fit.height - ch) < 1e-6);
    ok(fit.width <= cw + 1e-6 && fit.height <= ch + 1e-6);
    close(fit.x * 2 + fit.width, cw, 1e-6);
    close(fit.y * 2 + fit.height, ch, 1e-6);
  }
}

export function test_a_box_lies_where_its_fractions_say() {
  const picture = { x: 10, y: 20, width: 200, height: 100 };
  equal(boxRect(["dog", 1, 0.25, 0.5, 0.5, 1], picture, false), { x: 60, y: 70, width: 50, height: 50 });
}

export function test_mirroring_swaps_left_and_right_and_keeps_the_size() {
  const picture = { x: 10, y: 20, width: 200, height: 100 };
  equal(boxRect(["dog", 1, 0.25, 0.5, 0.5, 1], picture, true), { x: 110, y: 70, width: 50, height: 50 });
  const whole = boxRect(["dog", 1, 0, 0, 1, 1], picture, true);
  equal(whole, picture);
}

export function test_a_box_never_leaves_the_picture() {
  const picture = { x: 0, y: 0, width: 100, height: 100 };
  equal(boxRect(["dog", 1, -0.5, -1, 1.5, 2], picture, false), picture);
}

export function test_a_label_stays_inside_the_picture() {
  const picture = { x: 0, y: 0, width: 300, height: 200 };
  const next = random(2);
  for (let i = 0; i < 500; i += 1) {
    const x1 = next(), y1 = next();
    const box = boxRect(["dog", 1, x1, y1, x1 + next() * (1 - x1), y1 + next() * (1 - y1)], picture, next() > 0.5);
    const at = labelPlace(box, 80, 20, picture);
    ok(at.x >= 0 && at.x + 80 <= 300 && at.y >= 0 && at.y + 20 <= 200, JSON.stringify([box, at]));
  }
}

export function test_a_label_sits_on_its_box_where_there_is_room() {
  const picture = { x: 0, y: 0, width: 300, height: 200 };
  equal(labelPlace({ x: 50, y: 60, width: 100, height: 50 }, 80, 20, picture), { x: 50, y: 40 });
  equal(labelPlace({ x: 50, y: 5, width: 100, height: 50 }, 80, 20, picture), { x: 50, y: 5 });
}

export function test_no_more_pixels_are_stored_than_the_picture_has() {
  equal(storedSize(640, 480, 2000, 2000), { width: 640, height: 480 });
  equal(storedSize(1280, 720, 640, 640), { width: 640, height: 360 });
  equal(storedSize(15, 9, 2000, 2000), { width: 16, height: 10 }, "odd sides");
}
