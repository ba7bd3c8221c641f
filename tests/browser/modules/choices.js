import { offeredClasses } from "/static/js/page/choices.js";
import { equal } from "./check.js";

export function test_classes_keep_their_places_as_more_are_seen() {
  const first = offeredClasses([], ["person", "car"], ["bus"]);
  equal(first, ["bus", "person", "car"]);
  equal(offeredClasses(first, ["car", "dog", "person"], ["person"]), ["bus", "person", "car", "dog"]);
  equal(offeredClasses(first, ["dog"], ["zebra"]), ["bus", "person", "car", "zebra", "dog"]);
}

export function test_a_scene_of_many_classes_offers_some_and_all_that_are_chosen() {
  const seen = Array.from({ length: 100 }, (_, number) => `class ${number}`);
  const offered = offeredClasses(offeredClasses([], seen, []), seen, ["class 99"]);
  equal(offered.length, 40);
  equal(offered.includes("class 99"), true);
  equal(offered.slice(0, 3), ["class 0", "class 1", "class 2"]);
}
