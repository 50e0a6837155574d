/** Which addresses may stand in minutes; the hub's own rendering goes by the same rule (apiserver/minutes/render.py). */
const FILE = /^\/files\/[0-9a-f]{32}$/;
const SCHEMES = ["http:", "https:", "mailto:", "tel:"];

export function isFileAddress(address: unknown): address is string {
  return typeof address === "string" && FILE.test(address);
}

export function isSafeAddress(address: string): boolean {
  if (isFileAddress(address)) return true;
  // eslint-disable-next-line no-control-regex -- browsers skip these inside of a scheme
  if (/[\u0000-\u0020\u007f]/.test(address)) return false;
  try {
    return SCHEMES.includes(new URL(address).protocol);
  } catch {
    return false;
  }
}

/** What a person typed as an address: `example.com` means https. Null when it cannot be one. */
export function completeAddress(typed: string): string | null {
  const address = typed.trim();
  if (isSafeAddress(address)) return address;
  if (/^[a-z][a-z0-9+.-]*:(?!\d)/i.test(address)) return null;
  const guess = address.includes("@") && !address.includes("/") ? `mailto:${address}` : `https://${address}`;
  return address.includes(".") && isSafeAddress(guess) ? guess : null;
}
