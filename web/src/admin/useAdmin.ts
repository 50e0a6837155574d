import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useHub } from "../hub.ts";
import { type Admin, adminOf } from "./api.ts";

/** The root of all keys of what these pages have asked. */
export const ADMIN = "admin";

export function useAdmin(): Admin {
  const hub = useHub();
  return useMemo(() => adminOf(hub), [hub]);
}

/** Something that changes the hub: afterwards the pages ask again. */
export function useAct<T, R = unknown>(act: (what: T) => Promise<R>): UseMutationResult<R, Error, T> {
  const queries = useQueryClient();
  return useMutation({ mutationFn: act, onSettled: () => queries.invalidateQueries({ queryKey: [ADMIN] }) });
}

/** A moment as people read it. */
export function useMoment(): (at: string | null) => string {
  const { i18n } = useTranslation();
  return (at) => (at === null ? "–" : new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at)));
}
