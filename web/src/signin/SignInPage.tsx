import { Paper, Stack, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useNavigate, useSearchParams } from "react-router";
import type { Me, Person } from "../core/api/types.ts";
import { safeNext } from "../core/code.ts";
import { useBrand } from "../ui/useBrand.ts";
import { ME, useMe } from "../ui/useMe.ts";
import { usePageTitle } from "../ui/usePageTitle.ts";
import { CodeForm } from "./CodeForm.tsx";
import { EmailForm } from "./EmailForm.tsx";
import { OtherWays, SingleSignOnProblem, useSuggestedPasskeys } from "./OtherWays.tsx";

/** Two steps on one page: an address, then the code that was sent there. Beside it, what else the server offers. */
export function SignInPage() {
  const { t } = useTranslation();
  usePageTitle(t("signIn.title"));
  const [email, setEmail] = useState<string | null>(null);
  const [search] = useSearchParams();
  const next = safeNext(search.get("next"));
  const navigate = useNavigate();
  const queries = useQueryClient();
  const me = useMe();
  const welcome = useBrand().data?.sign_in_text;
  const server = me.data?.server;
  const byCode = server?.sign_in_methods.includes("code") ?? true;

  function signedIn(person: Person): void {
    queries.setQueryData<Me>(ME, (old) => (old ? { ...old, person } : old));
    void queries.invalidateQueries({ queryKey: ME });
    void navigate(next, { replace: true });
  }

  useSuggestedPasskeys(server?.sign_in_methods.includes("passkey") ?? false, signedIn);
  if (me.data?.person) return <Navigate to={next} replace />;
  return (
    <Stack align="center" pt={{ base: "md", sm: "12vh" }}>
      <Paper withBorder shadow="sm" p="xl" w="100%" maw={420}>
        <Stack>
          <SingleSignOnProblem reason={search.get("problem")} name={server?.oidc_name ?? ""} />
          {byCode ? null : (
            <Title order={1} size="h2">
              {t("signIn.title")}
            </Title>
          )}
          {byCode && email === null ? <EmailForm onSent={setEmail} demo={server?.demo ?? false} /> : null}
          {email === null ? null : <CodeForm email={email} demo={server?.demo ?? false} onBack={() => setEmail(null)} onSignedIn={signedIn} />}
          {server !== undefined && email === null ? <OtherWays server={server} next={next} onSignedIn={signedIn} /> : null}
          {welcome && email === null ? (
            <Text size="sm" style={{ whiteSpace: "pre-line", overflowWrap: "anywhere" }}>
              {welcome}
            </Text>
          ) : null}
        </Stack>
      </Paper>
    </Stack>
  );
}
