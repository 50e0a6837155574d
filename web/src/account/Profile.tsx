import { Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Person } from "../core/api/types.ts";
import { zones } from "../core/schedule.ts";
import { chooseLanguage, LANGUAGES, type Language } from "../i18n/index.ts";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { Section } from "./Section.tsx";
import { usePersonChange } from "./usePersonChange.ts";

export function Profile({ person }: { person: Person }) {
  const { t } = useTranslation();
  const [name, setName] = useState(person.name);
  const [zone, setZone] = useState(person.zone);
  const [language, setLanguage] = useState(person.language);
  const change = usePersonChange(
    (hub, value: { name: string; zone: string; language: string }) => hub.changeMe(value),
    () => void (language in LANGUAGES && chooseLanguage(language as Language)),
  );
  return (
    <Section title={t("account.profile")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ name, zone, language });
        }}
      >
        <Stack>
          <TextInput label={t("account.name")} autoComplete="name" maxLength={100} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <TextInput label={t("signIn.email")} value={person.email} readOnly description={t("account.emailHint")} />
          <Select label={t("schedule.zone")} data={zones(person.zone)} searchable value={zone} onChange={(value) => setZone(value ?? zone)} />
          <Select
            label={t("app.language")}
            description={t("account.languageHint")}
            data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
            value={language}
            onChange={(value) => setLanguage(value ?? language)}
          />
          <ProblemAlert error={change.error} />
          <Group>
            <Button type="submit" loading={change.isPending}>
              {t("account.save")}
            </Button>
            <Text role="status" size="sm">
              {change.isSuccess ? t("account.saved") : ""}
            </Text>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
