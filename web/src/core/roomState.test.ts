import { expect, test } from "vitest";
import { readRoomState } from "./roomState.ts";

test("what the hub tells of a room is read", () => {
  const told = { locked: true, lobby: false, microphones_closed: true, presenters: "hosts", spotlight: "a:1", ends_at: "2026-11-23T14:00:00Z" };
  expect(readRoomState(JSON.stringify(told))).toEqual({
    locked: true,
    lobby: false,
    microphonesClosed: true,
    onlyHostsPresent: true,
    spotlight: "a:1",
    endsAt: Date.parse("2026-11-23T14:00:00Z"),
  });
});

test.each([undefined, "", "{", "null", "[]", "7", '{"locked":1,"spotlight":[],"ends_at":"soon","presenters":{}}'])("%j says nothing", (metadata) => {
  const nothing = { locked: false, lobby: false, microphonesClosed: false, onlyHostsPresent: false, spotlight: null, endsAt: null };
  expect(readRoomState(metadata)).toEqual(nothing);
});
