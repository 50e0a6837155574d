import { describe, expect, test } from "vitest";
import { HandClock, settle } from "../testing/clock.ts";
import { Problem } from "./api/problem.ts";
import type { ChatMessage } from "./api/types.ts";
import { Chat, LONGEST_TEXT } from "./chat.ts";
import { LONGEST_SEALED, Sealing } from "./sealing.ts";

const id = (digit: string) => digit.repeat(32);
const grace = { id: "grace", name: "Grace" };

function begin(sealing: Sealing | null = null) {
  const clock = new HandClock();
  const kept: ChatMessage[] = [];
  const said: string[] = [];
  const net = { hub: true, room: true };
  let made = 0;
  const chat = new Chat({
    clock,
    code: "abc",
    newId: () => (made++).toString(16).padStart(32, "0"),
    me: () => ({ id: "ada", name: "Ada" }),
    sealing: () => sealing,
    broadcast: async (text, messageId) => {
      if (!net.room) throw new Error("not connected");
      said.push(`${messageId.slice(-2)} ${text}`);
    },
    hub: {
      chat: async (_code, after) => {
        const from = after === undefined ? 0 : kept.findIndex((message) => message.id === after) + 1;
        return kept.slice(from);
      },
      postChat: async (_code, message) => {
        if (!net.hub) throw Problem.unreachable();
        const known = kept.find((other) => other.id === message.id);
        if (known) return known;
        const one = { ...message, author: { id: "ada", name: "Ada Lovelace" }, sent_at: new Date(clock.now()).toISOString() };
        kept.push(one);
        return one;
      },
    },
  });
  const texts = () => chat.state.get().entries.map((entry) => `${entry.author.name}: ${entry.text} (${entry.state})`);
  return { chat, clock, kept, said, net, texts };
}

describe("the chat", () => {
  test("shows what was written before one came", async () => {
    const { chat, kept, texts } = begin();
    kept.push({ id: id("a"), text: "hello", author: grace, sent_at: "2026-11-23T10:00:00Z" });
    await chat.catchUp();
    expect(texts()).toEqual(["Grace: hello (kept)"]);
    expect(chat.state.get().unread).toBe(0);
  });

  test("shows a message once, whether it comes by the room, by the hub or by both", async () => {
    const { chat, kept, texts } = begin();
    void chat.hear({ id: id("a"), text: "hello", author: grace });
    void chat.hear({ id: id("a"), text: "hello", author: grace });
    expect(texts()).toEqual(["Grace: hello (live)"]);
    kept.push({ id: id("a"), text: "hello", author: grace, sent_at: "2026-11-23T10:00:00Z" });
    await chat.catchUp();
    expect(texts()).toEqual(["Grace: hello (kept)"]);
  });

  test("sends to those present and to the hub under one id", async () => {
    const { chat, kept, said, texts } = begin();
    await chat.send("  hi all ");
    expect(said).toEqual(["00 hi all"]);
    expect(kept.map((message) => message.id)).toEqual([id("0")]);
    expect(texts()).toEqual(["Ada Lovelace: hi all (kept)"]);
  });

  test("marks a message the hub did not get, and sends it again under its id", async () => {
    const { chat, net, kept, texts } = begin();
    net.hub = false;
    await chat.send("hi");
    expect(texts()).toEqual(["Ada: hi (failed)"]);
    net.hub = true;
    await chat.retry(id("0"));
    expect(texts()).toEqual(["Ada Lovelace: hi (kept)"]);
    expect(kept).toHaveLength(1);
  });

  test("says after a lost connection what could not be said during it", async () => {
    const { chat, net, said } = begin();
    net.room = false;
    await chat.send("hi");
    expect(said).toEqual([]);
    net.room = true;
    await chat.catchUp();
    await settle();
    expect(said).toEqual(["00 hi"]);
  });

  test("counts what others wrote while it was closed", async () => {
    const { chat } = begin();
    void chat.hear({ id: id("a"), text: "one", author: grace });
    void chat.hear({ id: id("b"), text: "two", author: grace });
    await chat.send("mine");
    expect(chat.state.get().unread).toBe(2);
    chat.setOpen(true);
    expect(chat.state.get().unread).toBe(0);
    void chat.hear({ id: id("c"), text: "three", author: grace });
    expect(chat.state.get().unread).toBe(0);
  });

  test("counts what was missed while the connection was away", async () => {
    const { chat, kept } = begin();
    kept.push({ id: id("a"), text: "before", author: grace, sent_at: "2026-11-23T10:00:00Z" });
    await chat.catchUp();
    kept.push({ id: id("b"), text: "meanwhile", author: grace, sent_at: "2026-11-23T10:01:00Z" });
    await chat.catchUp();
    expect(chat.state.get().unread).toBe(1);
  });

  test("ignores what no honest client sends", () => {
    const { chat, texts } = begin();
    void chat.hear({ id: undefined, text: "x", author: grace });
    void chat.hear({ id: "../../x", text: "x", author: grace });
    void chat.hear({ id: id("a"), text: "x".repeat(LONGEST_TEXT + 1), author: grace });
    void chat.hear({ id: id("a"), text: "", author: grace });
    expect(texts()).toEqual([]);
  });

  test("a message over the room cannot replace one that is there", async () => {
    const { chat, texts } = begin();
    await chat.send("mine");
    void chat.hear({ id: id("0"), text: "forged", author: grace });
    expect(texts()).toEqual(["Ada Lovelace: mine (kept)"]);
  });
});

