import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { PartMissing } from "../core/parts.ts";
import { accessible, show } from "../testing/show.tsx";
import { later } from "./later.tsx";

// Waiting between tries has its own tests; here each round fails or succeeds at once.
vi.mock("./parts.ts", () => ({
  fetchPart: async (load: () => Promise<unknown>) => {
    try {
      return await load();
    } catch (error) {
      throw new PartMissing(error);
    }
  },
}));

it("a part that cannot be fetched says so in its place, and comes when it is tried again", async () => {
  let network = false;
  const Minutes = later(async () => {
    if (!network) throw new TypeError("Failed to fetch dynamically imported module");
    return ({ code }: { code: string }) => <p>Minutes of {code}</p>;
  });
  show(<Minutes code="abc" />);
  expect(await screen.findByRole("alert")).toHaveTextContent("could not be loaded");
  await accessible();
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByRole("alert")).toBeVisible();
  network = true;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("Minutes of abc")).toBeVisible();
});
