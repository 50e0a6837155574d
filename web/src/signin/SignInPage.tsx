import { Paper, Stack } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useNavigate, useSearchParams } from "react-router";
import type { Me } from "../core/api/types.ts";
import { safeNext } from "../core/code.ts";
import { ME, useMe } from "../ui/useMe.ts";
import { usePageTitle } from "../ui/usePageTitle.ts";
import { CodeForm } from "./CodeForm.tsx";
import { EmailForm } from "./EmailForm.tsx";

/** Two steps on one page: an address, then the code that was sent there. */
export function SignInPage() {
  const { t } = useTranslation();
  usePageTitle(t("signIn.title"));
  const [email, setEmail] = useState<string | null>(null);
  const [search] = useSearchParams();
  const next = safeNext(search.get("next"));
  const navigate = useNavigate();
  const queries = useQueryClient();
  const me = useMe();
  if (me.data?.person) return <Navigate to={next} replace />;
  return (
    <Stack align="center" pt={{ base: "md", sm: "12vh" }}>
      <Paper withBorder shadow="sm" p="xl" w="100%" maw={420}>
        {email === null ? (
          <EmailForm onSent={setEmail} demo={me.data?.server.demo ?? false} />
        ) : (
          <CodeForm
            email={email}
            demo={me.data?.server.demo ?? false}
            onBack={() => setEmail(null)}
            onSignedIn={(person) => {
              queries.setQueryData<Me>(ME, (old) => (old ? { ...old, person } : old));
              void queries.invalidateQueries({ queryKey: ME });
              void navigate(next, { replace: true });
            }}
          />
        )}
      </Paper>
    </Stack>
  );
}
