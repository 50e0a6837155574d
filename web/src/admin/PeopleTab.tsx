import { ActionIcon, Badge, Button, Checkbox, Group, Menu, Stack, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconDots } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "../ui/Dialog.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import type { Account } from "./api.ts";
import { List } from "./List.tsx";
import { useAct, useAdmin, useMoment } from "./useAdmin.ts";

export function PeopleTab() {
  const { t } = useTranslation();
  const admin = useAdmin();
  const moment = useMoment();
  const [typed, setTyped] = useState("");
  const [search] = useDebouncedValue(typed, 300);
  const [blocked, setBlocked] = useState(false);
  const [administrators, setAdministrators] = useState(false);
  const [erasing, setErasing] = useState<Account | null>(null);
  const act = useAct((what: () => Promise<unknown>) => what());
  const wanted = { search, blocked, administrators };
  return (
    <Stack>
      <Group align="end">
        <TextInput label={t("admin.searchPeople")} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} style={{ flex: "1 1 14rem" }} />
        <Checkbox label={t("admin.onlyAdministrators")} checked={administrators} onChange={(event) => setAdministrators(event.currentTarget.checked)} mb={8} />
        <Checkbox label={t("admin.onlyBlocked")} checked={blocked} onChange={(event) => setBlocked(event.currentTarget.checked)} mb={8} />
      </Group>
      <ProblemAlert error={act.error} />
      <List
        label={t("admin.tab.people")}
        of={["people", wanted]}
        ask={(next) => admin.people(wanted, next)}
        head={[t("admin.name"), t("admin.email"), t("admin.created"), t("admin.used"), t("admin.actions")]}
        row={(one) => (
          <>
            <Table.Td>
              <Group gap="xs">
                {one.name}
                {one.administrator ? <Badge color="blue.9">{t("admin.administrator")}</Badge> : null}
                {one.erased_at !== null ? <Badge color="gray.8">{t("admin.erased")}</Badge> : one.blocked_at !== null ? <Badge color="red.9">{t("admin.blocked")}</Badge> : null}
              </Group>
            </Table.Td>
            <Table.Td>{one.erased_at === null ? one.email : "–"}</Table.Td>
            <Table.Td>{moment(one.created_at)}</Table.Td>
            <Table.Td>{moment(one.used_at)}</Table.Td>
            <Table.Td>{one.erased_at === null ? <Actions one={one} act={(what) => act.mutate(what)} onErase={() => setErasing(one)} /> : null}</Table.Td>
          </>
        )}
      />
      {erasing === null ? null : <EraseDialog one={erasing} onClose={() => setErasing(null)} />}
    </Stack>
  );
}

function Actions({ one, act, onErase }: { one: Account; act: (what: () => Promise<unknown>) => void; onErase: () => void }) {
  const { t } = useTranslation();
  const admin = useAdmin();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("admin.moreFor", { name: one.email })}>
          <IconDots size={20} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => act(() => admin.setAdministrator(one, !one.administrator))}>{t(one.administrator ? "admin.unmake" : "admin.make")}</Menu.Item>
        <Menu.Item onClick={() => act(() => admin.act(one, "sign-out"))}>{t("admin.signOutEverywhere")}</Menu.Item>
        <Menu.Item onClick={() => act(() => admin.act(one, one.blocked_at === null ? "block" : "unblock"))}>{t(one.blocked_at === null ? "admin.block" : "admin.unblock")}</Menu.Item>
        <Menu.Item component="a" href={admin.exportAddress(one)} download>
          {t("admin.export")}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item color="red" onClick={onErase}>
          {t("admin.erase")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function EraseDialog({ one, onClose }: { one: Account; onClose: () => void }) {
  const { t } = useTranslation();
  const admin = useAdmin();
  const [typed, setTyped] = useState("");
  const erase = useAct(async (email: string) => {
    await admin.erase(one, email);
    onClose();
  });
  return (
    <Dialog onClose={onClose} title={t("admin.eraseTitle", { name: one.name })}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          erase.mutate(typed);
        }}
      >
        <Stack>
          <Text>{t("admin.eraseWhat")}</Text>
          <TextInput label={t("admin.eraseConfirm", { email: one.email })} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autoComplete="off" data-autofocus />
          <ProblemAlert error={erase.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("admin.back")}
            </Button>
            <Button color="red" type="submit" loading={erase.isPending} disabled={typed.trim().toLowerCase() !== one.email}>
              {t("admin.erase")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
