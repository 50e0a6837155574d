import { Checkbox, Stack, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Draft } from "../core/schedule.ts";

/** How a meeting is held. */
export function OptionFields({ draft, error, onChange }: { draft: Draft; error: string | null; onChange: (part: Partial<Draft>) => void }) {
  const { t } = useTranslation();
  const options = draft.options;
  const change = (part: Partial<Draft["options"]>) => onChange({ options: { ...options, ...part } });
  return (
    <Stack gap="xs" component="fieldset" p={0} m={0} style={{ border: 0 }} aria-label={t("schedule.options")}>
      <TextInput
        label={t("schedule.passcode")}
        description={t("schedule.passcodeHint")}
        autoComplete="off"
        value={options.passcode}
        error={error}
        onChange={(event) => change({ passcode: event.currentTarget.value })}
      />
      <Checkbox label={t("schedule.guests")} checked={options.guests} onChange={(event) => change({ guests: event.currentTarget.checked })} />
      <Checkbox label={t("schedule.lobby")} checked={options.lobby} onChange={(event) => change({ lobby: event.currentTarget.checked })} />
      <Checkbox label={t("schedule.present")} checked={options.present} onChange={(event) => change({ present: event.currentTarget.checked })} />
      <Checkbox label={t("schedule.reminders")} checked={options.reminders} onChange={(event) => change({ reminders: event.currentTarget.checked })} />
    </Stack>
  );
}
