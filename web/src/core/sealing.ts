/**
 * Chat messages of an end-to-end encrypted meeting: AES-256-GCM (NIST SP 800-38D) under a key derived from the meeting's by
 * HKDF-SHA-256 (RFC 5869). Whose message it is, and which, is authenticated with the text: no server can read it, make one up, or
 * give it to somebody else. (livekit-client encrypts data packets too, but does not tell a receiver which ones were.)
 *
 *     e2ee1:<base64url of the 12 bytes of IV, then the cipher text with its tag>
 */
const MARK = "e2ee1:";
const IV_BYTES = 12;
const encode = (text: string) => new TextEncoder().encode(text);

/**
 * UTF-16 units of a message that surely fit, sealed, into the 4000 characters that the hub keeps: three bytes each, and base64
 * makes four characters of three bytes.
 */
export const LONGEST_SEALED = 980;

export interface Message {
  id: string;
  /** The id of whoever wrote it. */
  author: string;
}

export function isSealed(text: string): boolean {
  return text.startsWith(MARK);
}

export class Sealing {
  private readonly derived: Promise<CryptoKey>;

  /** `key`: as core/meetingKey.ts writes it; `code`: the meeting's. */
  constructor(key: string, code: string) {
    this.derived = derive(key, code);
  }

  async seal(text: string, of: Message): Promise<string> {
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const sealed = new Uint8Array(await crypto.subtle.encrypt(parameters(iv, of), await this.derived, encode(text)));
    const whole = new Uint8Array(IV_BYTES + sealed.length);
    whole.set(iv);
    whole.set(sealed, IV_BYTES);
    return MARK + base64url(whole);
  }

  /** Null: sealed with another key, changed, or somebody else's. */
  async open(text: string, of: Message): Promise<string | null> {
    try {
      const whole = bytesOf(text.slice(MARK.length));
      const opened = await crypto.subtle.decrypt(parameters(whole.slice(0, IV_BYTES), of), await this.derived, whole.slice(IV_BYTES));
      return new TextDecoder().decode(opened);
    } catch {
      return null;
    }
  }
}

function parameters(iv: Uint8Array<ArrayBuffer>, { id, author }: Message): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: encode(`${id} ${author}`) };
}

/** RFC 4648 section 5, without padding. (`Uint8Array.toBase64` is younger than the browsers we serve.) */
function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}

async function derive(key: string, code: string): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey("raw", encode(key), "HKDF", false, ["deriveKey"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: encode(code), info: encode("meeting chat") };
  return crypto.subtle.deriveKey(how, material, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}
