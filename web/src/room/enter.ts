/** The composition root of one meeting: every part is made here, and knows only what it is given. */
import { ParticipantEvent, Room, RoomEvent, setLogLevel, VideoPresets, type RemoteParticipant } from "livekit-client";
import type { Hub } from "../core/api/client.ts";
import { reconnectDelay } from "../core/backoff.ts";
import { Chat, LONGEST_TEXT, TOPIC } from "../core/chat.ts";
import { deviceOf, type Choices } from "../core/choices.ts";
import { systemClock } from "../core/clock.ts";
import { Door } from "../core/door.ts";
import { Notices } from "../core/notices.ts";
import { subjectOf } from "../core/people.ts";
import { Reactions, TOPIC as REACTION } from "../core/reactions.ts";
import { leads, roleOf } from "../core/roles.ts";
import { MeetingSession, type Phase } from "../core/session.ts";
import { createStore, type Store } from "../core/store.ts";
import { Encryption } from "./encryption.ts";
import { RoomLine } from "./line.ts";
import { Outgoing, type FirstTracks } from "./outgoing.ts";

export interface LiveMeeting {
  code: string;
  room: Room;
  session: MeetingSession;
  outgoing: Outgoing;
  chat: Chat;
  notices: Notices;
  reactions: Reactions;
  door: Door;
  /** Null: the meeting is not end-to-end encrypted. */
  encryption: Encryption | null;
  /** What a host asks of us just now; we decide. */
  asked: Store<"microphone" | "camera" | null>;
  /** Tells this tab from the person's others. */
  device: string;
}

/** Data that the hub sends by the sfuserver; nobody in the room can send it. */
const ASK = "meeting.ask";

export interface Entry {
  hub: Hub;
  code: string;
  guestName: string | null;
  choices: Choices;
  tracks: FirstTracks;
  /** Of an end-to-end encrypted meeting. */
  key: string | null;
}

export function enterMeeting({ hub, code, guestName, choices, tracks, key }: Entry): LiveMeeting {
  // Its "info" tells of every track and every candidate; in a person's console only what is wrong counts.
  setLogLevel("warn");
  const clock = systemClock;
  const notices = new Notices(clock);
  const encryption = key === null ? null : new Encryption(key, code, clock);
  const room = createRoom(choices, encryption);
  encryption?.watch(room);
  const outgoing = new Outgoing(room, notices, tracks);
  // Diagnostic: `?relay=1` shows whether the turnserver alone can carry the meeting.
  const relayOnly = new URLSearchParams(window.location.search).get("relay") === "1";
  const device = deviceOf(window.sessionStorage, (bytes) => crypto.getRandomValues(new Uint8Array(bytes)));
  const session = new MeetingSession({
    hub,
    clock,
    code,
    line: new RoomLine(room, outgoing, relayOnly, encryption),
    random: Math.random,
    device,
    ...(guestName === null ? {} : { guestName }),
  });
  const chat = createChat({ hub, code, room, session, encryption });
  // What another key had sealed may be readable now.
  encryption?.key.subscribe(() => chat.reread().catch(() => notices.add("historyMissing")));
  onEachArrival(session, (fromOutside) => {
    if (fromOutside) void outgoing.publish();
    chat.catchUp().catch(() => notices.add("historyMissing"));
  });
  const reactions = new Reactions(clock, (sign) =>
    room.localParticipant.publishData(new TextEncoder().encode(sign), { topic: REACTION, reliable: false }),
  );
  const asked = createStore<"microphone" | "camera" | null>(null);
  room.on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => hearData({ reactions, asked }, payload, participant, topic));
  const door = new Door({ hub, code, clock, onKnock: chime });
  const watchDoor = () => door.watch(session.phase.get().name === "inside" && leads(roleOf(room.localParticipant.attributes)));
  session.phase.subscribe(watchDoor);
  room.localParticipant.on(ParticipantEvent.AttributesChanged, watchDoor);
  // A page that goes away while it waits says so: nobody is let in who is not there.
  window.addEventListener("pagehide", () => {
    if (session.phase.get().name === "lobby") navigator.sendBeacon(`/api/v1/meetings/${encodeURIComponent(code)}/lobby/leave`);
  });
  session.start();
  return { code, room, session, outgoing, chat, notices, reactions, door, encryption, asked, device };
}

