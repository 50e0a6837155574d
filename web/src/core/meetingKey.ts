/**
 * The key of an end-to-end encrypted meeting. It is made in a browser, told from person to person – as text, or behind the `#` of
 * a link, which browsers send to no server – and kept in this browser. The hub never sees it (docs/decisions/0013).
 *
 * A key has 24 random symbols of Crockford's base32 (https://www.crockford.com/base32.html; 120 bits) and one that checks them
 * (Luhn mod 32), in five groups: `k7qd3-9xm2p-4h8tz-wc5vj-0rn6e`. In this form it is also the passphrase that LiveKit's SDKs take.
 */
const SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_SYMBOLS = 24;
const GROUP = 5;
/** `https://…/m/abc-defg-hij#key=…` */
const FRAGMENT = "key=";

/** `random` gives n bytes. */
export function makeKey(random: (bytes: number) => Uint8Array): string {
  const symbols = [...random(RANDOM_SYMBOLS)].map((byte) => byte % SYMBOLS.length);
  return written([...symbols, checkOf(symbols)]);
}

/** The key in what somebody typed or pasted: in any case, with any spaces, as a key or as a link with one. Null: there is none. */
export function readKey(text: string): string | null {
  const after = text.lastIndexOf(`#${FRAGMENT}`);
  const typed = after < 0 ? text : text.slice(after + 1 + FRAGMENT.length);
  const plain = typed.toLowerCase().replace(/[\s-]/g, "").replace(/o/g, "0").replace(/[il]/g, "1");
  const symbols = [...plain].map((symbol) => SYMBOLS.indexOf(symbol));
  if (symbols.length !== RANDOM_SYMBOLS + 1 || symbols.includes(-1)) return null;
  return symbols.at(-1) === checkOf(symbols.slice(0, -1)) ? written(symbols) : null;
}

export function linkWithKey(link: string, key: string | null): string {
  return key === null ? link : `${link}#${FRAGMENT}${key}`;
}

/** Luhn mod N (ISO/IEC 7812-1 annex B, for 32 symbols): every wrong symbol shows, and nearly every two that changed places. */
function checkOf(symbols: readonly number[]): number {
  const size = SYMBOLS.length;
  const sum = symbols.reduce((total, symbol, index) => {
    const weighted = symbol * ((symbols.length - index) % 2 === 1 ? 2 : 1);
    return total + Math.floor(weighted / size) + (weighted % size);
  }, 0);
  return (size - (sum % size)) % size;
}

function written(symbols: readonly number[]): string {
  const text = symbols.map((symbol) => SYMBOLS[symbol]).join("");
  return (text.match(new RegExp(`.{${GROUP}}`, "g")) ?? []).join("-");
}

type Box = Pick<Storage, "getItem" | "setItem" | "removeItem">;
const KEPT_AS = "meeting.keys";
/** Of more meetings than these the oldest keys are forgotten. */
const MOST_KEPT = 200;

/** The key that this browser has of a meeting. */
export function keptKey(box: Box, code: string): string | null {
  return readKey(allKept(box).find(([kept]) => kept === code)?.[1] ?? "");
}

/** Storage may be full or forbidden: then the key lasts as long as the page. */
export function keepKey(box: Box, code: string, key: string): void {
  const others = allKept(box).filter(([kept]) => kept !== code);
  put(box, [...others, [code, key] as const].slice(-MOST_KEPT));
}

export function forgetKey(box: Box, code: string): void {
  put(box, allKept(box).filter(([kept]) => kept !== code));
}

/** Whoever signs out leaves this browser to others. */
export function forgetKeys(box: Box): void {
  put(box, []);
}

function put(box: Box, entries: readonly (readonly [string, string])[]): void {
  try {
    if (entries.length === 0) box.removeItem(KEPT_AS);
    else box.setItem(KEPT_AS, JSON.stringify(entries));
  } catch {
    // no storage: asked for again next time
  }
}

/** Oldest first. */
function allKept(box: Box): [string, string][] {
  try {
    const kept: unknown = JSON.parse(box.getItem(KEPT_AS) ?? "[]");
    const isEntry = (one: unknown): one is [string, string] =>
      Array.isArray(one) && one.length === 2 && one.every((text) => typeof text === "string");
    return Array.isArray(kept) ? kept.filter(isEntry) : [];
  } catch {
    return [];
  }
}
