import { describe, expect, it, vi } from "vitest";
import { HandClock } from "../testing/clock.ts";
import { partFetcher, PartMissing, versionIn, type Surroundings } from "./parts.ts";

function page(changed: Partial<Surroundings> = {}) {
  const clock = new HandClock();
  const renew = vi.fn((_version: string) => true);
  const part = partFetcher({ clock, random: () => 0.5, newest: async () => "/assets/index-1.js", ours: "/assets/index-1.js", renew, ...changed });
  return { clock, renew, part };
}

/** Fails so often, then succeeds. */
function failing(times: number) {
  let left = times;
  return vi.fn(async () => {
    left -= 1;
    if (left >= 0) throw new TypeError("Failed to fetch dynamically imported module");
    return "the part";
  });
}

describe("the code of a part of the page", () => {
  it("comes although the network was away for a moment", async () => {
    const { clock, part, renew } = page({ newest: async () => null });
    const load = failing(2);
    const got = part(load);
    await clock.turn(5_000);
    expect(await got).toBe("the part");
    expect(load).toHaveBeenCalledTimes(3);
    expect(renew).not.toHaveBeenCalled();
  });

  it("is asked for later and later, and given up within seconds", async () => {
    const { clock, part } = page({ newest: async () => null });
    const load = failing(99);
    const got = part(load).catch((error: unknown) => error);
    await clock.turn(299);
    expect(load).toHaveBeenCalledTimes(1);
    await clock.turn(6_000);
    expect(await got).toBeInstanceOf(PartMissing);
    expect(load).toHaveBeenCalledTimes(5);
    expect(clock.waiting).toBe(0);
  });

  it("of a version that was replaced is had by loading the page again, at once", async () => {
    const { clock, part, renew } = page({ newest: async () => "/assets/index-2.js" });
    const load = failing(99);
    void part(load);
    await clock.turn(10_000);
    expect(renew.mock.calls).toEqual([["/assets/index-2.js"]]);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it("does not load the page again and again, when that brings no new version", async () => {
    const { clock, part } = page({ newest: async () => "/assets/index-2.js", renew: () => false });
    const got = part(failing(99)).catch((error: unknown) => error);
    await clock.turn(10_000);
    expect(await got).toBeInstanceOf(PartMissing);
  });

  it("never ends a call to have a new version", async () => {
    const { clock, part, renew } = page({ newest: async () => "/assets/index-2.js" });
    const got = part(failing(99), { mayReload: false }).catch((error: unknown) => error);
    await clock.turn(10_000);
    expect(await got).toBeInstanceOf(PartMissing);
    expect(renew).not.toHaveBeenCalled();
  });
});

it("a page's version is the name of its script", () => {
  expect(versionIn('<head><script type="module" crossorigin src="/assets/index-Ab1.js"></script>')).toBe("/assets/index-Ab1.js");
  expect(versionIn("<p>We are being repaired.")).toBeNull();
});
