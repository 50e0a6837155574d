/** Draws one component with what stands above all of them on the page. */
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, type RenderResult } from "@testing-library/react";
import axe from "axe-core";
import type { ReactElement } from "react";
import { createMemoryRouter, RouterProvider } from "react-router";
import { expect } from "vitest";
import type { Hub } from "../core/api/client.ts";
import { HubContext } from "../hub.ts";
import { brand } from "./people.ts";
import { readableColors, theme } from "../ui/theme.ts";

/** `hub` has only the calls that a test answers; any other one fails the test, but for the brand, which every page asks. */
export function show(element: ReactElement, hub: Partial<Hub> = {}, path = "/"): RenderResult {
  const strict = new Proxy({ brand: async () => brand, ...hub }, {
    get: (target, name) => {
      if (name in target) return Reflect.get(target, name);
      throw new Error(`the test did not expect a call of ${String(name)}`);
    },
  }) as Hub;
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const router = createMemoryRouter([{ path: "*", element }], { initialEntries: [path] });
  return render(
    <MantineProvider theme={theme} cssVariablesResolver={readableColors} env="test">
      <QueryClientProvider client={queries}>
        <HubContext value={strict}>
          <RouterProvider router={router} />
        </HubContext>
      </QueryClientProvider>
    </MantineProvider>,
  );
}

/** axe finds nothing serious in what is shown. Colours need a real browser: `npm run look` sees them. */
export async function accessible(): Promise<void> {
  const { violations } = await axe.run(document.body, { rules: { "color-contrast": { enabled: false }, region: { enabled: false } } });
  const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  expect(bad.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
}
