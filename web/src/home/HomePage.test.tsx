import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { Me, Meeting } from "../core/api/types.ts";
import { ada, house, server } from "../testing/people.ts";
import { accessible, show } from "../testing/show.tsx";
import { HomePage } from "./HomePage.tsx";

const me: Me = { person: ada, guest: null, server };
const plan: Meeting = {
  id: "7",
  code: "abc-defg-hij",
  kind: "scheduled",
  title: "Plan",
  begin_at: "2026-11-24T08:00:00Z",
  end_at: "2026-11-24T09:00:00Z",
  zone: "UTC",
  state: "scheduled",
  owner: { id: "1", name: "Ada" },
  is_owner: true,
  link: "https://x.org/m/abc-defg-hij",
  created_at: "2026-11-23T08:00:00Z",
  guests_allowed: true,
  options: { guests_allowed: true, passcode: null, lobby: false, presenters: "everyone", minutes_writers: "everyone", max_minutes: null, e2ee: false, reminders: true },
  series: null,
  occurrence: null,
  reply: null,
  invitees: null,
};

test("lists what is ahead, and cancels a meeting only after asking", async () => {
  const cancelled: string[] = [];
  const user = userEvent.setup();
  show(<HomePage />, {
    me: async () => me,
    meetings: async () => ({ meetings: cancelled.length === 0 ? [plan] : [], next: null }),
    cancel: async (code) => {
      cancelled.push(code);
    },
  });
  expect(await screen.findByRole("link", { name: "Join Plan" })).toHaveAttribute("href", "/m/abc-defg-hij");
  await accessible();
  await user.click(screen.getByRole("button", { name: "More for Plan" }));
  await user.click(await screen.findByRole("menuitem", { name: "Cancel meeting" }));
  expect(cancelled).toEqual([]);
  await user.click(await screen.findByRole("button", { name: "Cancel meeting" }));
  await waitFor(() => expect(cancelled).toEqual(["abc-defg-hij"]));
  expect(await screen.findByText(/Nothing is planned/)).toBeVisible();
});

test("offers nothing to cancel to those who are only invited", async () => {
  show(<HomePage />, { me: async () => me, meetings: async () => ({ meetings: [{ ...plan, is_owner: false, owner: { id: "2", name: "Grace" } }], next: null }) });
  expect(await screen.findByText(/by Grace/)).toBeVisible();
  expect(screen.queryByRole("button", { name: "More for Plan" })).toBeNull();
});

test("shows more of a long list when asked", async () => {
  const asked: (string | undefined)[] = [];
  const user = userEvent.setup();
  show(<HomePage />, {
    me: async () => me,
    meetings: async (_when, next) => {
      asked.push(next);
      return next === undefined ? { meetings: [plan], next: "/api/v1/meetings?cursor=x" } : { meetings: [{ ...plan, code: "kkk-llll-mmm", title: "Later" }], next: null };
    },
  });
  await user.click(await screen.findByRole("button", { name: "Show more" }));
  expect(await screen.findByRole("link", { name: "Join Later" })).toBeVisible();
  expect(screen.getByRole("link", { name: "Join Plan" })).toBeVisible();
  expect(screen.queryByRole("button", { name: "Show more" })).toBeNull();
  expect(asked).toEqual([undefined, "/api/v1/meetings?cursor=x"]);
});

test("where administrators make the meetings, others are told so", async () => {
  const elsewhere = { ...me, server: { ...server, house: { ...house, creators: "administrators" as const } } };
  show(<HomePage />, { me: async () => elsewhere, meetings: async () => ({ meetings: [], next: null }) });
  expect(await screen.findByText(/administrators open and schedule/)).toBeVisible();
  expect(screen.queryByRole("button", { name: "Schedule" })).toBeNull();
});
