import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactNode } from "react";
import { describe, expect, test } from "vitest";
import { Problem } from "../core/api/problem.ts";
import type { House, ScheduleRequest } from "../core/api/types.ts";
import { keptKey } from "../core/meetingKey.ts";
import { ada, house, server } from "../testing/people.ts";
import { accessible, show } from "../testing/show.tsx";
import { useMe } from "../ui/useMe.ts";
import { ScheduleDialog } from "./ScheduleDialog.tsx";

/** The dialog opens on a page that knows who is there. */
function OnceKnown({ children }: { children: ReactNode }) {
  return useMe().data === undefined ? null : children;
}

async function open(schedule: (request: ScheduleRequest) => Promise<never> | Promise<object>, decided: Partial<House> = {}) {
  const asked: ScheduleRequest[] = [];
  let closed = 0;
  show(<OnceKnown><ScheduleDialog meeting={null} onClose={() => (closed += 1)} /></OnceKnown>, {
    me: async () => ({ person: ada, guest: null, server: { ...server, house: { ...house, ...decided } } }),
    groups: async () => [{ id: "1", name: "Board", emails: ["grace@x.org", "mary@x.org"] }],
    schedule: async (request) => {
      asked.push(request);
      return (await schedule(request)) as never;
    },
  });
  await screen.findByRole("dialog");
  return { asked, closed: () => closed, user: userEvent.setup() };
}

describe("scheduling", () => {
  test("sends what was filled in, an address still being typed included", async () => {
    const { asked, closed, user } = await open(async () => ({}));
    await user.type(screen.getByRole("textbox", { name: /Title/ }), "Plan");
    await user.type(screen.getByRole("textbox", { name: "Invite" }), "a@x.org,b@x.org");
    await user.click(screen.getByRole("button", { name: "Schedule meeting" }));
    await waitFor(() => expect(closed()).toBe(1));
    expect(asked).toMatchObject([{ title: "Plan", invitees: ["a@x.org", "b@x.org"] }]);
  });

  test("takes a pasted list apart", async () => {
    const { user } = await open(async () => ({}));
    await user.click(screen.getByRole("textbox", { name: "Invite" }));
    await user.paste('"Doe, Jane" <jane@x.org>; bob@x.org');
    expect(screen.getByRole("button", { name: "Remove jane@x.org" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Remove bob@x.org" }));
    expect(screen.queryByText("bob@x.org")).toBeNull();
  });

  test("says what is missing and sends nothing", async () => {
    const { asked, user } = await open(async () => ({}));
    await user.type(screen.getByRole("textbox", { name: "Invite" }), "nobody{Enter}");
    await user.click(screen.getByRole("button", { name: "Schedule meeting" }));
    expect(await screen.findByText("Give the meeting a title.")).toBeVisible();
    expect(screen.getByText("Not an e-mail address: nobody")).toBeVisible();
    expect(asked).toEqual([]);
    await accessible();
  });

  test("stays open and says why when the hub refuses", async () => {
    const { closed, user } = await open(() => Promise.reject(new Problem({ kind: "bad-request", status: 400, detail: "too many invitees" })));
    await user.type(screen.getByRole("textbox", { name: /Title/ }), "Plan");
    await user.click(screen.getByRole("button", { name: "Schedule meeting" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("too many invitees");
    expect(closed()).toBe(0);
  });

  test("shows what the house usually has, and sends only what was touched", async () => {
    const { asked, closed, user } = await open(async () => ({}), { default_lobby: true, default_passcode: true, max_minutes: 90 });
    await user.type(screen.getByRole("textbox", { name: /Title/ }), "Plan");
    await user.click(screen.getByRole("button", { name: "Options" }));
    expect(await screen.findByRole("checkbox", { name: /waits in a lobby/ })).toBeChecked();
    expect(screen.getByRole("checkbox", { name: "With a passcode" })).toBeChecked();
    expect(screen.getByRole("textbox", { name: /Ends by itself/ })).toHaveValue("90");
    await user.click(screen.getByRole("checkbox", { name: "With a passcode" }));
    expect(screen.queryByRole("textbox", { name: "Passcode" })).toBeNull();
    await user.click(screen.getByRole("button", { name: "Schedule meeting" }));
    await waitFor(() => expect(closed()).toBe(1));
    expect(asked[0]?.options).toEqual({ passcode: "" });
  });

  test("invites a group by its addresses", async () => {
    const { asked, closed, user } = await open(async () => ({}));
    await user.type(screen.getByRole("textbox", { name: /Title/ }), "Plan");
    await user.click(await screen.findByRole("combobox", { name: "Add a group" }));
    await user.click(await screen.findByRole("option", { name: "Board (2)" }));
    expect(screen.getByRole("button", { name: "Remove mary@x.org" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Schedule meeting" }));
    await waitFor(() => expect(closed()).toBe(1));
    expect(asked).toMatchObject([{ invitees: ["grace@x.org", "mary@x.org"], options: {} }]);
  });

  test("hands out the key of an encrypted meeting, and keeps it for the next time", async () => {
    const { asked, closed, user } = await open(async () => ({ code: "abc-defg-hij", link: "https://x.org/m/abc-defg-hij" }));
    await user.type(screen.getByRole("textbox", { name: /Title/ }), "Plan");
    await user.click(screen.getByRole("button", { name: "Options" }));
    await user.click(await screen.findByRole("checkbox", { name: "End-to-end encrypted" }));
    await user.click(screen.getByRole("button", { name: "Schedule meeting" }));
    expect(await screen.findByRole("dialog", { name: "Give the key to the others" })).toBeVisible();
    const key = keptKey(window.localStorage, "abc-defg-hij");
    expect(screen.getByText(key ?? "no key")).toBeVisible();
    // What goes to the hub says that it is encrypted, and not with what.
    expect(asked[0]?.options).toEqual({ e2ee: true });
    expect(closed()).toBe(0);
    await user.click(screen.getAllByRole("button", { name: "Close" }).at(-1) as HTMLElement);
    expect(closed()).toBe(1);
  });
});
