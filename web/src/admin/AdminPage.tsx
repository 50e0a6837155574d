/** What administrators see: one page with a tab for each subject. Everybody else is told that there is nothing. */
import { Box, Stack, Tabs, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useNavigate, useParams } from "react-router";
import { Loading } from "../ui/Loading.tsx";
import { NotFound } from "../ui/NotFound.tsx";
import { useMe } from "../ui/useMe.ts";
import { usePageTitle } from "../ui/usePageTitle.ts";
import { AuditTab } from "./AuditTab.tsx";
import { MailTab } from "./MailTab.tsx";
import { MeetingsTab } from "./MeetingsTab.tsx";
import { OverviewTab } from "./OverviewTab.tsx";
import { PeopleTab } from "./PeopleTab.tsx";
import { SettingsTab } from "./SettingsTab.tsx";
import { UsageTab } from "./UsageTab.tsx";
import { WebhooksTab } from "./WebhooksTab.tsx";

const TABS = {
  overview: OverviewTab,
  people: PeopleTab,
  meetings: MeetingsTab,
  mails: MailTab,
  usage: UsageTab,
  audit: AuditTab,
  webhooks: WebhooksTab,
  settings: SettingsTab,
} as const;
type Tab = keyof typeof TABS;

export function AdminPage() {
  const { t } = useTranslation();
  usePageTitle(t("admin.title"));
  const me = useMe();
  const navigate = useNavigate();
  const wanted = useParams()["tab"] ?? "overview";
  if (me.isPending) return <Loading />;
  if (!me.data?.person?.administrator || !(wanted in TABS)) return <NotFound />;
  const tab = wanted as Tab;
  const Shown = TABS[tab];
  return (
    <Stack>
      <Title order={1}>{t("admin.title")}</Title>
      <Tabs value={tab} onChange={(next) => void navigate(next === "overview" ? "/admin" : `/admin/${next ?? ""}`)} keepMounted={false}>
        <Box style={{ overflowX: "auto" }}>
          <Tabs.List style={{ flexWrap: "nowrap", minWidth: "max-content" }}>
            {Object.keys(TABS).map((name) => (
              <Tabs.Tab key={name} value={name}>
                {t(`admin.tab.${name as Tab}`)}
              </Tabs.Tab>
            ))}
          </Tabs.List>
        </Box>
        <Tabs.Panel value={tab} pt="md">
          <Shown />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}
