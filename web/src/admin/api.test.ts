import { expect, test } from "vitest";
import { adminOf, queryOf } from "./api.ts";

test("a query holds only what is given", () => {
  expect(queryOf({})).toBe("");
  expect(queryOf({ search: "", blocked: false, word: undefined })).toBe("");
  expect(queryOf({ search: "a&b", blocked: true })).toBe("?search=a%26b&blocked=true");
});

test("the next page is asked for by the address that the page before gave", async () => {
  const asked: string[] = [];
  const call = (_: string, path: string) => {
    asked.push(path);
    return Promise.resolve({ people: [], next: "/api/v1/admin/people?cursor=x" });
  };
  const admin = adminOf({ call: call as never });
  const first = await admin.people({ search: "ada" });
  await admin.people({ search: "ada" }, first.next ?? undefined);
  expect(asked).toEqual(["/api/v1/admin/people?search=ada", "/api/v1/admin/people?cursor=x"]);
});
