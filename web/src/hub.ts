/** The hub, for components: one object given at the top of the page, another one in tests. */
import { createContext, use } from "react";
import type { Hub } from "./core/api/client.ts";

export const HubContext = createContext<Hub | null>(null);

export function useHub(): Hub {
  const hub = use(HubContext);
  if (hub === null) throw new Error("no HubContext above this component");
  return hub;
}
