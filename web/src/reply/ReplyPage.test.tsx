import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { AskedReply } from "../core/api/types.ts";
import { accessible, show } from "../testing/show.tsx";
import { ReplyPage } from "./ReplyPage.tsx";

const asked: AskedReply = {
  title: "Plan",
  begin_at: "2026-11-24T08:00:00Z",
  end_at: "2026-11-24T09:00:00Z",
  zone: "UTC",
  state: "scheduled",
  owner: "Ada",
  recurrence: null,
  email: "bob@x.org",
  reply: "none",
  link: "https://x.org/m/abc-defg-hij",
};

test("a link answers only when a button is pressed", async () => {
  const sent: string[][] = [];
  show(
    <ReplyPage />,
    {
      lookAtReply: async () => asked,
      replyByLink: async (token, answer) => {
        sent.push([token, answer]);
        return { ...asked, reply: answer };
      },
    },
    "/r?answer=accepted#secret",
  );
  expect(await screen.findByRole("heading", { name: "Plan" })).toBeVisible();
  expect(sent).toEqual([]);
  await accessible();
  await userEvent.setup().click(screen.getByRole("button", { name: "Maybe" }));
  await waitFor(() => expect(sent).toEqual([["secret", "tentative"]]));
  expect(await screen.findByText(/Ada sees your answer/)).toBeVisible();
});
