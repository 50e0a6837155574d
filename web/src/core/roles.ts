/** What roles are to the person who looks: names for badges, and what a menu may offer. The hub decides in any case. */
export type Role = "host" | "co-host" | "presenter" | "participant" | "guest";

const ROLES: readonly Role[] = ["guest", "participant", "presenter", "co-host", "host"];

export function roleOf(attributes: Readonly<Record<string, string>>): Role {
  return ROLES.find((role) => role === attributes["role"]) ?? "participant";
}

export function leads(role: Role): boolean {
  return role === "host" || role === "co-host";
}

/** Whether someone may send another away, or change what they are: only downwards. */
export function isAbove(role: Role, other: Role): boolean {
  return leads(role) && ROLES.indexOf(role) > ROLES.indexOf(other);
}
