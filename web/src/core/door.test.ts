import { expect, test } from "vitest";
import { HandClock, settle } from "../testing/clock.ts";
import { Problem } from "./api/problem.ts";
import { Door, type Waiting } from "./door.ts";

const grace: Waiting = { id: "1", name: "Grace", is_guest: true, asked_at: "2026-11-23T12:00:00Z" };
const alan: Waiting = { id: "2", name: "Alan", is_guest: true, asked_at: "2026-11-23T12:00:05Z" };

function begin(...views: (Waiting[] | Problem)[]) {
  const clock = new HandClock();
  const diary: string[] = [];
  const hub = {
    lobby: async () => {
      const next = views.length > 1 ? views.shift() : views[0];
      if (next === undefined || next instanceof Problem) throw next ?? Problem.unreachable();
      diary.push("look");
      return { waiting: next, locked: false, lobby: true };
    },
    admit: async (_: string, ids: string[] | null) => void diary.push(`admit ${ids}`),
    deny: async (_: string, ids: string[] | null) => void diary.push(`deny ${ids}`),
  };
  const door = new Door({ hub, code: "abc", clock, onKnock: () => diary.push("knock") });
  return { clock, diary, door, names: () => door.waiting.get().map(({ name }) => name) };
}

test("looks every two seconds and tells of each who is new", async () => {
  const { clock, diary, door, names } = begin([], [grace], [grace], [grace, alan]);
  door.watch(true);
  await settle();
  await clock.turn(6_000);
  expect(diary).toEqual(["look", "look", "knock", "look", "look", "knock"]);
  expect(names()).toEqual(["Grace", "Alan"]);
});

test("keeps what it knows while the hub cannot be reached", async () => {
  const { clock, door, names } = begin([grace], Problem.unreachable(), [grace]);
  door.watch(true);
  await clock.turn(2_000);
  expect(names()).toEqual(["Grace"]);
  await clock.turn(2_000);
  expect(names()).toEqual(["Grace"]);
});

test("who was let in or turned away is off the list at once", async () => {
  const { diary, door, names } = begin([grace, alan]);
  door.watch(true);
  await settle();
  await door.admit(["1"]);
  expect(names()).toEqual(["Alan"]);
  await door.deny(null);
  expect(names()).toEqual([]);
  expect(diary.slice(-2)).toEqual(["admit 1", "deny null"]);
});

test("does not look while we do not lead", async () => {
  const { clock, diary, door, names } = begin([grace]);
  door.watch(true);
  await settle();
  door.watch(false);
  await clock.turn(60_000);
  expect(diary).toEqual(["look", "knock"]);
  expect(names()).toEqual([]);
});
