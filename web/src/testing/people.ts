import type { Brand, House, Me, Person } from "../core/api/types.ts";

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

export const house: House = { creators: "everyone", guests_allowed: true, default_lobby: false, default_passcode: false, max_minutes: null, reminder_minutes: 10 };

export const server: Me["server"] = { name: "Meeting", version: "1", demo: false, sign_in_methods: ["code"], oidc_name: null, house };

export const brand: Brand = { name: "Meeting", logo: null, color: "#1864ab", color_dark: "#74c0fc", sign_in_text: "", imprint_url: "", privacy_url: "" };
