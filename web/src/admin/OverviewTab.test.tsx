import { screen, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import type { Hub } from "../core/api/client.ts";
import { accessible, show } from "../testing/show.tsx";
import type { Overview, Server } from "./api.ts";
import { OverviewTab } from "./OverviewTab.tsx";

const NOW = Date.parse("2026-11-23T12:00:00Z");
const day = (days: number) => new Date(NOW + days * 86_400_000).toISOString();

function server(address: string, certificate: object | undefined, more: Partial<Server> = {}): Server {
  const details = certificate === undefined ? {} : { certificate };
  return { kind: "sfu", address, state: "ready", drained: false, load: 0.1, version: "1", beat_at: day(0), details, ...more } as Server;
}

async function row(servers: Server[], address: string): Promise<HTMLElement> {
  const overview = { people: 1, meetings: [], servers, mails: {} } as unknown as Overview;
  show(<OverviewTab />, { call: (async () => overview) as Hub["call"] });
  return (await screen.findByText(address)).closest("tr") as HTMLElement;
}

describe("a server's certificate", () => {
  test("says until when it is good, and no more while that is long", async () => {
    const cells = within(await row([server("sfu.x.org", { until: day(60), trouble: "" })], "sfu.x.org"));
    expect(cells.getByText(/Jan 22, 2027/)).toBeVisible();
    expect(cells.queryByText("ends soon")).toBeNull();
    await accessible();
  });

  test("says within the last fortnight that it ends soon, and what hinders its renewal", async () => {
    const cells = within(await row([server("sfu.x.org", { until: day(13), trouble: "the authority did not answer" })], "sfu.x.org"));
    expect(cells.getByText("ends soon")).toBeVisible();
    expect(cells.getByText("the authority did not answer")).toBeVisible();
  });

  test.each([[undefined], [{ until: null }]])("is a dash where there is none: %j", async (certificate) => {
    const cells = within(await row([server("sfu.x.org", certificate)], "sfu.x.org"));
    expect(cells.getByText("–")).toBeVisible();
  });

  test("is reckoned by the newest beat, and a server silent for longer than ten seconds is gone", async () => {
    const silent = server("old.x.org", undefined, { beat_at: new Date(NOW - 11_000).toISOString() });
    const cells = within(await row([server("sfu.x.org", undefined), silent], "old.x.org"));
    expect(cells.getByText("gone")).toBeVisible();
  });
});
