import { Anchor, Group } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useBrand } from "./useBrand.ts";

/** The addresses that a house has to show on each page; nothing where it has none. */
export function HouseLinks() {
  const { t } = useTranslation();
  const { imprint_url: imprint, privacy_url: privacy } = useBrand().data ?? {};
  if (!imprint && !privacy) return null;
  return (
    <Group component="footer" justify="center" gap="lg" py="md">
      {imprint ? (
        <Anchor href={imprint} size="sm" c="dimmed">
          {t("app.imprint")}
        </Anchor>
      ) : null}
      {privacy ? (
        <Anchor href={privacy} size="sm" c="dimmed">
          {t("app.privacy")}
        </Anchor>
      ) : null}
    </Group>
  );
}
