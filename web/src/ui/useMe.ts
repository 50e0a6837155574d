import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import type { Me } from "../core/api/types.ts";
import { useHub } from "../hub.ts";

export const ME = ["me"] as const;

/** Who the browser's cookie is. */
export function useMe(): UseQueryResult<Me> {
  const hub = useHub();
  return useQuery({ queryKey: ME, queryFn: () => hub.me(), staleTime: 60_000 });
}
