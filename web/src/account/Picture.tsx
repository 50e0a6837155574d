import { Button, FileButton, Group, Stack } from "@mantine/core";
import { IconPhoto, IconTrash } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Person } from "../core/api/types.ts";
import { squarePicture } from "./squarePicture.ts";
import { PersonAvatar } from "../ui/PersonAvatar.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { Section } from "./Section.tsx";
import { usePersonChange } from "./usePersonChange.ts";

export function Picture({ person }: { person: Person }) {
  const { t } = useTranslation();
  const put = usePersonChange(async (hub, file: File) => hub.putPicture(await squarePicture(file)));
  const remove = usePersonChange((hub) => hub.deletePicture());
  return (
    <Section title={t("account.picture")} what={t("account.pictureWhat")}>
      <Group>
        <PersonAvatar name={person.name} picture={person.picture} size="xl" />
        <Stack gap="xs">
          <FileButton accept="image/*" onChange={(file) => (file === null ? undefined : put.mutate(file))}>
            {(props) => (
              <Button {...props} variant="default" loading={put.isPending} leftSection={<IconPhoto size={18} aria-hidden />}>
                {t("account.choosePicture")}
              </Button>
            )}
          </FileButton>
          {person.picture === null ? null : (
            <Button variant="subtle" color="red" loading={remove.isPending} onClick={() => remove.mutate(undefined)} leftSection={<IconTrash size={18} aria-hidden />}>
              {t("account.removePicture")}
            </Button>
          )}
        </Stack>
      </Group>
      <ProblemAlert error={put.error ?? remove.error} />
    </Section>
  );
}
