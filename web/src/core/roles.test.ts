import { expect, test } from "vitest";
import { isAbove, roleOf, type Role } from "./roles.ts";

test("an attribute that is no role makes nobody a host", () => {
  expect(roleOf({})).toBe("participant");
  expect(roleOf({ role: "administrator" })).toBe("participant");
  expect(roleOf({ role: "co-host" })).toBe("co-host");
});

test("menus offer what acts downwards only", () => {
  const all: Role[] = ["guest", "participant", "presenter", "co-host", "host"];
  const pairs = all.flatMap((role) => all.filter((other) => isAbove(role, other)).map((other) => `${role} ${other}`));
  expect(pairs).toEqual(["co-host guest", "co-host participant", "co-host presenter", "host guest", "host participant", "host presenter", "host co-host"]);
});
