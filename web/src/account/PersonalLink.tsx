import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Problem } from "../core/api/problem.ts";
import type { Person } from "../core/api/types.ts";
import { CopyLink } from "../ui/CopyLink.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { Section } from "./Section.tsx";
import { usePersonChange } from "./usePersonChange.ts";

export function PersonalLink({ person }: { person: Person }) {
  const { t } = useTranslation();
  const [handle, setHandle] = useState(person.handle ?? "");
  const change = usePersonChange((hub, value: string) => hub.changeMe({ handle: value }));
  const kind = change.error === null ? null : Problem.from(change.error).kind;
  const wrong = kind === "handle-taken" ? t("account.linkTaken") : kind === "bad-request" ? t("account.linkRule") : null;
  return (
    <Section title={t("account.link")} what={t("account.linkWhat")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate(handle);
        }}
      >
        <Stack>
          <TextInput
            label={t("account.linkEnds", { start: `${window.location.host}/p/` })}
            placeholder="ada-lovelace"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={40}
            value={handle}
            onChange={(event) => {
              setHandle(event.currentTarget.value);
              change.reset();
            }}
            error={wrong}
          />
          {wrong === null ? <ProblemAlert error={change.error} /> : null}
          <Group>
            <Button type="submit" variant="default" loading={change.isPending} disabled={handle === (person.handle ?? "")}>
              {t("account.save")}
            </Button>
            {person.handle === null ? null : <CopyLink link={`${window.location.origin}/p/${person.handle}`} />}
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
