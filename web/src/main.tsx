import "@mantine/core/styles.css";
import "./ui/base.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router/dom";
import { createHub } from "./core/api/client.ts";
import { Problem } from "./core/api/problem.ts";
import { HubContext } from "./hub.ts";
import { preferredLanguage, startCatalogue } from "./i18n/index.ts";
import { createRoutes } from "./routes.tsx";
import { Branded } from "./ui/Branded.tsx";

const hub = createHub((input, init) => fetch(input, init));
const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // Only what may pass by itself is asked again: a lost network or a struggling server, never a refusal.
      retry: (count, error) => count < 2 && (Problem.from(error).status === 0 || Problem.from(error).status >= 500),
    },
  },
});

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no element #root");
await startCatalogue(preferredLanguage());
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <HubContext value={hub}>
        <Branded>
          <RouterProvider router={createRoutes()} />
        </Branded>
      </HubContext>
    </QueryClientProvider>
  </StrictMode>,
);
