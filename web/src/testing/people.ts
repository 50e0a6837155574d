import type { Me, Person } from "../core/api/types.ts";

/** Somebody, as the hub tells of them. */
export const ada: Person = {
  id: "1",
  email: "ada@x.org",
  name: "Ada",
  zone: "UTC",
  language: "en",
  administrator: false,
  picture: null,
  handle: null,
};

export const server: Me["server"] = { name: "Meeting", version: "1", demo: false, sign_in_methods: ["code"], oidc_name: null };
