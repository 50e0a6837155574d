import { expect, test } from "vitest";
import { focusOf } from "./focus.ts";

const camera = { key: "ada camera", screen: false };
const screen = { key: "ada screen", screen: true };
const later = { key: "bob screen", screen: true };

test("a screen somebody shares is shown large, the newest first", () => {
  expect(focusOf([camera], null)).toBeNull();
  expect(focusOf([camera, screen], null)).toBe("ada screen");
  expect(focusOf([camera, screen, later], null)).toBe("bob screen");
});

test("what is pinned wins while it is there", () => {
  expect(focusOf([camera, screen], "ada camera")).toBe("ada camera");
  expect(focusOf([screen], "ada camera")).toBe("ada screen");
});

test("who speaks is large only where nothing else is", () => {
  expect(focusOf([camera, screen], null, null, "ada camera")).toBe("ada screen");
  expect(focusOf([camera], null, null, "ada camera")).toBe("ada camera");
  expect(focusOf([camera], null, null, "somebody who left")).toBeNull();
});
