import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { Meeting } from "../core/api/types.ts";
import { accessible, show } from "../testing/show.tsx";
import { DetailsPage } from "./DetailsPage.tsx";

const invitee = (email: string, delivery: NonNullable<Meeting["invitees"]>[number]["delivery"]) => ({ email, name: "", reply: "none", writes_minutes: false, delivery });

test("says which invitation did not arrive and why, and lets somebody in again", async () => {
  const pardoned: string[] = [];
  const meeting = {
    title: "Plan",
    owner: { id: "1", name: "Ada" },
    begin_at: null,
    end_at: null,
    invitees: [invitee("grace@x.org", { state: "sent", trouble: null, detail: "" }), invitee("gone@x.org", { state: "failed", trouble: "unknown-address", detail: "550 5.1.1 no such user" })],
  } as unknown as Meeting;
  show(<DetailsPage />, {
    meeting: async () => meeting,
    bans: async () => (pardoned.length === 0 ? [{ id: "g9", name: "Noisy", banned_at: "2026-11-23T08:00:00Z" }] : []),
    pardon: async (_code, id) => {
      pardoned.push(id);
    },
  });
  expect(await screen.findByRole("row", { name: /gone@x.org.*Not delivered.*There is no such address.*550 5.1.1 no such user/ })).toBeVisible();
  expect(screen.getByRole("row", { name: /grace@x.org.*Sent/ })).toBeVisible();
  await accessible();
  await userEvent.setup().click(await screen.findByRole("button", { name: "Let in again: Noisy" }));
  await expect.poll(() => screen.queryByText("Noisy")).toBeNull();
  expect(pardoned).toEqual(["g9"]);
});
