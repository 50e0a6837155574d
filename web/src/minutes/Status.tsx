import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useReadable } from "../ui/useReadable.ts";
import type { MinutesConnection } from "./connection.ts";

/** One line that says whether what was written is safe. */
export function Status({ connection, mayWrite }: { connection: MinutesConnection; mayWrite: boolean }) {
  const { t } = useTranslation();
  const { phase, reason } = useReadable(connection.state);
  const unsaved = useReadable(connection.unsaved);

  function words(): string {
    if (phase === "closed") {
      if (reason === "too-large") return t("minutes.full");
      return reason === "read-only" ? t("minutes.readOnly") : t("minutes.refused");
    }
    if (phase === "offline") return unsaved ? t("minutes.offlineUnsaved") : t("minutes.offline");
    if (phase === "connecting") return t("minutes.connecting");
    if (!mayWrite) return t("minutes.readOnly");
    return unsaved ? t("minutes.saving") : t("minutes.saved");
  }

  const state = phase === "live" ? (unsaved ? "saving" : "saved") : phase;
  return (
    <Text size="sm" c={phase === "live" || phase === "connecting" ? "dimmed" : undefined} role="status" data-minutes-state={state}>
      {words()}
    </Text>
  );
}
