import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { Hub } from "../core/api/client.ts";
import { accessible, show } from "../testing/show.tsx";
import { MeetingsTab } from "./MeetingsTab.tsx";

const OWNER = { id: "a", name: "Ada", email: "ada@example.com" };
const TIMES = { begin_at: "2026-12-01T14:00:00Z", end_at: "2026-12-01T15:00:00Z", zone: "UTC" };
const PLANNED = { id: "m1", code: "abc", title: "Plans", owner: OWNER, ...TIMES, recurs: true, cancelled: false, invited: 2, accepted: 1, declined: 0, not_reached: 1 };
const ALONE = { ...PLANNED, id: "m2", title: "Alone", recurs: false, cancelled: true, invited: 0, accepted: 0, not_reached: 0 };
const INVITATIONS = [
  { email: "bob@example.com", name: "Bob", reply: "accepted", delivery: { state: "sent", trouble: null, detail: "" } },
  { email: "carol@example.com", name: "", reply: "none", delivery: { state: "failed", trouble: "unknown-address", detail: "550 5.1.1 who" } },
];

function shown(): string[] {
  const asked: string[] = [];
  const call = async (_: string, path: string) => {
    asked.push(path);
    return path.endsWith("/invitations") ? { invitations: INVITATIONS } : { meetings: [PLANNED, ALONE], next: null };
  };
  show(<MeetingsTab />, { call: call as Hub["call"] });
  return asked;
}

test("says what is scheduled, and whom a mail did not reach", async () => {
  shown();
  const row = within((await screen.findByText("Plans")).closest("tr") as HTMLElement);
  expect(row.getByText("1 of 2 accepted")).toBeVisible();
  expect(row.getByText("A mail did not reach one person.")).toBeVisible();
  expect(within(screen.getByText("Alone").closest("tr") as HTMLElement).queryByRole("button")).toBeNull();
  await accessible();
});

test("shows each invitation of a meeting", async () => {
  const asked = shown();
  await userEvent.click(await screen.findByRole("button", { name: "Invitations: Plans" }));
  const dialog = within(await screen.findByRole("dialog"));
  expect(await dialog.findByText("There is no such address.")).toBeVisible();
  expect(dialog.getByText("Bob")).toBeVisible();
  expect(asked).toContain("/api/v1/admin/meetings/m1/invitations");
  await accessible();
});

test("asks for what is typed, and for what is over", async () => {
  const asked = shown();
  await screen.findByText("Plans");
  await userEvent.click(screen.getByText("Past"));
  await userEvent.type(screen.getByLabelText("Title, or an address"), "plan");
  await expect.poll(() => asked.at(-1)).toBe("/api/v1/admin/meetings?when=past&text=plan");
});
