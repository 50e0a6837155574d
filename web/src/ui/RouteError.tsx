import { Button, Stack, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";

/** A page whose code could not be fetched (the hub was upgraded, the network is away) or that failed while drawing. */
export function RouteError() {
  const { t } = useTranslation();
  return (
    <Stack align="center" p="xl" role="alert">
      <Title order={1}>{t("broken.title")}</Title>
      <Text>{t("broken.what")}</Text>
      <Button onClick={() => window.location.reload()}>{t("app.reload")}</Button>
    </Stack>
  );
}
