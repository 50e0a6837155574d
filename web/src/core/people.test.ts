import { expect, test } from "vitest";
import { hueOf, initials, subjectOf } from "./people.ts";

test("an identity names its person, whatever the tab", () => {
  expect(subjectOf("0123:ab12cd34")).toBe("0123");
  expect(subjectOf("a:b:ab12cd34")).toBe("a:b");
  expect(subjectOf("agent")).toBe("agent");
  expect(hueOf("0123:ab12cd34")).toBe(hueOf("0123:zzzzzzzz"));
});

test("initials come from the first and the last word", () => {
  expect(initials("Ada Example")).toBe("AE");
  expect(initials("  ada  king  lovelace ")).toBe("AL");
  expect(initials("𝒳")).toBe("𝒳");
  expect(initials("")).toBe("?");
});
