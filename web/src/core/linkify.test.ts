import { expect, test } from "vitest";
import { linkify } from "./linkify.ts";

test("addresses become links, the full stop behind them does not", () => {
  expect(linkify("See https://example.org/a?b=1. Then go.")).toEqual([
    { kind: "text", text: "See " },
    { kind: "link", text: "https://example.org/a?b=1", href: "https://example.org/a?b=1" },
    { kind: "text", text: ". Then go." },
  ]);
});

test.each(["javascript:alert(1)", "data:text/html,x", "https://", "plain"])("%s stays text", (text) => {
  expect(linkify(text)).toEqual([{ kind: "text", text }]);
});
