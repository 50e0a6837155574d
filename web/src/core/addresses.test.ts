import { describe, expect, test } from "vitest";
import { isEmail, parseAddresses } from "./addresses.ts";

describe("pasted invitees", () => {
  test("are read from every usual form, each once", () => {
    expect(parseAddresses('a@x.org; "Doe, Jane" <jane@X.Org>, b@x.org\nA@x.org  Max <max@x.org>').good).toEqual([
      "a@x.org",
      "jane@x.org",
      "b@x.org",
      "max@x.org",
    ]);
  });

  test("that are none are named", () => {
    expect(parseAddresses("jane, bob@, ok@x.org, a@b@c")).toEqual({ good: ["ok@x.org"], bad: ["jane", "bob@", "a@b@c"] });
  });

  test("nothing gives nothing", () => {
    expect(parseAddresses(" ,; \n")).toEqual({ good: [], bad: [] });
  });
});

test("an address has one @ and no spaces, and an internal host is enough", () => {
  expect(["a@b", "a.b+c@x.example"].every(isEmail)).toBe(true);
  expect(["", "a", "@b", "a@", "a b@c", "a@b c", `${"x".repeat(250)}@b.org`].some(isEmail)).toBe(false);
});
