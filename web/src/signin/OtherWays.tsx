import { Alert, Button, Divider, Stack } from "@mantine/core";
import { IconAlertCircle, IconBuilding, IconFingerprint } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import type { Me, Person } from "../core/api/types.ts";
import { askPasskey, canSuggest, hasPasskeys, wasDismissed } from "../core/passkey.ts";
import { useHub } from "../hub.ts";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";

interface Props {
  server: Me["server"];
  next: string;
  onSignedIn: (person: Person) => void;
}

/** The ways in that need no mail: a passkey, the enterprise's own sign-on. Only what the server offers. */
export function OtherWays({ server, next, onSignedIn }: Props) {
  const { t } = useTranslation();
  const hub = useHub();
  const passkeys = server.sign_in_methods.includes("passkey") && hasPasskeys();
  const byPasskey = useMutation({
    mutationFn: async () => hub.signInWithPasskey(await askPasskey(await hub.passkeyChallenge(), { suggest: false, signal: new AbortController().signal })),
    onSuccess: ({ person }) => onSignedIn(person),
  });
  const sso = server.sign_in_methods.includes("oidc");
  if (!passkeys && !sso) return null;
  return (
    <Stack>
      {server.sign_in_methods.includes("code") ? <Divider label={t("signIn.or")} /> : null}
      {sso ? (
        <Button component="a" href={`/api/v1/sign-in/oidc?next=${encodeURIComponent(next)}`} variant="default" size="md" h="auto" mih={42} py={6} styles={{ label: { whiteSpace: "normal" } }} leftSection={<IconBuilding size={20} aria-hidden />}>
          {t("signIn.oidc", { name: server.oidc_name })}
        </Button>
      ) : null}
      {passkeys ? (
        <Button variant="default" size="md" leftSection={<IconFingerprint size={20} aria-hidden />} loading={byPasskey.isPending} onClick={() => byPasskey.mutate()}>
          {t("signIn.passkey")}
        </Button>
      ) : null}
      <ProblemAlert error={wasDismissed(byPasskey.error) ? null : byPasskey.error} />
    </Stack>
  );
}

/** Lets the browser offer passkeys in the field of the address, where it can, as long as the page is shown. */
export function useSuggestedPasskeys(offered: boolean, onSignedIn: (person: Person) => void): void {
  const hub = useHub();
  useEffect(() => {
    const over = new AbortController();
    async function suggest(): Promise<void> {
      if (!offered || !(await canSuggest()) || over.signal.aborted) return;
      const credential = await askPasskey(await hub.passkeyChallenge(), { suggest: true, signal: over.signal });
      onSignedIn((await hub.signInWithPasskey(credential)).person);
    }
    // Nobody asked for it, so nobody is told when it fails: the buttons are there.
    suggest().catch(() => undefined);
    return () => over.abort();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once for each visit of the page
  }, [offered, hub]);
}

const REASONS = ["denied", "state", "token", "email", "email-unverified", "domain", "provider", "unreachable"];

/** Why the single sign-on sent somebody back. */
export function SingleSignOnProblem({ reason, name }: { reason: string | null; name: string }) {
  const { t } = useTranslation();
  if (reason === null) return null;
  const known = REASONS.includes(reason) ? reason : "provider";
  return (
    <Alert color="red" role="alert" icon={<IconAlertCircle aria-hidden />} title={t("signIn.oidcFailed", { name })}>
      {t(`signIn.oidcProblem.${known}` as "signIn.oidcProblem.denied")}
    </Alert>
  );
}
