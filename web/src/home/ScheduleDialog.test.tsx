import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, test } from "vitest";
import { Problem } from "../core/api/problem.ts";
import type { ScheduleRequest } from "../core/api/types.ts";
import { accessible, show } from "../testing/show.tsx";
import { ScheduleDialog } from "./ScheduleDialog.tsx";

function open(schedule: (request: ScheduleRequest) => Promise<never> | Promise<object>) {
  const asked: ScheduleRequest[] = [];
  let closed = 0;
  show(<ScheduleDialog meeting={null} onClose={() => (closed += 1)} />, {
    schedule: async (request) => {
      asked.push(request);
      return (await schedule(request)) as never;
    },
  });
  return { asked, closed: () => closed, user: userEvent.setup() };
}

describe("scheduling", () => {
  test("sends what was filled in, an address still being typed included", async () => {
    const { asked, closed, user } = open(async () => ({}));
    await user.type(screen.getByRole("textbox", { name: /Title/ }), "Plan");
    await user.type(screen.getByRole("textbox", { name: "Invite" }), "a@x.org,b@x.org");
    await user.click(screen.getByRole("button", { name: "Schedule meeting" }));
    await waitFor(() => expect(closed()).toBe(1));
    expect(asked).toMatchObject([{ title: "Plan", invitees: ["a@x.org", "b@x.org"] }]);
  });

  test("takes a pasted list apart", async () => {
    const { user } = open(async () => ({}));
    await user.click(screen.getByRole("textbox", { name: "Invite" }));
    await user.paste('"Doe, Jane" <jane@x.org>; bob@x.org');
    expect(screen.getByRole("button", { name: "Remove jane@x.org" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Remove bob@x.org" }));
    expect(screen.queryByText("bob@x.org")).toBeNull();
  });

  test("says what is missing and sends nothing", async () => {
    const { asked, user } = open(async () => ({}));
    await user.type(screen.getByRole("textbox", { name: "Invite" }), "nobody{Enter}");
    await user.click(screen.getByRole("button", { name: "Schedule meeting" }));
    expect(await screen.findByText("Give the meeting a title.")).toBeVisible();
    expect(screen.getByText("Not an e-mail address: nobody")).toBeVisible();
    expect(asked).toEqual([]);
    await accessible();
  });

  test("stays open and says why when the hub refuses", async () => {
    const { closed, user } = open(() => Promise.reject(new Problem({ kind: "bad-request", status: 400, detail: "too many invitees" })));
    await user.type(screen.getByRole("textbox", { name: /Title/ }), "Plan");
    await user.click(screen.getByRole("button", { name: "Schedule meeting" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("too many invitees");
    expect(closed()).toBe(0);
  });
});
