import { Checkbox, MultiSelect, NumberInput, Select, Stack, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { House } from "../core/api/types.ts";
import { parseAddresses } from "../core/addresses.ts";
import { LONGEST, type Draft, type Options } from "../core/schedule.ts";

interface Props {
  draft: Draft;
  house: House | null;
  /** Whether it is a new meeting: the hub makes a passcode where the house wants one and none was chosen. */
  fresh: boolean;
  error: string | null;
  onChange: (part: Partial<Draft>) => void;
}

const withoutPasscode = ({ passcode: _gone, ...rest }: Partial<Options>): Partial<Options> => rest;
const WRITERS = ["everyone", "hosts", "named"] as const;

/** How a meeting is held. What nobody touches is not sent, and stays as the house has it. */
export function OptionFields({ draft, house, fresh, error, onChange }: Props) {
  const { t } = useTranslation();
  const shown: Options = { ...draft.usual, ...draft.options };
  const change = (part: Partial<Options>) => onChange({ options: { ...draft.options, ...part } });
  const madeByHub = fresh && house?.default_passcode === true;
  const without = madeByHub && draft.options.passcode === "";
  const check = (name: "guests" | "lobby" | "present" | "reminders" | "encrypted", more: object = {}) => (
    <Checkbox label={t(`schedule.${name}`)} checked={shown[name]} onChange={(event) => change({ [name]: event.currentTarget.checked })} {...more} />
  );
  return (
    <Stack gap="xs" component="fieldset" p={0} m={0} style={{ border: 0 }} aria-label={t("schedule.options")}>
      {madeByHub ? (
        <Checkbox
          label={t("schedule.withPasscode")}
          checked={!without}
          onChange={(event) => {
            const rest = withoutPasscode(draft.options);
            onChange({ options: event.currentTarget.checked ? rest : { ...rest, passcode: "" } });
          }}
        />
      ) : null}
      {without ? null : (
        <TextInput
          label={t("schedule.passcode")}
          description={t("schedule.passcodeHint")}
          placeholder={madeByHub ? t("schedule.passcodeMade") : ""}
          autoComplete="off"
          value={shown.passcode}
          error={error}
          onChange={(event) => {
            const rest = withoutPasscode(draft.options);
            const typed = event.currentTarget.value;
            onChange({ options: madeByHub && typed === "" ? rest : { ...rest, passcode: typed } });
          }}
        />
      )}
      {check("guests", house?.guests_allowed === false ? { disabled: true, checked: false, description: t("schedule.guestsNever") } : {})}
      {check("lobby")}
      {check("present")}
      {check("reminders")}
      {check("encrypted", { description: t("schedule.encryptedHint") })}
      <NumberInput
        label={t("schedule.longest")}
        description={t("schedule.longestHint")}
        placeholder={t("schedule.noLimit")}
        allowDecimal={false}
        min={LONGEST.least}
        max={house?.max_minutes ?? LONGEST.most}
        value={shown.longest ?? ""}
        onChange={(value) => change({ longest: typeof value === "number" ? value : (house?.max_minutes ?? null) })}
      />
      <Select
        label={t("schedule.writers")}
        data={WRITERS.map((value) => ({ value, label: t(`schedule.writersAre.${value}`) }))}
        value={shown.writers}
        allowDeselect={false}
        comboboxProps={{ keepMounted: false }}
        onChange={(value) => change({ writers: value as Options["writers"] })}
      />
      {shown.writers === "named" ? (
        <MultiSelect
          label={t("schedule.namedWriters")}
          data={parseAddresses(draft.invitees.join("\n")).good}
          value={draft.namedWriters}
          comboboxProps={{ keepMounted: false }}
          onChange={(namedWriters) => onChange({ namedWriters })}
        />
      ) : null}
    </Stack>
  );
}
