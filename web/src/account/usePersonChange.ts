import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import type { Hub } from "../core/api/client.ts";
import type { Me, Person } from "../core/api/types.ts";
import { useHub } from "../hub.ts";
import { ME } from "../ui/useMe.ts";

/** A change of oneself at the hub; every page knows of it at once. */
export function usePersonChange<T>(change: (hub: Hub, value: T) => Promise<Person>, onDone?: () => void): UseMutationResult<Person, unknown, T> {
  const hub = useHub();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (value: T) => change(hub, value),
    onSuccess: (person) => {
      queries.setQueryData<Me>(ME, (old) => (old ? { ...old, person } : old));
      onDone?.();
    },
  });
}
