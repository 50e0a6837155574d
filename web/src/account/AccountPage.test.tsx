import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, test } from "vitest";
import type { Hub } from "../core/api/client.ts";
import { Problem } from "../core/api/problem.ts";
import type { Session } from "../core/api/types.ts";
import { ada, server } from "../testing/people.ts";
import { accessible, show } from "../testing/show.tsx";
import { AccountPage } from "./AccountPage.tsx";

const here: Session = {
  id: "1",
  browser: "Firefox",
  system: "Linux",
  address: "192.0.2.1",
  created_at: "2026-11-01T08:00:00Z",
  last_used_at: "2026-11-23T12:00:00Z",
  current: true,
};

const SCOPES = { "meetings:read": "read your meetings", "admin:read": "read everything that administrators see" };

function showAccount(hub: Partial<Hub> = {}) {
  show(<AccountPage />, {
    me: async () => ({ person: ada, guest: null, server }),
    sessions: async () => [here],
    groups: async () => [],
    tokens: async () => ({ tokens: [], scopes: SCOPES, next: null }),
    ...hub,
  });
  return userEvent.setup();
}

describe("the account", () => {
  test("changes what one says of oneself", async () => {
    const changes: unknown[] = [];
    const user = showAccount({
      changeMe: async (change) => {
        changes.push(change);
        return { ...ada, ...change, handle: null };
      },
    });
    const name = await screen.findByLabelText("Name");
    await user.clear(name);
    await user.type(name, "Ada King");
    await user.click(within(screen.getByRole("region", { name: "Profile" })).getByRole("button", { name: "Save" }));
    expect(await screen.findByText("Saved.")).toBeVisible();
    expect(changes).toEqual([{ name: "Ada King", zone: "UTC", language: "en" }]);
    await accessible();
  });

  test("says why a personal link cannot be had", async () => {
    const user = showAccount({ changeMe: () => Promise.reject(new Problem({ kind: "handle-taken", status: 409 })) });
    const link = within(await screen.findByRole("region", { name: "Personal link" }));
    await user.type(link.getByRole("textbox"), "bob");
    await user.click(link.getByRole("button", { name: "Save" }));
    expect(await link.findByText("Somebody else has this link. Choose another one.")).toBeVisible();
  });

  test("ends a session elsewhere, never this one by a slip", async () => {
    const ended: string[] = [];
    const phone: Session = { ...here, id: "2", browser: "Safari", system: "iPhone", current: false };
    const user = showAccount({
      sessions: async () => (ended.length ? [here] : [here, phone]),
      endSession: async (id) => {
        ended.push(id);
      },
    });
    await user.click(await screen.findByRole("button", { name: "Sign out: Safari on iPhone" }));
    expect(ended).toEqual(["2"]);
    expect(screen.queryByRole("button", { name: "Sign out: Firefox on Linux" })).toBeNull();
    await expect.poll(() => screen.queryByText("Safari on iPhone")).toBeNull();
  });

  test("offers no passkeys where the server or the browser has none", async () => {
    showAccount();
    await screen.findByRole("region", { name: "Profile" });
    expect(screen.queryByRole("region", { name: "Passkeys" })).toBeNull();
  });

  test("shows a new token's secret once, and only rights that one may give", async () => {
    const made: unknown[] = [];
    const user = showAccount({
      makeToken: async (token) => {
        made.push(token);
        return { token: { id: "t1", name: token.name, scopes: token.scopes, created_at: here.created_at, expires_at: here.created_at, used_at: null }, secret: "mtg_secret" };
      },
    });
    const tokens = within(await screen.findByRole("region", { name: "API tokens" }));
    await expect.poll(() => tokens.getByRole("button", { name: "New token" })).toBeEnabled();
    await user.click(tokens.getByRole("button", { name: "New token" }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.queryByRole("checkbox", { name: "admin:read" })).toBeNull();
    await user.type(dialog.getByRole("textbox", { name: "Name" }), "Robot");
    expect(dialog.getByRole("button", { name: "New token" })).toBeDisabled();
    await user.click(dialog.getByRole("checkbox", { name: "meetings:read" }));
    await user.click(dialog.getByRole("button", { name: "New token" }));
    expect(await screen.findByText("mtg_secret")).toBeVisible();
    expect(made).toEqual([{ name: "Robot", scopes: ["meetings:read"], days: 90 }]);
    await user.click(screen.getByRole("button", { name: "Close" }));
    expect(screen.queryByText("mtg_secret")).toBeNull();
  });

  test("keeps a group only when its addresses are some", async () => {
    const kept: unknown[] = [];
    const user = showAccount({
      keepGroup: async (id, group) => {
        kept.push([id, group]);
        return { id: "g1", ...group };
      },
    });
    await user.click(await screen.findByRole("button", { name: "New group" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByRole("textbox", { name: "Name" }), "Board");
    await user.type(dialog.getByRole("textbox", { name: "Addresses" }), "grace@x.org,nobody");
    await user.click(dialog.getByRole("button", { name: "Save" }));
    expect(await dialog.findByText("Not an e-mail address: nobody")).toBeVisible();
    expect(kept).toEqual([]);
    await user.click(dialog.getByRole("button", { name: "Remove nobody" }));
    await user.click(dialog.getByRole("button", { name: "Save" }));
    await expect.poll(() => kept).toEqual([[null, { name: "Board", emails: ["grace@x.org"] }]]);
  });
});
