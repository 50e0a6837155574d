import { expect, test } from "vitest";
import { focusOf } from "./focus.ts";

const camera = { key: "ada camera", screen: false, mine: false };
const screen = { key: "ada screen", screen: true, mine: false };
const later = { key: "bob screen", screen: true, mine: false };
const own = { key: "my screen", screen: true, mine: true };

test("a screen somebody shares is shown large, the newest first", () => {
  expect(focusOf([camera], null)).toBeNull();
  expect(focusOf([camera, screen], null)).toBe("ada screen");
  expect(focusOf([camera, screen, later], null)).toBe("bob screen");
});

test("what is pinned wins while it is there", () => {
  expect(focusOf([camera, screen], "ada camera")).toBe("ada camera");
  expect(focusOf([screen], "ada camera")).toBe("ada screen");
});

test("one's own screen is not shown large by itself", () => {
  expect(focusOf([camera, own], null)).toBeNull();
  expect(focusOf([camera, own], "my screen")).toBe("my screen");
});
