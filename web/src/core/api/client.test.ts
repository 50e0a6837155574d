import { describe, expect, test } from "vitest";
import { createHub } from "./client.ts";
import { parseRetryAfter, Problem } from "./problem.ts";

function answering(response: Response | Error) {
  const sent: { input: string; init: RequestInit }[] = [];
  const hub = createHub(async (input, init) => {
    sent.push({ input, init });
    if (response instanceof Error) throw response;
    return response;
  });
  return { hub, sent };
}

describe("a call", () => {
  test("sends JSON and reads JSON", async () => {
    const { hub, sent } = answering(Response.json({ expires_in: 600 }, { status: 202 }));
    expect(await hub.requestCode("a@x.org")).toEqual({ expires_in: 600 });
    expect(sent[0]).toMatchObject({ input: "/api/v1/sign-in/codes", init: { method: "POST", body: '{"email":"a@x.org"}' } });
  });

  test("takes no code for a path", async () => {
    const { hub, sent } = answering(Response.json({}));
    await hub.meeting("../me");
    expect(sent[0]?.input).toBe("/api/v1/meetings/..%2Fme");
  });

  test("refused with a problem says its kind and what belongs to it", async () => {
    const body = { type: "urn:meeting:problem:wrong-code", detail: "no", attempts_left: 3, errors: [{ where: "body.code", what: "wrong" }, 7] };
    const { hub } = answering(Response.json(body, { status: 401 }));
    const error = await hub.signIn("a@x.org", "1").catch(Problem.from);
    expect(error).toMatchObject({ kind: "wrong-code", status: 401, message: "no", more: { attempts_left: 3 }, errors: [{ where: "body.code", what: "wrong" }] });
  });

  test("refused by something that is not the hub is still an error with its status", async () => {
    const { hub } = answering(new Response("<html>bad gateway</html>", { status: 502, headers: { "Retry-After": "5" } }));
    expect(await hub.me().catch(Problem.from)).toMatchObject({ kind: "unexpected", status: 502, retryAfter: 5 });
  });

  test("without answer is unreachable", async () => {
    const { hub } = answering(new TypeError("failed to fetch"));
    expect(await hub.me().catch(Problem.from)).toMatchObject({ kind: "unreachable", status: 0 });
  });

  test("answered with something that is no JSON is unreachable too: a captive portal, say", async () => {
    const { hub } = answering(new Response("<html>pay here</html>", { status: 200 }));
    expect(await hub.me().catch(Problem.from)).toMatchObject({ kind: "unreachable" });
  });
});

test("Retry-After is seconds or a date, bounded", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  expect(parseRetryAfter("7", now)).toBe(7);
  expect(parseRetryAfter("Mon, 23 Nov 2026 12:00:30 GMT", now)).toBe(30);
  expect(parseRetryAfter("999999", now)).toBe(600);
  expect(parseRetryAfter("Mon, 23 Nov 2026 11:00:00 GMT", now)).toBe(0);
  expect(parseRetryAfter("soon", now)).toBeNull();
  expect(parseRetryAfter(null, now)).toBeNull();
});
