/** What an identity says and how people are shown; the sfuserver's identities are `<subject>:<device>` (docs/protocols/tokens.md). */

export function subjectOf(identity: string): string {
  const colon = identity.lastIndexOf(":");
  return colon < 0 ? identity : identity.slice(0, colon);
}

/** One or two letters for a tile without picture. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const letter = (word: string | undefined) => (word === undefined ? "" : ([...word][0] ?? "").toLocaleUpperCase());
  return words.length < 2 ? letter(words[0]) || "?" : letter(words[0]) + letter(words.at(-1));
}

/** A hue of its own for each person, the same for everybody who looks. */
export function hueOf(identity: string): number {
  let hash = 0;
  for (const char of subjectOf(identity)) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return hash;
}
