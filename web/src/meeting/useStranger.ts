import { createContext, use } from "react";
import { createStore, type Readable } from "../core/store.ts";
import type { Strangeness } from "../core/strangers.ts";
import { useReadable } from "../ui/useReadable.ts";

export type StrangerList = Readable<ReadonlyMap<string, Strangeness>>;

/** Nobody is strange in a meeting that is not encrypted. */
export const NOBODY: StrangerList = createStore<ReadonlyMap<string, Strangeness>>(new Map());

export const StrangersContext = createContext<StrangerList>(NOBODY);

/** Why somebody cannot be seen and heard in an end-to-end encrypted meeting; null: they can, or it is our own picture. */
export function useStranger(identity: string): Strangeness | null {
  return useReadable(use(StrangersContext)).get(identity) ?? null;
}
