import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, fireEvent, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { Minutes } from "./Minutes.tsx";

const ID = "0123456789abcdef0123456789abcdef";

/** The hub's end of the WebSocket: answers the synchronisation, keeps a diary, acknowledges when told to. */
class HubSocket {
  static readonly OPEN = 1;
  static last: HubSocket;
  static made = 0;
  readonly OPEN = 1;
  readonly url: string;
  readonly doc = new Y.Doc();
  readyState = 0;
  binaryType = "";
  updates = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;

  constructor(url: string) {
    this.url = url;
    HubSocket.last = this;
    HubSocket.made += 1;
  }

  open(): void {
    this.readyState = 1;
    act(() => this.onopen?.());
    this.say([0, 0, ...framed(Y.encodeStateVector(this.doc))]);
  }

  send(frame: Uint8Array): void {
    if (frame[0] !== 0) return;
    const payload = frame.slice(2 + lengthOfLength(frame, 2));
    if (frame[1] === 0) {
      const answer = framed(Y.encodeStateAsUpdate(this.doc, payload));
      queueMicrotask(() => this.say([0, 1, ...answer]));
    } else {
      this.updates += 1;
      Y.applyUpdate(this.doc, payload);
    }
  }

  acknowledge(): void {
    this.say([100, this.updates]);
  }

  say(bytes: number[]): void {
    act(() => this.onmessage?.({ data: new Uint8Array(bytes).buffer }));
  }

  end(code: number): void {
    act(() => this.onclose?.({ code, reason: "" }));
  }

  close(): void {
    this.readyState = 3;
  }

  get text(): string {
    return this.doc.getXmlFragment("default").toString();
  }
}

function lengthOfLength(frame: Uint8Array, at: number): number {
  let count = 1;
  while ((frame[at + count - 1] ?? 0) >= 0x80) count += 1;
  return count;
}

function framed(payload: Uint8Array): number[] {
  const head: number[] = [];
  let length = payload.length;
  while (length > 0x7f) {
    head.push(0x80 | (length & 0x7f));
    length >>= 7;
  }
  return [...head, length, ...payload];
}

function answer(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status });
}

let mayWrite = true;

beforeEach(() => {
  mayWrite = true;
  HubSocket.made = 0;
  vi.stubGlobal("WebSocket", HubSocket);
  vi.stubGlobal("fetch", async (url: string) =>
    url.endsWith("/files")
      ? answer({ type: "urn:meeting:problem:too-many-files", detail: "no" }, 409)
      : answer({ text: "", html: "", updated_at: null, may_write: mayWrite }),
  );
});
afterEach(() => {
  vi.unstubAllGlobals();
});

async function open(): Promise<HubSocket> {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <MantineProvider>
      <QueryClientProvider client={client}>
        <Minutes meetingCode="abc-defg-hij" />
      </QueryClientProvider>
    </MantineProvider>,
  );
  await screen.findByRole("textbox", { name: "Minutes" });
  HubSocket.last.open();
  return HubSocket.last;
}

const status = () => screen.getByRole("status").textContent;

test("opens the meeting's document at the hub and says that all is saved", async () => {
  const hub = await open();
  expect(hub.url).toBe("ws://localhost:3000/api/v1/meetings/abc-defg-hij/minutes/sync/abc-defg-hij");
  await waitFor(() => expect(status()).toBe("Saved"));
  expect(screen.getByRole("textbox", { name: "Minutes" })).toHaveAttribute("contenteditable", "true");
});

test("shows what others write", async () => {
  const hub = await open();
  const paragraph = new Y.XmlElement("paragraph");
  paragraph.insert(0, [new Y.XmlText("from the others")]);
  const before = Y.encodeStateVector(hub.doc);
  hub.doc.getXmlFragment("default").insert(0, [paragraph]);
  hub.say([0, 2, ...framed(Y.encodeStateAsUpdate(hub.doc, before))]);
  expect(await screen.findByText("from the others")).toBeVisible();
});

