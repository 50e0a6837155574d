import { Anchor, Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { useHub } from "../hub.ts";
import { MinutesPanel } from "../ui/MinutesPanel.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { usePageTitle } from "../ui/usePageTitle.ts";

/** The minutes by themselves: before and after the call. */
export function MinutesPage() {
  const { t } = useTranslation();
  const { code = "" } = useParams();
  const hub = useHub();
  const meeting = useQuery({ queryKey: ["meeting", code], queryFn: () => hub.meeting(code) });
  usePageTitle(t("minutes.title"));
  return (
    <Stack>
      <Title order={1}>{meeting.data?.title || t("minutes.title")}</Title>
      <ProblemAlert error={meeting.error} />
      {meeting.isSuccess ? <MinutesPanel code={code} /> : null}
      <Anchor component={Link} to="/">
        {t("app.toStart")}
      </Anchor>
    </Stack>
  );
}
