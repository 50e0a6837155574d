import { Anchor, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

/** `meeting demo` sends no mail: its mails are on a page of the hub. */
export function DemoMailbox() {
  const { t } = useTranslation();
  return (
    <Text size="sm">
      {t("signIn.demo")}{" "}
      <Anchor href="/mailbox" target="_blank" rel="noreferrer" inherit underline="always">
        {t("signIn.mailbox")}
      </Anchor>
    </Text>
  );
}
