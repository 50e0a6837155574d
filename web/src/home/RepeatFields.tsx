import { Group, Select, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { REPEATS, usualEnd, wordsFor, type Repeat } from "../core/repeat.ts";
import type { Draft } from "../core/schedule.ts";

interface Props {
  draft: Draft;
  /** Whether there is a rule that can stay as it is. */
  recurs: boolean;
  error: string | null;
  onChange: (part: Partial<Draft>) => void;
}

/** Whether and how a meeting recurs, in words of its first date. */
export function RepeatFields({ draft, recurs, error, onChange }: Props) {
  const { t, i18n } = useTranslation();
  const words = wordsFor(draft.date, i18n.language);
  const nth = words === null ? "" : t(`schedule.nth.${words.nth as "1"}`);
  const choices: Repeat[] = words === null ? ["never"] : [...REPEATS];
  return (
    <Group grow align="flex-start" preventGrowOverflow={false}>
      <Select
        label={t("schedule.repeat")}
        data={(recurs ? ["kept" as const, ...choices] : choices).map((value) => ({ value, label: t(`schedule.repeats.${value}`, { ...words, nth }) }))}
        value={draft.repeat}
        allowDeselect={false}
        comboboxProps={{ keepMounted: false }}
        onChange={(value) => onChange({ repeat: value as Repeat, ...(draft.until === "" ? { until: usualEnd(draft.date) } : {}) })}
        miw={220}
      />
      {draft.repeat === "never" || draft.repeat === "kept" ? null : (
        <TextInput
          type="date"
          label={t("schedule.until")}
          required
          value={draft.until}
          error={error}
          onChange={(event) => onChange({ until: event.currentTarget.value })}
          miw={150}
        />
      )}
    </Group>
  );
}
