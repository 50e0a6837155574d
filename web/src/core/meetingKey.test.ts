import { describe, expect, test } from "vitest";
import { forgetKey, forgetKeys, keepKey, keptKey, linkWithKey, makeKey, readKey } from "./meetingKey.ts";

const counting = (bytes: number) => Uint8Array.from({ length: bytes }, (_, n) => n * 7 + 3);
const KEY = makeKey(counting);

function box(): Storage {
  const kept = new Map<string, string>();
  return {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
    removeItem: (name: string) => void kept.delete(name),
  } as Storage;
}

describe("a meeting's key", () => {
  test("is five groups of five, and others with other random bytes", () => {
    expect(KEY).toMatch(/^([0-9a-hjkmnp-tv-z]{5}-){4}[0-9a-hjkmnp-tv-z]{5}$/);
    expect(makeKey((bytes) => counting(bytes).reverse())).not.toBe(KEY);
  });

  test("is read as people write it: in capitals, with spaces, with O for zero and l for one", () => {
    expect(readKey(KEY)).toBe(KEY);
    expect(readKey(` ${KEY.toUpperCase().replaceAll("-", " ").replaceAll("0", "O").replaceAll("1", "l")}\n`)).toBe(KEY);
  });

  test("is found in a link", () => {
    expect(readKey(linkWithKey("https://meet.example.com/m/abc-defg-hij", KEY))).toBe(KEY);
    expect(linkWithKey("https://meet.example.com/m/abc-defg-hij", null)).toBe("https://meet.example.com/m/abc-defg-hij");
  });

  test("with one wrong symbol, wherever, is none", () => {
    const symbols = "0123456789abcdefghjkmnpqrstvwxyz";
    for (let at = 0; at < KEY.length; at += 1) {
      if (KEY[at] === "-") continue;
      for (const other of symbols) {
        if (other !== KEY[at]) expect(readKey(KEY.slice(0, at) + other + KEY.slice(at + 1))).toBeNull();
      }
    }
  });

  test.each(["", "abc", KEY.slice(0, -1), `${KEY}0`, "#key=", "https://meet.example.com/m/abc-defg-hij", "ü".repeat(25)])("%j is none", (text) => {
    expect(readKey(text)).toBeNull();
  });
});

describe("this browser", () => {
  test("keeps a key for each meeting until it is told to forget", () => {
    const kept = box();
    const other = makeKey((bytes) => counting(bytes).reverse());
    keepKey(kept, "abc", KEY);
    keepKey(kept, "def", other);
    expect([keptKey(kept, "abc"), keptKey(kept, "def"), keptKey(kept, "ghi")]).toEqual([KEY, other, null]);
    forgetKey(kept, "abc");
    expect([keptKey(kept, "abc"), keptKey(kept, "def")]).toEqual([null, other]);
    forgetKeys(kept);
    expect(keptKey(kept, "def")).toBeNull();
  });

  test("keeps no more than the newest two hundred", () => {
    const kept = box();
    for (let n = 0; n <= 200; n += 1) keepKey(kept, String(n), KEY);
    expect([keptKey(kept, "0"), keptKey(kept, "1"), keptKey(kept, "200")]).toEqual([null, KEY, KEY]);
  });

  test.each(["no JSON", "{}", "[1]", '[["abc", 7]]', '[["abc", "no key"]]', "null"])("is not confused by %j in its storage", (text) => {
    const kept = box();
    kept.setItem("meeting.keys", text);
    expect(keptKey(kept, "abc")).toBeNull();
    keepKey(kept, "abc", KEY);
    expect(keptKey(kept, "abc")).toBe(KEY);
  });

  test("goes on without storage", () => {
    const none = { getItem: () => { throw new Error("forbidden"); }, setItem: () => { throw new Error("forbidden"); }, removeItem: () => undefined };
    keepKey(none, "abc", KEY);
    expect(keptKey(none, "abc")).toBeNull();
  });
});
