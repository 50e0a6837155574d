import { describe, expect, test } from "vitest";
import { digitsOf, isComplete, safeNext } from "./code.ts";

describe("a sign-in code", () => {
  test("is read from whatever was pasted", () => {
    expect(digitsOf(" 123-456\n")).toBe("123456");
    expect(digitsOf("Your code: 12 34 56. It lasts 10 minutes.")).toBe("123456");
    expect(isComplete(digitsOf("12345"))).toBe(false);
  });
});

describe("the page after signing in", () => {
  test("is a path of this site only", () => {
    expect(safeNext("/m/abc-defg-hij")).toBe("/m/abc-defg-hij");
    for (const evil of [null, "", "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]) {
      expect(safeNext(evil)).toBe("/");
    }
  });
});
