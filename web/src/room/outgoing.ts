/**
 * What this person sends. The tracks belong to us, not to one connection: after a lost one they are published again as they
 * are, so that a shared screen survives without asking the person to share it anew.
 */
import { ConnectionState, LocalAudioTrack, LocalVideoTrack, RoomEvent, Track, type LocalTrack, type LocalTrackPublication, type Room } from "livekit-client";
import { mediaProblem } from "../core/media.ts";
import type { Notices } from "../core/notices.ts";

/** What the device check hands over; a device may still be opening when its person is in the meeting already. */
export interface FirstTracks {
  microphone: Promise<MediaStreamTrack | null>;
  camera: Promise<MediaStreamTrack | null>;
}

/** After a lost connection, livekit-client sends its tracks again at once. */
const REPUBLISHED_WITHIN = 1_500;

export class Outgoing {
  private readonly room: Room;
  private readonly notices: Notices;
  private readonly tracks = new Set<LocalTrack>();
  private readonly first: Promise<LocalTrack | null>[];
  private stopped = false;
  /** What its person is switching just now: everything else that ends is somebody else's doing. */
  private readonly switching = new Set<Track.Source>();

  constructor(room: Room, notices: Notices, { microphone, camera }: FirstTracks) {
    this.room = room;
    this.notices = notices;
    this.first = [
      microphone.then((track) => track && sourced(new LocalAudioTrack(track, track.getConstraints(), false), Track.Source.Microphone)),
      camera.then((track) => track && sourced(new LocalVideoTrack(track, track.getConstraints(), false), Track.Source.Camera)),
    ];
    room.on(RoomEvent.LocalTrackPublished, (publication: LocalTrackPublication) => {
      if (publication.track) this.tracks.add(publication.track);
    });
    room.on(RoomEvent.TrackMuted, (publication, participant) => {
      if (participant.isLocal && !this.switching.has(publication.source)) this.explain(publication.source);
    });
    room.on(RoomEvent.LocalTrackUnpublished, ({ track }: LocalTrackPublication) => {
      if (track !== undefined && !this.switching.has(track.source)) this.endedByOthers(track);
    });
  }

  /** Publishes what was being sent before, or chosen at the device check. Called after each connect. */
  async publish(): Promise<void> {
    const wanted = [...this.tracks].filter((track) => !track.isMuted && track.mediaStreamTrack.readyState === "live");
    const first = this.first.splice(0);
    this.tracks.clear();
    await Promise.all([...wanted, ...first].map(async (track) => this.publishOne(await track)));
  }

  async setMicrophone(on: boolean): Promise<void> {
    await this.attempt(Track.Source.Microphone, () => this.room.localParticipant.setMicrophoneEnabled(on));
  }

  async setCamera(on: boolean): Promise<void> {
    await this.attempt(Track.Source.Camera, () => this.room.localParticipant.setCameraEnabled(on));
  }

  async setScreen(on: boolean): Promise<void> {
    const shared = [Track.Source.ScreenShare, Track.Source.ScreenShareAudio].map((source) => this.room.localParticipant.getTrackPublication(source)?.track);
    await this.attempt(Track.Source.ScreenShare, () =>
      this.room.localParticipant.setScreenShareEnabled(on, { audio: true, selfBrowserSurface: "include", contentHint: "detail" }),
    );
    if (!on) for (const track of shared) track?.stop();
  }

  stop(): void {
    this.stopped = true;
    for (const track of this.first.splice(0)) void track.then((opened) => opened?.stop());
    for (const track of this.tracks) track.stop();
    this.tracks.clear();
  }

  private async publishOne(track: LocalTrack | null): Promise<void> {
    if (track === null) return;
    if (this.stopped || !this.mayPublish(track.source)) {
      track.stop();
      return;
    }
    this.tracks.add(track);
    try {
      await this.room.localParticipant.publishTrack(track, { source: track.source });
    } catch (error) {
      this.complain(track.source, error);
    }
  }

  private async attempt(source: Track.Source, action: () => Promise<unknown>): Promise<void> {
    this.switching.add(source);
    try {
      await action();
    } catch (error) {
      this.complain(source, error);
    } finally {
      this.switching.delete(source);
    }
  }

  /** Whether we may send this at all, as far as we know. */
  private mayPublish(source: Track.Source): boolean {
    const { permissions } = this.room.localParticipant;
    if (permissions === undefined) return true;
    const sources = permissions.canPublishSources;
    return permissions.canPublish && (sources.length === 0 || sources.includes(Track.sourceToProto(source)));
  }

  /** A track that we did not end, and that no lost connection ended: a host did. Its device is let go. */
  private endedByOthers(track: LocalTrack): void {
    setTimeout(() => {
      const sent = [...this.room.localParticipant.trackPublications.values()].some((publication) => publication.track === track);
      if (sent || this.room.state !== ConnectionState.Connected || track.mediaStreamTrack.readyState !== "live") return;
      track.stop();
      this.tracks.delete(track);
      if (track.source !== Track.Source.ScreenShareAudio) this.explain(track.source);
    }, REPUBLISHED_WITHIN);
  }

  private explain(source: Track.Source): void {
    if (source === Track.Source.Microphone) this.notices.add("mutedByHost");
    else if (source === Track.Source.Camera) this.notices.add("cameraStoppedByHost");
    else if (source === Track.Source.ScreenShare) this.notices.add("screenStoppedByHost");
  }

  private complain(source: Track.Source, error: unknown): void {
    const problem = mediaProblem(error);
    if (source === Track.Source.ScreenShare) {
      // Closing the browser's own picker is a choice, not a failure.
      if (problem !== "denied") this.notices.add("screenFailed");
    } else if (problem === "denied") this.notices.add(source === Track.Source.Microphone ? "microphoneDenied" : "cameraDenied");
    else if (problem === "missing") this.notices.add("deviceMissing");
    else if (problem === "busy") this.notices.add("deviceBusy");
    else this.notices.add("deviceFailed");
  }
}

function sourced<T extends LocalTrack>(track: T, source: Track.Source): T {
  track.source = source;
  return track;
}
