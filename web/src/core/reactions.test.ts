import { expect, test } from "vitest";
import { HandClock } from "../testing/clock.ts";
import { Reactions } from "./reactions.ts";

function begin() {
  const clock = new HandClock();
  const said: string[] = [];
  const reactions = new Reactions(clock, async (sign) => void said.push(sign));
  return { clock, said, reactions, shown: () => reactions.shown.get().map(({ sign, identity }) => `${sign} ${identity}`) };
}

test("a reaction is shown here and there, and goes away", async () => {
  const { clock, said, reactions, shown } = begin();
  reactions.send("👍", "me");
  reactions.hear("🎉", "ada");
  expect(said).toEqual(["👍"]);
  expect(shown()).toEqual(["👍 me", "🎉 ada"]);
  await clock.turn(4_000);
  expect(shown()).toEqual([]);
});

test("nobody floods the meeting, oneself included", async () => {
  const { clock, said, reactions, shown } = begin();
  for (let time = 0; time < 10; time += 1) {
    reactions.send("👏", "me");
    reactions.hear("👏", "eve");
  }
  expect(said).toHaveLength(3);
  expect(shown()).toHaveLength(6);
  await clock.turn(1_000);
  reactions.hear("👏", "eve");
  reactions.hear("👏", "eve");
  expect(shown()).toHaveLength(7);
});

test("what is no reaction is not shown", () => {
  const { reactions, shown } = begin();
  for (const text of ["", "👍👍", "<b>", "x".repeat(1000)]) reactions.hear(text, "eve");
  expect(shown()).toEqual([]);
});

test("a crowd shows the newest thirty", () => {
  const { reactions, shown } = begin();
  for (let person = 0; person < 100; person += 1) reactions.hear("❤️", `p${person}`);
  expect(shown()).toHaveLength(30);
  expect(shown().at(-1)).toBe("❤️ p99");
});
