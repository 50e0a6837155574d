import { Code, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { linkWithKey } from "../core/meetingKey.ts";
import { CopyLink } from "./CopyLink.tsx";

/** How the key of an end-to-end encrypted meeting gets to the others: by whoever has it. */
export function KeyHandout({ link, meetingKey }: { link: string; meetingKey: string }) {
  const { t } = useTranslation();
  return (
    <Stack gap="xs" align="start">
      <CopyLink link={linkWithKey(link, meetingKey)} label={t("e2ee.copy")} />
      <Text size="sm">
        {t("e2ee.label")}: <Code style={{ userSelect: "all", whiteSpace: "nowrap" }}>{meetingKey}</Code>
      </Text>
      <Text size="sm" c="dimmed">
        {t("e2ee.handOut")}
      </Text>
    </Stack>
  );
}
