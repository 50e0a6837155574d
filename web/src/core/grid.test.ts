import { describe, expect, test } from "vitest";
import { fitGrid, pages } from "./grid.ts";

describe("the grid", () => {
  test.each([
    [1, 1280, 720, 1],
    [2, 1280, 720, 2],
    [4, 1280, 720, 2],
    [9, 1280, 720, 3],
    [25, 1280, 720, 5],
    [2, 390, 700, 1],
    [6, 390, 700, 2],
  ])("of %i in %i × %i has %i columns", (count, width, height, columns) => {
    expect(fitGrid(count, width, height).columns).toBe(columns);
  });

  test("never overflows its box, for any number of people on any screen", () => {
    for (let count = 1; count <= 49; count += 1) {
      for (const [width, height] of [[320, 480], [390, 700], [1024, 500], [1920, 1000], [700, 300]] as const) {
        const { columns, rows, tileWidth, tileHeight } = fitGrid(count, width, height, 8);
        expect(columns * rows).toBeGreaterThanOrEqual(count);
        expect(columns * tileWidth + 8 * (columns - 1)).toBeLessThanOrEqual(width);
        expect(rows * tileHeight + 8 * (rows - 1)).toBeLessThanOrEqual(height);
        expect(tileWidth).toBeGreaterThan(0);
      }
    }
  });

  test("crops a camera's picture to no less than 4:3, on a phone to a square", () => {
    const wide = fitGrid(2, 1280, 720);
    expect(wide.tileWidth / wide.tileHeight).toBeGreaterThan(1.32);
    const phone = fitGrid(2, 390, 700);
    expect(phone.tileWidth / phone.tileHeight).toBeGreaterThanOrEqual(1);
  });

  test("has no size in a box without any", () => {
    expect(fitGrid(3, 0, 0)).toEqual({ columns: 1, rows: 3, tileWidth: 0, tileHeight: 0 });
  });
});

test("people are paged without loss", () => {
  expect(pages([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
  expect(pages([], 25)).toEqual([[]]);
});