test("says Saved only when the hub has acknowledged", async () => {
  const hub = await open();
  await waitFor(() => expect(status()).toBe("Saved"));
  await userEvent.click(screen.getByRole("button", { name: "Heading" }));
  await waitFor(() => expect(hub.text).toContain("<heading"));
  expect(status()).toBe("Saving…");
  hub.acknowledge();
  await waitFor(() => expect(status()).toBe("Saved"));
});

test("says what is at stake when the connection is lost, and comes back by itself", async () => {
  const hub = await open();
  await waitFor(() => expect(status()).toBe("Saved"));
  hub.end(4503);
  await waitFor(() => expect(status()).toBe("Not connected. Trying again…"));
  await userEvent.click(screen.getByRole("button", { name: "Tasks" }));
  await waitFor(() => expect(status()).toContain("not saved yet"));
  await waitFor(() => expect(HubSocket.made).toBe(2));
  HubSocket.last.open();
  await waitFor(() => expect(HubSocket.last.text).toContain("tasklist"));
  HubSocket.last.acknowledge();
  await waitFor(() => expect(status()).toBe("Saved"));
});

test("stays closed when the hub refuses for good", async () => {
  const hub = await open();
  await waitFor(() => expect(status()).toBe("Saved"));
  hub.end(4413);
  await waitFor(() => expect(status()).toContain("full"));
  expect(screen.getByRole("textbox", { name: "Minutes" })).toHaveAttribute("contenteditable", "false");
});

test("has no tools for whom may only read", async () => {
  mayWrite = false;
  await open();
  await waitFor(() => expect(status()).toContain("not change them"));
  expect(screen.queryByRole("group", { name: "Text tools" })).toBeNull();
  expect(screen.getByRole("textbox", { name: "Minutes" })).toHaveAttribute("contenteditable", "false");
});

test("a pasted file that is refused says why and can be taken away", async () => {
  await open();
  await waitFor(() => expect(status()).toBe("Saved"));
  const file = new File(["x"], "plan.png", { type: "image/png" });
  fireEvent.paste(screen.getByRole("textbox", { name: "Minutes" }), { clipboardData: { files: [file], types: ["Files"], getData: () => "" } });
  expect(await screen.findByRole("alert")).toHaveTextContent("no room for more files");
  await userEvent.click(screen.getByRole("button", { name: "Do not add plan.png" }));
  expect(screen.queryByRole("list", { name: "Files on their way" })).toBeNull();
});

test("a pasted picture appears where the text is when it is durable", async () => {
  const sent: string[] = [];
  class Xhr {
    upload: { onprogress: ((event: { loaded: number; total: number }) => void) | null } = { onprogress: null };
    status = 201;
    responseText = JSON.stringify({ id: ID, size: 1, type: "image/png", sha256: "" });
    onload: (() => void) | null = null;
    onloadend: (() => void) | null = null;
    #url = "";
    open(method: string, url: string): void {
      this.#url = `${method} ${url}`;
    }
    getResponseHeader(): null {
      return null;
    }
    send(): void {
      sent.push(this.#url);
      queueMicrotask(() => {
        this.onload?.();
        this.onloadend?.();
      });
    }
  }
  vi.stubGlobal("XMLHttpRequest", Xhr);
  vi.stubGlobal("fetch", async (url: string) =>
    url.endsWith("/files")
      ? answer({ id: ID, href: `/files/${ID}`, upload: { method: "PUT", url: "https://fs.test/objects/x", expires_at: "" } }, 201)
      : answer({ text: "", html: "", updated_at: null, may_write: true }),
  );
  const hub = await open();
  await waitFor(() => expect(status()).toBe("Saved"));
  const file = new File(["x"], "plan.png", { type: "image/png" });
  fireEvent.paste(screen.getByRole("textbox", { name: "Minutes" }), { clipboardData: { files: [file], types: ["Files"], getData: () => "" } });
  const picture = await screen.findByRole("img", { name: "plan.png" });
  expect(picture).toHaveAttribute("src", `/files/${ID}`);
  expect(sent).toEqual(["PUT https://fs.test/objects/x"]);
  expect(hub.text).toContain(`src="/files/${ID}"`);
});
