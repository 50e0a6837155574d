import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useHub } from "../hub.ts";

export const GROUPS = ["groups"] as const;

/** Adds the addresses of a group of one's own; nothing for whoever has none. */
export function GroupPicker({ onAdd }: { onAdd: (emails: string[]) => void }) {
  const { t } = useTranslation();
  const hub = useHub();
  const groups = useQuery({ queryKey: GROUPS, queryFn: () => hub.groups(), staleTime: 60_000 }).data ?? [];
  if (groups.length === 0) return null;
  return (
    <Select
      aria-label={t("schedule.addGroup")}
      placeholder={t("schedule.addGroup")}
      data={groups.map(({ id, name, emails }) => ({ value: id, label: t("groups.named", { name, count: emails.length }) }))}
      value={null}
      searchable
      comboboxProps={{ keepMounted: false }}
      nothingFoundMessage={t("groups.none")}
      onChange={(id) => onAdd(groups.find((group) => group.id === id)?.emails ?? [])}
    />
  );
}
