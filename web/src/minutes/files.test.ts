import { describe, expect, test } from "vitest";
import { Problem } from "../core/api/problem.ts";
import { Uploader, type Put, type Send } from "./files.ts";

const ID = "0123456789abcdef0123456789abcdef";
const announced = { id: ID, href: `/files/${ID}`, upload: { method: "PUT", url: `https://fs.test/objects/${ID}?s`, expires_at: "" } };
const picture = new File(["png"], "plan.png", { type: "image/png" });
const never = new AbortController().signal;

function answer(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

function uploader(send: Send, put: Put) {
  const waits: number[] = [];
  return {
    waits,
    it: new Uploader("abc-defg-hij", send, put, async (seconds) => {
      waits.push(seconds);
    }),
  };
}

const taken: Put = async (_url, _file, onProgress) => {
  onProgress(1);
  return { type: "image/png" };
};

describe("an upload", () => {
  test("announces name, type and size, sends the bytes, and gives the link that lasts", async () => {
    const asked: [string, unknown][] = [];
    const puts: string[] = [];
    const progress: number[] = [];
    const { it } = uploader(
      async (url, init) => {
        asked.push([url, JSON.parse(String(init?.body))]);
        return answer(201, announced);
      },
      async (url, file, onProgress, signal) => {
        puts.push(url);
        return taken(url, file, onProgress, signal);
      },
    );
    const kept = await it.upload(picture, (part) => progress.push(part), never);
    expect(kept).toEqual({ href: `/files/${ID}`, name: "plan.png", type: "image/png" });
    expect(asked).toEqual([["/api/v1/meetings/abc-defg-hij/files", { name: "plan.png", type: "image/png", size: 3 }]]);
    expect(puts).toEqual([announced.upload.url]);
    expect(progress).toEqual([1]);
  });

  test("waits where it is asked to", async () => {
    const answers = [
      answer(503, { type: "urn:meeting:problem:please-wait" }, { "Retry-After": "3" }),
      answer(201, announced),
    ];
    const { it, waits } = uploader(async () => answers.shift() ?? answer(500, {}), taken);
    await it.upload(picture, () => undefined, never);
    expect(waits).toEqual([3]);
  });

  test("tries a broken upload again, but not for ever", async () => {
    let tries = 0;
    const { it, waits } = uploader(
      async () => answer(201, announced),
      async () => {
        tries += 1;
        throw Problem.unreachable();
      },
    );
    await expect(it.upload(picture, () => undefined, never)).rejects.toMatchObject({ kind: "unreachable" });
    expect(tries).toBe(5);
    expect(waits).toEqual([1, 2, 3, 4]);
  });

  test("does not insist on what is refused", async () => {
    const { it, waits } = uploader(async () => answer(413, { type: "urn:meeting:problem:too-large" }), taken);
    await expect(it.upload(picture, () => undefined, never)).rejects.toMatchObject({ kind: "too-large", status: 413 });
    expect(waits).toEqual([]);
  });
});
