import { describe, expect, test } from "vitest";
import { framesIn, Strangers } from "./strangers.ts";

const named = (strangers: Strangers) => [...strangers.list.get()].map(([identity, why]) => `${identity}: ${why}`);

describe("strangers", () => {
  test("are those whose frames cannot be decrypted, until they can be", () => {
    const strangers = new Strangers();
    strangers.refused("ben:1", "key");
    strangers.refused("eve:1", "plain");
    expect(named(strangers)).toEqual(["ben:1: key", "eve:1: plain"]);
    for (const frames of [100, 100, 102]) strangers.counted("ben:1", frames);
    expect(named(strangers)).toEqual(["ben:1: key", "eve:1: plain"]);
    strangers.counted("ben:1", 110);
    expect(named(strangers)).toEqual(["eve:1: plain"]);
  });

  test("whose frames fail again are counted anew", () => {
    const strangers = new Strangers();
    strangers.refused("ben:1", "key");
    strangers.counted("ben:1", 100);
    strangers.refused("ben:1", "key");
    strangers.counted("ben:1", 110);
    expect(named(strangers)).toEqual(["ben:1: key"]);
  });

  test("are told about when something changes, and only then", () => {
    const strangers = new Strangers();
    let told = 0;
    strangers.list.subscribe(() => (told += 1));
    strangers.refused("ben:1", "key");
    strangers.refused("ben:1", "key");
    strangers.counted("nobody:1", 7);
    strangers.forget("nobody:1");
    expect(told).toBe(1);
    strangers.forgetAll();
    strangers.forgetAll();
    expect(told).toBe(2);
  });
});

test("frames are pictures, and sound that was not made up", () => {
  const rows: [string, Record<string, unknown>][] = [
    ["a", { type: "inbound-rtp", kind: "video", framesDecoded: 30 }],
    ["b", { type: "inbound-rtp", kind: "audio", totalSamplesReceived: 9_600, concealedSamples: 1_920 }],
    ["c", { type: "remote-outbound-rtp", framesDecoded: 9 }],
    ["d", { type: "inbound-rtp", kind: "audio" }],
  ];
  expect(framesIn(rows)).toBe(38);
});
