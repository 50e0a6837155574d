import { Accordion, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Meeting, Scope } from "../core/api/types.ts";
import { keepKey, keptKey, makeKey } from "../core/meetingKey.ts";
import {
  badAddresses,
  browserZone,
  changeOf,
  complaints,
  draftOf,
  endsNextDay,
  instants,
  newDraft,
  requestOf,
  zones,
  type Complaints,
  type Draft,
} from "../core/schedule.ts";
import { span } from "../core/when.ts";
import { useHub } from "../hub.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { KeyHandout } from "../ui/KeyHandout.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { useMe } from "../ui/useMe.ts";
import { addressesOf, AddressField } from "./AddressField.tsx";
import { GroupPicker } from "./GroupPicker.tsx";
import { MEETINGS } from "./MeetingList.tsx";
import { OptionFields } from "./OptionFields.tsx";
import { RepeatFields } from "./RepeatFields.tsx";
import { ScopeField } from "./ScopeField.tsx";

/** Schedules a meeting, or changes one that is. */
export function ScheduleDialog({ meeting, onClose }: { meeting: Meeting | null; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const house = useMe().data?.server.house ?? null;
  const recurs = meeting !== null && meeting.series !== null;
  const [scope, setScope] = useState<Scope>("this");
  const [draft, setDraft] = useState<Draft>(() => (meeting === null ? newDraft(Date.now(), browserZone(), house) : draftOf(meeting, scope)));
  const [typed, setTyped] = useState("");
  const [handOut, setHandOut] = useState<{ link: string; key: string } | null>(null);
  const [found, setFound] = useState<Complaints>({});
  const change = (part: Partial<Draft>) => {
    setDraft((old) => ({ ...old, ...part }));
    setFound((old) => Object.fromEntries(Object.entries(old).filter(([field]) => !(field in part))));
  };
  const save = useMutation({
    mutationFn: (whole: Draft) => (meeting === null ? hub.schedule(requestOf(whole)) : hub.change(meeting.code, changeOf(meeting, whole, scope))),
    onSuccess: async ({ code, link }, { options }) => {
      // Of a meeting that is encrypted from now on, whoever made it hands out the key.
      if (options.encrypted === true) setHandOut({ link, key: keyOf(code) });
      await queries.invalidateQueries({ queryKey: [MEETINGS] });
      if (options.encrypted !== true) onClose();
    },
  });
  const onlyThis = recurs && scope === "this";
  const times = instants(draft);
  const own = browserZone();
  const complaint = (field: keyof Complaints) => {
    const what = found[field];
    return what === undefined ? null : t(`schedule.${what}`, { addresses: badAddresses(draft).join(", ") });
  };
  if (handOut !== null) {
    return (
      <Dialog onClose={onClose} title={t("e2ee.handOutTitle")}>
        <KeyHandout link={handOut.link} meetingKey={handOut.key} />
        <Group justify="flex-end" mt="md">
          <Button onClick={onClose} data-autofocus>
            {t("app.close")}
          </Button>
        </Group>
      </Dialog>
    );
  }
  return (
    <Dialog onClose={onClose} size="lg" title={t(meeting === null ? "schedule.title" : "schedule.change")}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          // An address still being typed counts too.
          const whole = { ...draft, invitees: addressesOf([...draft.invitees, typed]) };
          const wrong = complaints(whole, Date.now());
          setDraft(whole);
          setTyped("");
          setFound(wrong);
          if (Object.keys(wrong).length === 0) save.mutate(whole);
        }}
      >
        <Stack>
          {recurs ? (
            <ScopeField
              scope={scope}
              onScope={(one) => {
                setScope(one);
                setDraft(draftOf(meeting, one));
              }}
            />
          ) : null}
          <TextInput
            label={t("schedule.subject")}
            data-autofocus
            required
            value={draft.title}
            error={complaint("title")}
            onChange={(event) => change({ title: event.currentTarget.value })}
          />
          <Group grow align="flex-start" preventGrowOverflow={false}>
            <TextInput
              type="date"
              label={t("schedule.date")}
              required
              value={draft.date}
              error={complaint("date")}
              onChange={(event) => change({ date: event.currentTarget.value })}
              miw={150}
            />
            <TextInput
              type="time"
              label={t("schedule.begin")}
              required
              value={draft.begin}
              error={complaint("begin")}
              onChange={(event) => change({ begin: event.currentTarget.value })}
              miw={110}
            />
            <TextInput
              type="time"
              label={t("schedule.end")}
              required
              value={draft.end}
              error={complaint("end")}
              description={endsNextDay(draft) ? t("schedule.nextDay") : null}
              inputWrapperOrder={["label", "input", "description", "error"]}
              onChange={(event) => change({ end: event.currentTarget.value })}
              miw={110}
            />
          </Group>
          {onlyThis ? null : <RepeatFields draft={draft} recurs={recurs} error={complaint("until")} onChange={change} />}
          {onlyThis ? null : (<>
          <Select
            label={t("schedule.zone")}
            data={zones(draft.zone)}
            value={draft.zone}
            searchable
            allowDeselect={false}
            limit={60}
            comboboxProps={{ keepMounted: false }}
            nothingFoundMessage={t("schedule.noZone")}
            onChange={(zone) => (zone === null ? undefined : change({ zone }))}
            {...(times !== null && draft.zone !== own
              ? { description: t("schedule.yours", { when: span(times.beginAt, times.endAt, i18n.language, own) }) }
              : {})}
            inputWrapperOrder={["label", "input", "description", "error"]}
          />
          <AddressField
            label={t("schedule.invitees")}
            description={t("schedule.inviteesHint")}
            error={complaint("invitees")}
            addresses={draft.invitees}
            onAddresses={(invitees) => change({ invitees })}
            typed={typed}
            onTyped={setTyped}
          />
          <GroupPicker onAdd={(emails) => change({ invitees: addressesOf([...draft.invitees, ...emails]) })} />
          <Accordion variant="contained" chevronPosition="left" {...(found.passcode === undefined ? {} : { value: "options" })}>
            <Accordion.Item value="options">
              <Accordion.Control>{t("schedule.options")}</Accordion.Control>
              <Accordion.Panel>
                <OptionFields draft={draft} house={house} fresh={meeting === null} error={complaint("passcode")} onChange={(part) => { change(part); setFound(({ passcode: _gone, ...rest }) => rest); }} />
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
          </>)}
          <ProblemAlert error={save.error} />
          <Text size="sm" c="dimmed">
            {t("schedule.mailed")}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("app.close")}
            </Button>
            {/* The focus stays where it is: leaving the field of addresses moves what is below it, and the click would miss. */}
            <Button type="submit" loading={save.isPending} onMouseDown={(event) => event.preventDefault()}>
              {t(meeting === null ? "schedule.save" : "schedule.saveChange")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}

/** The key of a meeting that this browser's person has made encrypted; a new one where there is none yet. */
function keyOf(code: string): string {
  const key = keptKey(window.localStorage, code) ?? makeKey((bytes) => crypto.getRandomValues(new Uint8Array(bytes)));
  keepKey(window.localStorage, code, key);
  return key;
}
