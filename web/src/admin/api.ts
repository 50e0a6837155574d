/** What administrators ask of the hub, one function per call (docs/operations/administration.md). No React here. */
import type { components } from "../core/api/schema.ts";
import type { Hub } from "../core/api/client.ts";

type Schemas = components["schemas"];
export type Overview = Schemas["OverviewAnswer"];
export type Server = Schemas["RegisteredServer"];
export type Account = Schemas["AccountAnswer"];
export type Mail = Schemas["MailAnswer"];
export type Planned = Schemas["PlannedMeeting"];
export type Invitation = Schemas["InvitationAnswer"];
export type Settings = Schemas["SettingsAnswer"];
export type Values = Settings["values"];
export type Retention = NonNullable<Values["retention"]>;
export type Entry = Schemas["EntryAnswer"];
export type Webhook = Schemas["WebhookAnswer"];
export type Delivery = Schemas["WebhookDelivery"];
export type Usage = Schemas["UsageAnswer"];

/** A page of a list, and the address of the next one. */
export interface Page<T> {
  items: T[];
  next: string | null;
}

export type Wanted = Record<string, string | boolean | undefined>;

/** A query of what is given; nothing for what is empty. */
export function queryOf(wanted: Wanted): string {
  const pairs = Object.entries(wanted).filter(([, value]) => value !== undefined && value !== "" && value !== false);
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString()}`;
}

const ADMIN = "/api/v1/admin";
const id = encodeURIComponent;

export function adminOf({ call }: Pick<Hub, "call">) {
  async function page<T, K extends string>(address: string, name: K): Promise<Page<T>> {
    const found = await call<Record<K, T[]> & { next: string | null }>("GET", address);
    return { items: found[name], next: found.next };
  }
  return {
    overview: () => call<Overview>("GET", `${ADMIN}/overview`),
    drain: (server: Server, drained: boolean) => call("POST", `${ADMIN}/servers/drain`, { kind: server.kind, address: server.address, drained }),
    people: (wanted: Wanted, next?: string) => page<Account, "people">(next ?? `${ADMIN}/people${queryOf(wanted)}`, "people"),
    setAdministrator: (one: Account, administrator: boolean) => call<Account>("PUT", `${ADMIN}/people/${id(one.id)}/administrator`, { administrator }),
    act: (one: Account, what: "block" | "unblock" | "sign-out") => call<Account>("POST", `${ADMIN}/people/${id(one.id)}/${what}`),
    erase: (one: Account, email: string) => call<Account>("POST", `${ADMIN}/people/${id(one.id)}/erase`, { email }),
    exportAddress: (one: Account) => `${ADMIN}/people/${id(one.id)}/export`,
    meetings: (wanted: Wanted, next?: string) => page<Planned, "meetings">(next ?? `${ADMIN}/meetings${queryOf(wanted)}`, "meetings"),
    invitations: async (meeting: Planned) => (await call<{ invitations: Invitation[] }>("GET", `${ADMIN}/meetings/${id(meeting.id)}/invitations`)).invitations,
    mails: (wanted: Wanted, next?: string) => page<Mail, "mails">(next ?? `${ADMIN}/mails${queryOf(wanted)}`, "mails"),
    retryMail: (mail: Mail) => call("POST", `${ADMIN}/mails/${id(mail.id)}/retry`),
    dropMail: (mail: Mail) => call("DELETE", `${ADMIN}/mails/${id(mail.id)}`),
    settings: () => call<Settings>("GET", `${ADMIN}/settings`),
    changeSettings: (version: number, values: Partial<Values>) => call<Settings>("PATCH", `${ADMIN}/settings`, { version, values }),
    setLogo: (version: number, picture: Blob) => call<Settings>("PUT", `${ADMIN}/logo?version=${version}`, picture),
    previewRetention: (retention: Retention) => call<{ rows: Record<string, number> }>("POST", `${ADMIN}/retention/preview`, retention),
    usage: (month: string) => call<Usage>("GET", `${ADMIN}/usage?month=${month}`),
    usageFile: (month: string) => `${ADMIN}/usage.csv?month=${month}`,
    audit: (wanted: Wanted, next?: string) => page<Entry, "entries">(next ?? `${ADMIN}/audit${queryOf(wanted)}`, "entries"),
    auditFile: (wanted: Wanted) => `${ADMIN}/audit.csv${queryOf(wanted)}`,
    webhooks: () => call<{ webhooks: Webhook[]; events: string[] }>("GET", `${ADMIN}/webhooks`),
    addWebhook: (url: string, events: string[], description: string) =>
      call<{ webhook: Webhook; secret: string }>("POST", `${ADMIN}/webhooks`, { url, events, description }),
    enableWebhook: (hook: Webhook, enabled: boolean) => call<Webhook>("PATCH", `${ADMIN}/webhooks/${id(hook.id)}`, { enabled }),
    renewSecret: (hook: Webhook) => call<{ secret: string }>("POST", `${ADMIN}/webhooks/${id(hook.id)}/secret`),
    testWebhook: (hook: Webhook) => call("POST", `${ADMIN}/webhooks/${id(hook.id)}/test`),
    deleteWebhook: (hook: Webhook) => call("DELETE", `${ADMIN}/webhooks/${id(hook.id)}`),
    deliveries: async (hook: Webhook) => (await call<{ deliveries: Delivery[] }>("GET", `${ADMIN}/webhooks/${id(hook.id)}/deliveries`)).deliveries,
  };
}

export type Admin = ReturnType<typeof adminOf>;
