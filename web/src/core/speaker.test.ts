import { describe, expect, it } from "vitest";
import { HandClock } from "../testing/clock.ts";
import { Speaker } from "./speaker.ts";

describe("the picture that follows who speaks", () => {
  it("shows the loudest at once, and keeps them while nobody speaks", async () => {
    const clock = new HandClock();
    const speaker = new Speaker(clock);
    expect(speaker.who.get()).toBeNull();
    speaker.hear(["ada", "bob"]);
    expect(speaker.who.get()).toBe("ada");
    speaker.hear([]);
    await clock.turn(60_000);
    expect(speaker.who.get()).toBe("ada");
  });

  it("does not jump at a short word, and follows who goes on speaking", async () => {
    const clock = new HandClock();
    const speaker = new Speaker(clock);
    speaker.hear(["ada"]);
    await clock.turn(500);
    speaker.hear(["bob"]);
    await clock.turn(500);
    speaker.hear([]);
    await clock.turn(5_000);
    expect(speaker.who.get()).toBe("ada");
    speaker.hear(["bob"]);
    expect(speaker.who.get()).toBe("bob");
    speaker.hear(["cy"]);
    await clock.turn(1_999);
    expect(speaker.who.get()).toBe("bob");
    await clock.turn(1);
    expect(speaker.who.get()).toBe("cy");
  });

  it("stays with one of two who speak at once, whoever is louder", async () => {
    const clock = new HandClock();
    const speaker = new Speaker(clock);
    speaker.hear(["ada"]);
    await clock.turn(10_000);
    speaker.hear(["bob", "ada"]);
    expect(speaker.who.get()).toBe("ada");
  });

  it("leaves no timer behind", () => {
    const clock = new HandClock();
    const speaker = new Speaker(clock);
    speaker.hear(["ada"]);
    speaker.hear(["bob"]);
    speaker.stop();
    expect(clock.waiting).toBe(0);
  });
});
