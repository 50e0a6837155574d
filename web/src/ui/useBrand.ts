import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import type { Brand } from "../core/api/types.ts";
import { useHub } from "../hub.ts";

export const BRAND = ["brand"] as const;

/** How the server shows itself: name, logo, colours, texts. */
export function useBrand(): UseQueryResult<Brand> {
  const hub = useHub();
  return useQuery({ queryKey: BRAND, queryFn: () => hub.brand(), staleTime: 300_000 });
}
