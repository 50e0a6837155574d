/** What the hub tells everybody of a room, out of LiveKit's room metadata (docs/protocols/http-api.md). */
export interface RoomState {
  locked: boolean;
  lobby: boolean;
  microphonesClosed: boolean;
  onlyHostsPresent: boolean;
  /** The identity of whoever is shown large to all. */
  spotlight: string | null;
  /** When the meeting is ended by its maximum length; milliseconds since 1970. */
  endsAt: number | null;
}

const NOTHING: RoomState = { locked: false, lobby: false, microphonesClosed: false, onlyHostsPresent: false, spotlight: null, endsAt: null };

/** Metadata of another origin, or none at all, says nothing. */
export function readRoomState(metadata: string | undefined): RoomState {
  let told: unknown;
  try {
    told = JSON.parse(metadata ?? "");
  } catch {
    return NOTHING;
  }
  if (typeof told !== "object" || told === null) return NOTHING;
  const { locked, lobby, microphones_closed, presenters, spotlight, ends_at } = told as Record<string, unknown>;
  const endsAt = typeof ends_at === "string" ? Date.parse(ends_at) : Number.NaN;
  return {
    locked: locked === true,
    lobby: lobby === true,
    microphonesClosed: microphones_closed === true,
    onlyHostsPresent: presenters === "hosts",
    spotlight: typeof spotlight === "string" && spotlight !== "" ? spotlight : null,
    endsAt: Number.isFinite(endsAt) ? endsAt : null,
  };
}
