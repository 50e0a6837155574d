/** The frame of every page but the meeting: name, language, the person's menu. */
import { Anchor, AppShell, Button, Container, Group, Menu, Text } from "@mantine/core";
import { IconLanguage, IconLogout, IconMail, IconSettings, IconUser, IconUserCog } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, Outlet, useNavigate } from "react-router";
import type { Person } from "../core/api/types.ts";
import { forgetKeys } from "../core/meetingKey.ts";
import { useHub } from "../hub.ts";
import { chooseLanguage, LANGUAGES, type Language } from "../i18n/index.ts";
import { HouseLinks } from "./HouseLinks.tsx";
import { PersonAvatar } from "./PersonAvatar.tsx";
import { useBrand } from "./useBrand.ts";
import { ME, useMe } from "./useMe.ts";

export function Frame() {
  const { t } = useTranslation();
  const me = useMe();
  const brand = useBrand().data;
  return (
    <AppShell header={{ height: 60 }} padding="md">
      <a className="skip" href="#content">
        {t("app.skip")}
      </a>
      <AppShell.Header>
        <Container size="md" h="100%">
          <Group h="100%" justify="space-between" wrap="nowrap">
            <Anchor component={Link} to="/" underline="never" c="inherit" miw={0}>
              <Group gap="xs" wrap="nowrap">
                {/* A logo is as wide as it is, within bounds. */}
                <img src={brand?.logo ?? "/icon.svg"} alt="" height={28} style={{ maxWidth: "8rem", objectFit: "contain" }} />
                <Text fw={700} truncate>
                  {brand?.name ?? t("app.name")}
                </Text>
              </Group>
            </Anchor>
            <Group gap="xs" wrap="nowrap">
              <LanguageMenu />
              {me.data?.person ? <PersonMenu person={me.data.person} /> : null}
            </Group>
          </Group>
        </Container>
      </AppShell.Header>
      <AppShell.Main id="content" tabIndex={-1}>
        <Container size="md" px={0}>
          <Outlet />
          <HouseLinks />
        </Container>
      </AppShell.Main>
    </AppShell>
  );
}

function LanguageMenu() {
  const { t, i18n } = useTranslation();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="subtle" color="gray" px="xs" aria-label={t("app.language")}>
          <IconLanguage size={20} aria-hidden />
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {Object.entries(LANGUAGES).map(([language, name]) => (
          <Menu.Item
            key={language}
            lang={language}
            fw={i18n.language === language ? 700 : 400}
            onClick={() => void chooseLanguage(language as Language)}
          >
            {name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function PersonMenu({ person }: { person: Person }) {
  const { name, email } = person;
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const signOut = useMutation({
    mutationFn: () => hub.signOut(),
    onSuccess: async () => {
      forgetKeys(window.localStorage);
      queries.clear();
      await queries.invalidateQueries({ queryKey: ME });
      await navigate("/sign-in");
    },
  });
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="subtle" color="gray" px="xs" aria-label={t("app.account", { name: name || email })}>
          {person.picture === null ? <IconUser size={20} aria-hidden /> : <PersonAvatar name="" picture={person.picture} />}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{name || email}</Menu.Label>
        {name ? (
          <Menu.Label>
            <Group gap={4} wrap="nowrap">
              <IconMail size={14} aria-hidden /> {email}
            </Group>
          </Menu.Label>
        ) : null}
        <Menu.Divider />
        <Menu.Item component={Link} to="/account" leftSection={<IconUserCog size={16} aria-hidden />}>
          {t("account.open")}
        </Menu.Item>
        {person.administrator ? (
          <Menu.Item component={Link} to="/admin" leftSection={<IconSettings size={16} aria-hidden />}>
            {t("app.administration")}
          </Menu.Item>
        ) : null}
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => signOut.mutate()}>
          {t("app.signOut")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
