import { Button, Stack, Text, Title } from "@mantine/core";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useRouteError } from "react-router";
import { PartMissing } from "../core/parts.ts";
import { newestVersion } from "./parts.ts";

/** A page whose code could not be fetched, or that failed while drawing. */
export function RouteError() {
  const { t } = useTranslation();
  const missing = useRouteError() instanceof PartMissing;
  if (missing) return <Unreachable />;
  return (
    <Stack align="center" ta="center" p="xl" role="alert">
      <Title order={1}>{t("broken.title")}</Title>
      <Text>{t("broken.what")}</Text>
      <Button onClick={() => window.location.reload()}>{t("app.reload")}</Button>
    </Stack>
  );
}

/** Loads the page again only when the server answers: the browser's own page of errors would know no way back. */
function Unreachable() {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  const again = useCallback(async () => {
    setAsking(true);
    if ((await newestVersion()) !== null) window.location.reload();
    setAsking(false);
  }, []);
  useEffect(() => {
    const onOnline = () => void again();
    window.addEventListener("online", onOnline);
    return () => window.removeEventListener("online", onOnline);
  }, [again]);
  return (
    <Stack align="center" ta="center" p="xl" role="alert">
      <Title order={1}>{t("broken.missing")}</Title>
      <Text>{t("broken.missingWhat")}</Text>
      <Button loading={asking} onClick={() => void again()}>
        {t("broken.again")}
      </Button>
    </Stack>
  );
}
