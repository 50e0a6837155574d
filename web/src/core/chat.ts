/**
 * The chat of one meeting. Each message goes two ways at once: over the room's data channel, so that those present see it now,
 * and to the hub, which keeps it. Both carry the id the writer made, so a message is shown once however often it arrives;
 * the hub's copy has the last word about author, text and time. In an end-to-end encrypted meeting both
 * carry it sealed.
 */
import type { Hub } from "./api/client.ts";
import type { ChatMessage } from "./api/types.ts";
import type { Clock } from "./clock.ts";
import { isSealed, LONGEST_SEALED, type Sealing } from "./sealing.ts";
import { createStore, type Readable } from "./store.ts";

export const LONGEST_TEXT = 4000;
/** The topic of the text stream and the attribute that carries the id. */
export const TOPIC = "chat";

export interface ChatEntry extends ChatMessage {
  mine: boolean;
  /** `unreadable`: sealed with another key than ours. */
  state: "kept" | "live" | "sending" | "failed" | "unreadable";
  /** Not sealed, though the meeting is end-to-end encrypted: written before it was, or by whoever runs the server. */
  plain?: true;
}

export interface ChatState {
  entries: readonly ChatEntry[];
  unread: number;
  open: boolean;
}

export interface ChatParts {
  hub: Pick<Hub, "chat" | "postChat">;
  code: string;
  clock: Clock;
  newId: () => string;
  /** Sends to those present; rejects when there is no connection. */
  broadcast: (text: string, id: string) => Promise<unknown>;
  /** Who I am: the id before the colon of my identity, and my name. */
  me: () => { id: string; name: string };
  /** How the hub's copies are sealed just now; null: they are not. */
  sealing: () => Pick<Sealing, "seal" | "open"> | null;
}

const ID = /^[0-9a-f]{32}$/;

export class Chat {
  readonly state: Readable<ChatState>;
  private readonly store = createStore<ChatState>({ entries: [], unread: 0, open: false });
  private readonly parts: ChatParts;
  private readonly unsent = new Map<string, string>();
  /** The newest id the hub has given us. */
  private newestKept: string | undefined;

  constructor(parts: ChatParts) {
    this.parts = parts;
    this.state = this.store;
  }

  /** UTF-16 units of the longest message. */
  get longest(): number {
    return this.parts.sealing() === null ? LONGEST_TEXT : LONGEST_SEALED;
  }

  /** With another key than before: everything again. */
  async reread(): Promise<void> {
    this.newestKept = undefined;
    await this.catchUp();
  }

  /** After joining and after every return: what the hub has kept meanwhile, and what could not be said meanwhile. */
  async catchUp(): Promise<void> {
    for (const [id, text] of this.unsent) void this.say(text, id);
    const known = this.newestKept;
    const messages = await this.parts.hub.chat(this.parts.code, known);
    this.newestKept = messages.at(-1)?.id ?? known;
    const late = known !== undefined;
    const opened = await Promise.all(messages.map((message) => this.opened(message)));
    const shown = this.store.get().entries;
    // What came by the data channel can be read though the hub's copy cannot.
    this.merge(opened.filter(({ id, state }) => state !== "unreadable" || !shown.some((entry) => entry.id === id && entry.text !== "")), late);
  }

  /** What came over the data channel. Bounded and checked: it is another participant's word. */
  async hear(message: { id: string | undefined; text: string; author: { id: string; name: string } }): Promise<void> {
    const { id, text: said, author } = message;
    if (id === undefined || !ID.test(id) || said === "" || said.length > LONGEST_TEXT) return;
    const sealing = this.parts.sealing();
    // What is not sealed was not said by anybody who has the key.
    const text = sealing === null ? said : isSealed(said) ? await sealing.open(said, { id, author: author.id }) : null;
    if (text === null || this.store.get().entries.some((entry) => entry.id === id)) return;
    const sent_at = new Date(this.parts.clock.now()).toISOString();
    this.merge([{ id, text, author, sent_at, mine: author.id === this.parts.me().id, state: "live" }], true);
  }

  async send(text: string): Promise<void> {
    const trimmed = text.trim().slice(0, this.longest);
    if (trimmed === "") return;
    const entry: ChatEntry = {
      id: this.parts.newId(),
      text: trimmed,
      author: this.parts.me(),
      sent_at: new Date(this.parts.clock.now()).toISOString(),
      mine: true,
      state: "sending",
    };
    this.merge([entry], false);
    void this.say(trimmed, entry.id);
    await this.keep(entry);
  }

  /** Once more, under the same id, for a message that the hub did not get. */
  async retry(id: string): Promise<void> {
    const entry = this.store.get().entries.find((other) => other.id === id && other.state === "failed");
    if (entry === undefined) return;
    this.put({ ...entry, state: "sending" });
    await this.keep(entry);
  }

  setOpen(open: boolean): void {
    const state = this.store.get();
    this.store.set({ ...state, open, unread: open ? 0 : state.unread });
  }

  private isMine(message: ChatMessage): boolean {
    return message.author.id === this.parts.me().id;
  }

  private async sealed(text: string, id: string, author: string): Promise<string> {
    return (await this.parts.sealing()?.seal(text, { id, author })) ?? text;
  }

  private async opened(message: ChatMessage): Promise<ChatEntry> {
    const mine = this.isMine(message);
    const sealing = this.parts.sealing();
    if (sealing === null) return { ...message, mine, state: "kept" };
    if (!isSealed(message.text)) return { ...message, mine, state: "kept", plain: true };
    const text = await sealing.open(message.text, { id: message.id, author: message.author.id });
    return text === null ? { ...message, text: "", mine, state: "unreadable" } : { ...message, text, mine, state: "kept" };
  }

  private async say(text: string, id: string): Promise<void> {
    this.unsent.set(id, text);
    try {
      await this.parts.broadcast(await this.sealed(text, id, this.parts.me().id), id);
      this.unsent.delete(id);
    } catch {
      // said again by catchUp, once there is a connection
    }
  }

  private async keep(entry: ChatEntry): Promise<void> {
    try {
      const text = await this.sealed(entry.text, entry.id, entry.author.id);
      const kept = await this.parts.hub.postChat(this.parts.code, { id: entry.id, text });
      this.put({ ...kept, ...(text === entry.text ? {} : { text: entry.text }), mine: true, state: "kept" });
    } catch {
      this.put({ ...entry, state: "failed" });
    }
  }

  private put(entry: ChatEntry): void {
    this.merge([entry], false);
  }

  private merge(arrived: readonly ChatEntry[], countUnread: boolean): void {
    const state = this.store.get();
    const byId = new Map(state.entries.map((entry) => [entry.id, entry]));
    const fresh = arrived.filter((entry) => !byId.has(entry.id) && !entry.mine).length;
    for (const entry of arrived) byId.set(entry.id, entry);
    const entries = [...byId.values()].sort(
      (a, b) => Date.parse(a.sent_at) - Date.parse(b.sent_at) || (a.id < b.id ? -1 : 1),
    );
    this.store.set({ ...state, entries, unread: state.open || !countUnread ? state.unread : state.unread + fresh });
  }
}
