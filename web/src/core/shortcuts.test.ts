// @vitest-environment jsdom
import { describe, expect, test } from "vitest";
import { actionFor, takesKeys, type Keystroke } from "./shortcuts.ts";

const stroke = (key: string, more: Partial<Keystroke> = {}): Keystroke => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  repeat: false,
  defaultPrevented: false,
  typing: false,
  ...more,
});

describe("a shortcut", () => {
  test("is one key, with or without shift", () => {
    expect(actionFor(stroke("m"))).toBe("microphone");
    expect(actionFor(stroke("V"))).toBe("camera");
    expect(actionFor(stroke("x"))).toBeNull();
    expect(actionFor(stroke("toString"))).toBeNull();
  });

  test.each(["ctrlKey", "metaKey", "altKey", "repeat", "defaultPrevented", "typing"] as const)("is none with %s", (what) => {
    expect(actionFor(stroke("m", { [what]: true }))).toBeNull();
  });
});

test("text fields, editors and menus keep their keys", () => {
  document.body.innerHTML =
    '<input id="a"><div contenteditable="true"><b id="b">x</b></div><div role="menu"><button id="c"></button></div><button id="d"></button><input type="checkbox" id="e">';
  const takes = ["a", "b", "c", "d", "e"].map((id) => takesKeys(document.getElementById(id)));
  expect(takes).toEqual([true, true, true, false, false]);
  expect(takesKeys(null)).toBe(false);
});
