/** Passkeys, as browsers have them (WebAuthn level 3): the hub's options in, what goes back to the hub out. */

export type Json = Record<string, unknown>;

/** Whether this browser can make and use passkeys. */
export function hasPasskeys(): boolean {
  return typeof PublicKeyCredential === "function" && "parseCreationOptionsFromJSON" in PublicKeyCredential;
}

/** Whether the browser can offer passkeys where an address is typed, without a dialog of its own. */
export async function canSuggest(): Promise<boolean> {
  return hasPasskeys() && (await PublicKeyCredential.isConditionalMediationAvailable?.()) === true;
}

export async function createPasskey(options: Json): Promise<Json> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON);
  return asJson(await navigator.credentials.create({ publicKey }));
}

/** `suggest`: wait until a passkey is chosen in the field of the address, however long that takes. */
export async function askPasskey(options: Json, { suggest, signal }: { suggest: boolean; signal: AbortSignal }): Promise<Json> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON);
  return asJson(await navigator.credentials.get({ publicKey, signal, ...(suggest ? { mediation: "conditional" } : {}) }));
}

/** Whether a person closed the browser's dialog, or it was taken away: nothing to complain about. */
export function wasDismissed(error: unknown): boolean {
  return error instanceof DOMException && (error.name === "NotAllowedError" || error.name === "AbortError");
}

function asJson(credential: Credential | null): Json {
  if (!(credential instanceof PublicKeyCredential)) throw new DOMException("no passkey", "NotAllowedError");
  return { ...credential.toJSON() };
}
