import { expect, test } from "vitest";
import { byHand, handOf, type WithAttributes } from "./hands.ts";

const person = (identity: string, hand?: string): WithAttributes => ({ identity, attributes: hand === undefined ? {} : { hand } });

test("hands stand in the order in which they were raised, the others as they were", () => {
  const people = [person("zoe"), person("bob", "2000"), person("eve"), person("ada", "1000"), person("al", "2000")];
  expect(byHand(people).map(({ identity }) => identity)).toEqual(["ada", "al", "bob", "zoe", "eve"]);
});

test.each(["", "up", "-5", "NaN", "0"])("%j is no raised hand", (hand) => {
  expect(handOf(person("ada", hand))).toBeNull();
});