describe("the chat of an end-to-end encrypted meeting", () => {
  const sealing = new Sealing("k7qd3", "abc");

  test("gives the hub nothing that it can read, and reads it again", async () => {
    const { chat, kept, texts } = begin(sealing);
    await chat.send("the price is 7 €");
    expect(kept).toHaveLength(1);
    expect(kept[0]?.text).toMatch(/^e2ee1:[\w-]{30,}$/);
    expect(texts()).toEqual(["Ada Lovelace: the price is 7 € (kept)"]);
    const later = begin(sealing);
    later.kept.push(...kept);
    await later.chat.catchUp();
    expect(later.texts()).toEqual(["Ada Lovelace: the price is 7 € (kept)"]);
  });

  test("says of what another key has sealed that it cannot be read, and reads it once it has that key", async () => {
    let mine = new Sealing("other", "abc");
    const { chat, kept, texts } = begin({ seal: (...of) => mine.seal(...of), open: (...of) => mine.open(...of) } as Sealing);
    kept.push({ id: id("a"), text: await sealing.seal("hello", { id: id("a"), author: "grace" }), author: grace, sent_at: "2026-11-23T10:00:00Z" });
    await chat.catchUp();
    expect(texts()).toEqual(["Grace:  (unreadable)"]);
    mine = sealing;
    await chat.reread();
    expect(texts()).toEqual(["Grace: hello (kept)"]);
  });

  test("does not take one person's message for another's", async () => {
    const { chat, kept, texts } = begin(sealing);
    const text = await sealing.seal("I agree", { id: id("a"), author: "ada" });
    kept.push({ id: id("a"), text, author: grace, sent_at: "2026-11-23T10:00:00Z" });
    kept.push({ id: id("b"), text, author: { id: "ada", name: "Ada" }, sent_at: "2026-11-23T10:00:01Z" });
    await chat.catchUp();
    kept.push({ id: id("c"), text: "me too", author: grace, sent_at: "2026-11-23T10:00:02Z" });
    await chat.catchUp();
    expect(texts()).toEqual(["Grace:  (unreadable)", "Ada:  (unreadable)", "Grace: me too (kept)"]);
    expect(chat.state.get().entries.map(({ plain }) => plain)).toEqual([undefined, undefined, true]);
  });

  test("tells those present nothing that others can read, and hears from them nothing that they have not sealed", async () => {
    const { chat, said, texts } = begin(sealing);
    await chat.send("hello");
    const told = said[0]?.slice(3) ?? "";
    expect(told).toMatch(/^e2ee1:/);
    const other = begin(sealing);
    const ada = { id: "ada", name: "Ada" };
    const heard = { id: "0".repeat(32), text: told };
    await other.chat.hear({ ...heard, author: grace });
    await other.chat.hear({ ...heard, text: "hello", author: ada });
    expect(other.texts()).toEqual([]);
    await other.chat.hear({ ...heard, author: ada });
    expect(other.texts()).toEqual(["Ada: hello (live)"]);
    expect(texts()).toHaveLength(1);
  });

  test.each(["e2ee1:", "e2ee1:????", "e2ee1:AAAA", `e2ee1:${"A".repeat(4000)}`])("is not confused by %j", async (text) => {
    const { chat, kept, texts } = begin(sealing);
    kept.push({ id: id("a"), text, author: grace, sent_at: "2026-11-23T10:00:00Z" });
    await chat.catchUp();
    expect(texts()).toEqual(["Grace:  (unreadable)"]);
  });

  test("has messages that fit the hub however they are written", async () => {
    const { chat, kept } = begin(sealing);
    await chat.send("€".repeat(LONGEST_TEXT));
    expect(kept[0]?.text.length).toBeLessThanOrEqual(LONGEST_TEXT);
    expect(chat.longest).toBe(LONGEST_SEALED);
  });
});
