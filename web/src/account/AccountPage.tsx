import { SimpleGrid, Stack, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Navigate } from "react-router";
import { hasPasskeys } from "../core/passkey.ts";
import { useMe } from "../ui/useMe.ts";
import { usePageTitle } from "../ui/usePageTitle.ts";
import { Groups } from "./Groups.tsx";
import { Passkeys } from "./Passkeys.tsx";
import { PersonalLink } from "./PersonalLink.tsx";
import { Picture } from "./Picture.tsx";
import { Profile } from "./Profile.tsx";
import { Sessions } from "./Sessions.tsx";
import { Tokens } from "./Tokens.tsx";

/** What people say of themselves, and by what and where they are signed in. */
export function AccountPage() {
  const { t } = useTranslation();
  usePageTitle(t("account.title"));
  const me = useMe();
  if (me.data === undefined) return null;
  const { person, server } = me.data;
  if (person === null) return <Navigate to="/sign-in?next=/account" replace />;
  return (
    <Stack gap="xl">
      <Title order={1}>{t("account.title")}</Title>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xl">
        <Profile person={person} />
        <Stack gap="xl">
          <Picture person={person} />
          <PersonalLink person={person} />
        </Stack>
      </SimpleGrid>
      {server.sign_in_methods.includes("passkey") && hasPasskeys() ? <Passkeys /> : null}
      <Sessions />
      <Groups />
      <Tokens administrator={person.administrator} />
    </Stack>
  );
}
