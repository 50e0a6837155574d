import { expect, test } from "vitest";
import { paletteOf } from "./brand.ts";

test("has the house's colours where light and dark pages take theirs, and goes from light to dark", () => {
  const palette = paletteOf("#8a1c5c", "#f4a6d2");
  expect(palette[8]).toBe("#8a1c5c");
  expect([palette[3], palette[4]]).toEqual(["#f4a6d2", "#f4a6d2"]);
  const light = palette.map((color) => [1, 3, 5].reduce((sum, at) => sum + Number.parseInt(color.slice(at, at + 2), 16), 0));
  expect(light).toEqual([...light].sort((a, b) => b - a));
  expect(palette.every((color) => /^#[0-9a-f]{6}$/.test(color))).toBe(true);
});
