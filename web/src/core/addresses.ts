/** E-mail addresses as people type and paste them. The hub decides; this only spares a round trip. */

// One @, something on each side, a dot or a plain host behind it; no spaces, commas or brackets.
const ADDRESS = /^[^\s@,;<>"]+@[^\s@,;<>"]+$/;
const LONGEST = 254; // RFC 5321 §4.5.3.1.3

export function isEmail(text: string): boolean {
  return text.length <= LONGEST && ADDRESS.test(text);
}

export interface Addresses {
  good: string[];
  bad: string[];
}

/**
 * Reads a pasted list: `a@x.org; "Doe, J." <j@x.org>, b@x.org`. Domain in lower case, each address once, order kept.
 */
export function parseAddresses(text: string): Addresses {
  const good: string[] = [];
  const bad: string[] = [];
  const seen = new Set<string>();
  for (const part of text.replace(/"[^"]*"/g, " ").split(/[,;\s]*[,;\n][,;\s]*/)) {
    const piece = part.trim();
    if (piece === "") continue;
    for (const address of piece.includes("<") ? bracketed(piece) : piece.split(/\s+/)) {
      if (!isEmail(address)) {
        bad.push(address);
        continue;
      }
      const key = address.toLowerCase();
      if (seen.has(key)) continue;
      seen.add(key);
      good.push(normalise(address));
    }
  }
  return { good, bad };
}

function bracketed(piece: string): string[] {
  const inside = [...piece.matchAll(/<([^<>]*)>/g)].map((match) => (match[1] ?? "").trim());
  return inside.length === 0 ? [piece] : inside;
}

function normalise(address: string): string {
  const at = address.lastIndexOf("@");
  return address.slice(0, at) + address.slice(at).toLowerCase();
}
