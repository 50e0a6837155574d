import { describe, expect, test } from "vitest";
import { HandClock, settle } from "../testing/clock.ts";
import { Problem } from "./api/problem.ts";
import type { ChatMessage } from "./api/types.ts";
import { Chat, LONGEST_TEXT } from "./chat.ts";

const id = (digit: string) => digit.repeat(32);
const grace = { id: "grace", name: "Grace" };

function begin() {
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
    chat.hear({ id: id("a"), text: "hello", author: grace });
    chat.hear({ id: id("a"), text: "hello", author: grace });
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
    chat.hear({ id: id("a"), text: "one", author: grace });
    chat.hear({ id: id("b"), text: "two", author: grace });
    await chat.send("mine");
    expect(chat.state.get().unread).toBe(2);
    chat.setOpen(true);
    expect(chat.state.get().unread).toBe(0);
    chat.hear({ id: id("c"), text: "three", author: grace });
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
    chat.hear({ id: undefined, text: "x", author: grace });
    chat.hear({ id: "../../x", text: "x", author: grace });
    chat.hear({ id: id("a"), text: "x".repeat(LONGEST_TEXT + 1), author: grace });
    chat.hear({ id: id("a"), text: "", author: grace });
    expect(texts()).toEqual([]);
  });

  test("a message over the room cannot replace one that is there", async () => {
    const { chat, texts } = begin();
    await chat.send("mine");
    chat.hear({ id: id("0"), text: "forged", author: grace });
    expect(texts()).toEqual(["Ada Lovelace: mine (kept)"]);
  });
});
