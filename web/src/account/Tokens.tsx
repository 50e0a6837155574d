import { Alert, Badge, Button, Checkbox, Code, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Token } from "../core/api/types.ts";
import { day } from "../core/when.ts";
import { useHub } from "../hub.ts";
import { CopyLink } from "../ui/CopyLink.tsx";
import { Dialog } from "../ui/Dialog.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { Section } from "./Section.tsx";

const TOKENS = ["tokens"] as const;
const DAYS = ["7", "30", "90", "366"] as const;

/** The API tokens one has: each shows its secret once. */
export function Tokens({ administrator }: { administrator: boolean }) {
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const [making, setMaking] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const pages = useInfiniteQuery({
    queryKey: TOKENS,
    queryFn: ({ pageParam }) => hub.tokens(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const refresh = () => queries.invalidateQueries({ queryKey: TOKENS });
  const revoke = useMutation({ mutationFn: (id: string) => hub.revokeToken(id), onSuccess: refresh });
  const scopes = Object.entries(pages.data?.pages[0]?.scopes ?? {}).filter(([name]) => administrator || !name.startsWith("admin:"));
  return (
    <Section title={t("tokens.title")} what={t("tokens.what")}>
      {secret === null ? null : (
        <Alert role="status" title={t("tokens.secret")} withCloseButton closeButtonLabel={t("app.close")} onClose={() => setSecret(null)}>
          <Stack gap="xs" align="start">
            <Text size="sm">{t("tokens.once")}</Text>
            <Code style={{ overflowWrap: "anywhere" }}>{secret}</Code>
            <CopyLink link={secret} label={t("tokens.copy")} />
          </Stack>
        </Alert>
      )}
      <Stack component="ul" gap="xs" p={0} m={0} style={{ listStyle: "none" }}>
        {pages.data?.pages.flatMap((page) => page.tokens).map((token) => <TokenRow key={token.id} token={token} now={pages.dataUpdatedAt} onRevoke={() => revoke.mutate(token.id)} />)}
      </Stack>
      <ProblemAlert error={pages.error ?? revoke.error} />
      <Group>
        <Button variant="default" onClick={() => setMaking(true)} disabled={scopes.length === 0}>
          {t("tokens.make")}
        </Button>
        {pages.hasNextPage ? (
          <Button variant="subtle" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
            {t("home.more")}
          </Button>
        ) : null}
      </Group>
      {making ? (
        <NewToken
          scopes={scopes}
          onClose={() => setMaking(false)}
          onMade={(made) => {
            setSecret(made);
            setMaking(false);
            void refresh();
          }}
        />
      ) : null}
    </Section>
  );
}

function TokenRow({ token, now, onRevoke }: { token: Token; now: number; onRevoke: () => void }) {
  const { t, i18n } = useTranslation();
  const over = Date.parse(token.expires_at) <= now;
  const used = token.used_at === null ? t("account.neverUsed") : t("account.lastUsed", { at: day(token.used_at, i18n.language) });
  return (
    <Group component="li" justify="space-between" wrap="nowrap">
      <div style={{ minWidth: 0 }}>
        <Group gap="xs">
          <Text truncate>{token.name}</Text>
          {over ? <Badge color="gray.8">{t("tokens.over")}</Badge> : null}
        </Group>
        <Text size="sm" c="dimmed">
          {[t("tokens.until", { at: day(token.expires_at, i18n.language) }), used, token.scopes.join(", ")].join(" · ")}
        </Text>
      </div>
      <Button variant="subtle" color="red" aria-label={t("tokens.revokeNamed", { name: token.name })} onClick={onRevoke} style={{ flex: "none" }}>
        {t("tokens.revoke")}
      </Button>
    </Group>
  );
}

function NewToken({ scopes, onClose, onMade }: { scopes: [string, string][]; onClose: () => void; onMade: (secret: string) => void }) {
  const { t } = useTranslation();
  const hub = useHub();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const [days, setDays] = useState<string>("90");
  const make = useMutation({ mutationFn: () => hub.makeToken({ name, scopes: chosen, days: Number(days) }), onSuccess: (made) => onMade(made.secret) });
  return (
    <Dialog onClose={onClose} title={t("tokens.make")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <Stack>
          <TextInput label={t("account.name")} description={t("tokens.nameHint")} data-autofocus required maxLength={100} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <Checkbox.Group label={t("tokens.scopes")} value={chosen} onChange={setChosen}>
            <Stack gap="xs" mt="xs">
              {scopes.map(([scope, words]) => (
                <Checkbox key={scope} value={scope} label={scope} description={words} />
              ))}
            </Stack>
          </Checkbox.Group>
          <Select
            label={t("tokens.days")}
            data={DAYS.map((value) => ({ value, label: t("tokens.daysCount", { count: Number(value) }) }))}
            value={days}
            allowDeselect={false}
            comboboxProps={{ keepMounted: false }}
            onChange={(value) => setDays(value ?? "90")}
          />
          <ProblemAlert error={make.error} />
          <Group justify="flex-end">
            <Button type="submit" loading={make.isPending} disabled={name.trim() === "" || chosen.length === 0}>
              {t("tokens.make")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