function hearData(
  { reactions, asked }: Pick<LiveMeeting, "reactions" | "asked">,
  payload: Uint8Array,
  participant: RemoteParticipant | undefined,
  topic: string | undefined,
): void {
  if (payload.length > 200) return;
  const text = new TextDecoder().decode(payload);
  if (topic === REACTION && participant !== undefined) reactions.hear(text, participant.identity);
  if (topic === ASK && participant === undefined) {
    if (text.includes('"microphone"')) asked.set("microphone");
    else if (text.includes('"camera"')) asked.set("camera");
  }
}

/** Two short tones: somebody is at the door. Silent where the browser allows no sound yet. */
function chime(): void {
  const context = new AudioContext();
  const volume = context.createGain();
  volume.gain.value = 0.08;
  volume.connect(context.destination);
  for (const [at, pitch] of [[0, 660], [0.16, 880]] as const) {
    const tone = context.createOscillator();
    tone.frequency.value = pitch;
    tone.connect(volume);
    tone.start(context.currentTime + at);
    tone.stop(context.currentTime + at + 0.12);
  }
  setTimeout(() => void context.close(), 600);
}

function createRoom(choices: Choices, encryption: Encryption | null): Room {
  const device = (id: string) => (id === "" ? {} : { deviceId: id });
  return new Room({
    adaptiveStream: true,
    dynacast: true,
    ...(encryption === null ? {} : { encryption: encryption.options }),
    // Ours to stop: see Outgoing.
    stopLocalTrackOnUnpublish: false,
    publishDefaults: { simulcast: true, videoCodec: "vp8", red: true, dtx: true },
    videoCaptureDefaults: { resolution: VideoPresets.h720.resolution, ...device(choices.camera) },
    audioCaptureDefaults: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...device(choices.microphone) },
    ...(choices.speaker === "" ? {} : { audioOutput: { deviceId: choices.speaker } }),
    reconnectPolicy: { nextRetryDelayInMs: (context) => reconnectDelay(context, Math.random()) },
  });
}

function createChat({ hub, code, room, session, encryption }: Pick<LiveMeeting, "code" | "room" | "session" | "encryption"> & { hub: Hub }): Chat {
  const me = () => {
    const phase = session.phase.get();
    const { identity, name } = phase.name === "inside" ? phase.answer : room.localParticipant;
    return { id: subjectOf(identity), name: name ?? "" };
  };
  const chat = new Chat({
    hub,
    code,
    clock: systemClock,
    me,
    newId: () => crypto.randomUUID().replaceAll("-", ""),
    sealing: () => encryption?.sealing ?? null,
    broadcast: (text, id) => room.localParticipant.sendText(text, { topic: TOPIC, attributes: { id } }),
  });
  room.registerTextStreamHandler(TOPIC, (reader, { identity }) => {
    // A stream says its size first: what is too long is not even read.
    if ((reader.info.size ?? 0) > LONGEST_TEXT * 4) return;
    const name = room.getParticipantByIdentity(identity)?.name ?? "";
    reader.readAll().then(
      (text) => chat.hear({ id: reader.info.attributes?.["id"], text, author: { id: subjectOf(identity), name } }),
      () => undefined, // broken off by the sender's leaving; the hub has what was said
    );
  });
  return chat;
}

/** Calls `arrived` each time the session is inside and in order: `fromOutside` after a new connection, else after a mended one. */
function onEachArrival(session: MeetingSession, arrived: (fromOutside: boolean) => void): void {
  let before: Phase = session.phase.get();
  session.phase.subscribe(() => {
    const phase = session.phase.get();
    if (phase.name === "inside" && !phase.troubled) {
      const fromOutside = before.name !== "inside";
      if (fromOutside || (before.name === "inside" && before.troubled)) arrived(fromOutside);
    }
    before = phase;
  });
}
