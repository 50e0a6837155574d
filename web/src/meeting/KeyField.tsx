import { TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";

interface Props {
  value: string;
  wrong: boolean;
  onChange: (text: string) => void;
}

/** A key, or a link that carries one. */
export function KeyField({ value, wrong, onChange }: Props) {
  const { t } = useTranslation();
  return (
    <TextInput
      label={t("e2ee.label")}
      description={t("e2ee.hint")}
      autoComplete="off"
      autoCapitalize="none"
      spellCheck={false}
      maxLength={500}
      value={value}
      error={wrong ? t("e2ee.wrong") : null}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
