"""A room: who is in it, what each of them is told, and when it is over.

It does no I/O and reads no clock. Every call that may need the time carries `now` (Unix seconds); what is to be said to
many is collected and said in `settle`, once for all, in this order: who changed, then which tracks are sent to whom.
`wake` is called when there is something to settle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from livekit.protocol.models import DataPacket, DisconnectReason, ParticipantInfo
from livekit.protocol.models import Room as RoomInfo
from livekit.protocol.rtc import (
    LeaveRequest,
    ParticipantUpdate,
    RoomUpdate,
    SignalResponse,
    TrackUnpublishedResponse,
)

from meeting.sfuserver.room.chance import Chance
from meeting.sfuserver.room.data import BadPacket, destinations, read_packet, stamp
from meeting.sfuserver.room.distribution import Distribution
from meeting.sfuserver.room.events import RoomEvents
from meeting.sfuserver.room.layers import quality_update
from meeting.sfuserver.room.media import Media
from meeting.sfuserver.room.outgoing import Outgoing
from meeting.sfuserver.room.participant import Identity, Participant
from meeting.sfuserver.room.permissions import SubscriptionRules, may_publish
from meeting.sfuserver.room.pulse import Pulse
from meeting.sfuserver.room.subscription import Subscription
from meeting.sfuserver.room.track import Track

__all__ = ["Room", "RoomSettings", "leave_request"]


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """Times in seconds."""

    empty_timeout: float = 300.0
    """A room that nobody entered ends."""
    departure_timeout: float = 20.0
    """A room that everybody left ends."""
    away_timeout: float = 30.0
    """A participant without a socket is gone."""
    speaker_interval: float = 0.4
    quality_interval: float = 1.0


class Room:
    """One meeting on this server."""

    def __init__(
        self,
        name: str,
        media: Media,
        settings: RoomSettings,
        chance: Chance,
        events: RoomEvents,
        wake: Callable[[], None],
        now: float,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.name = name
        self.sid = chance.sid("RM_")
        self.metadata = ""
        self.participants: dict[str, Participant] = {}
        """By identity: one of each."""
        self._media = media
        self._settings = settings
        self._chance = chance
        self._events = events
        self._wake = wake
        self._count = count
        self._created = now
        self._empty_since: float | None = now
        self._entered = False
        self._distribution = Distribution()
        self._pulse = Pulse(media, settings.speaker_interval, settings.quality_interval, now)
        self._changed: dict[str, Participant] = {}
        self._departed: list[ParticipantInfo] = []
        self._fresh: list[tuple[Participant, Track]] = []
        self._unsettled: dict[str, Track] = {}
        self._lost: list[tuple[Participant, str]] = []
        self._room_changed = False
        events.room_started(self, now)

    def info(self) -> RoomInfo:
        return RoomInfo(
            sid=self.sid,
            name=self.name,
            empty_timeout=int(self._settings.empty_timeout),
            departure_timeout=int(self._settings.departure_timeout),
            creation_time=int(self._created),
            creation_time_ms=int(self._created * 1000),
            metadata=self.metadata,
            num_participants=sum(not participant.hidden for participant in self.participants.values()),
            num_publishers=sum(bool(participant.tracks) for participant in self.participants.values()),
        )

    def new_sid(self, prefix: str) -> str:
        return self._chance.sid(prefix)

    # Coming and going

    def join(self, who: Identity, now: float) -> Participant:
        """Let someone in; whoever had this identity before goes. Raises meeting.dataplane.errors.LimitReached."""
        before = self.participants.get(who.identity)
        if before is not None:
            self.dismiss(before, DisconnectReason.DUPLICATE_IDENTITY, now)
        participant = Participant(self._chance.sid("PA_"), who, self._media, self, now)
        self.participants[who.identity] = participant
        self._empty_since = None
        self._entered = True
        self._note(participant)
        self._room_changed = True
        self._events.participant_joined(self, participant, now)
        for publisher in self.participants.values():
            self._distribution.reconcile(participant, publisher, publisher.tracks.values())
        return participant

    def others(self, participant: Participant) -> list[ParticipantInfo]:
        """Everyone else who may be seen."""
        return [other.info() for other in self.participants.values() if other is not participant and not other.hidden]

    def leave(self, participant: Participant, reason: DisconnectReason, now: float) -> None:
        """The participant is gone; a second time is a no-op."""
        if self.participants.get(participant.identity) is not participant:
            return
        for track in list(participant.tracks.values()):
            self._end_track(participant, track, now)
        del self.participants[participant.identity]
        participant.close()
        participant.become_disconnected(reason)
        self._changed.pop(participant.sid, None)
        self._fresh = [(publisher, track) for publisher, track in self._fresh if publisher is not participant]
        self._distribution.left(participant)
        self._pulse.forget(participant)
        if not participant.hidden:
            departed = ParticipantInfo()
            departed.CopyFrom(participant.info())
            self._departed.append(departed)
        self._room_changed = True
        if not self.participants:
            self._empty_since = now
        self._events.participant_left(self, participant, now)
        self._wake()

    def dismiss(
        self,
        participant: Participant,
        reason: DisconnectReason,
        now: float,
        action: LeaveRequest.Action = LeaveRequest.DISCONNECT,
    ) -> None:
        """Send a participant away: its client is told why, and whether to come back at once."""
        participant.send(leave_request(reason, action))
        if participant.outbox is not None:
            participant.outbox.close(DisconnectReason.Name(reason))
            participant.outbox = None
        self.leave(participant, reason, now)

    def end(self, reason: DisconnectReason, now: float) -> None:
        """Send everyone away."""
        for participant in list(self.participants.values()):
            self.dismiss(participant, reason, now)

    def over(self, now: float) -> bool:
        """Whether nobody has been here for too long."""
        timeout = self._settings.departure_timeout if self._entered else self._settings.empty_timeout
        return self._empty_since is not None and now - self._empty_since >= timeout

    # Tracks

    def publish(self, publisher: Participant, track: Track, now: float) -> None:
        publisher.tracks[track.sid] = track
        self._note(publisher)
        self._fresh.append((publisher, track))
        if not track.settled:
            self.unsettled(track)
        self._events.track_published(self, publisher, track, now)

    def unpublish(self, publisher: Participant, track: Track, now: float) -> None:
        """The track ended; its publisher and everyone else are told."""
        publisher.send(SignalResponse(track_unpublished=TrackUnpublishedResponse(track_sid=track.sid)))
        self._end_track(publisher, track, now)
        self._note(publisher)

    def _end_track(self, publisher: Participant, track: Track, now: float) -> None:
        publisher.stop(track)
        self._fresh = [(owner, fresh) for owner, fresh in self._fresh if fresh is not track]
        self._distribution.withdraw(track, self.participants.values())
        self._events.track_unpublished(self, publisher, track, now)

    def subscribe(self, subscriber: Participant, track_sids: Iterable[str], wanted: bool) -> list[str]:
        """The client's wish; returns the sids of tracks that are not here."""
        unknown = []
        for sid in track_sids:
            publisher = self.publisher_of(sid)
            if publisher is None:
                unknown.append(sid)
                continue
            subscriber.choices[sid] = wanted
            self._distribution.reconcile(subscriber, publisher, [publisher.tracks[sid]])
        self._wake()
        return unknown

    def set_rules(self, publisher: Participant, rules: SubscriptionRules) -> None:
        """The publisher says who may have its tracks."""
        publisher.rules = rules
        for subscriber in self.participants.values():
            self._distribution.reconcile(subscriber, publisher, publisher.tracks.values())
        self._wake()

    def unsettled(self, track: Track) -> None:
        """Viewers need other encodings of it than its publisher knows of."""
        self._unsettled[track.sid] = track
        self._wake()

    def publisher_of(self, track_sid: str) -> Participant | None:
        return next((one for one in self.participants.values() if track_sid in one.tracks), None)

    def permission_changed(self, participant: Participant, now: float) -> None:
        """What it may no longer publish ends; what it may no longer see goes."""
        for track in [*participant.tracks.values(), *participant.upstream.pending]:
            if not may_publish(participant.permission, track.info.source):
                self.unpublish(participant, track, now)
        for publisher in self.participants.values():
            self._distribution.reconcile(participant, publisher, publisher.tracks.values())
        self.changed(participant)

    # Telling

    def changed(self, participant: Participant) -> None:
        """Something that others see of it is new."""
        self._note(participant)

    def set_metadata(self, metadata: str) -> None:
        self.metadata = metadata
        self._room_changed = True
        self._wake()

    def settle(self, now: float) -> None:
        """Say what was collected."""
        for participant, reason in self._take_lost():
            self._events.link_lost(self, participant, reason)
            if participant.outbox is None:
                self.leave(participant, DisconnectReason.CONNECTION_TIMEOUT, now)
            elif reason != "peer closed":
                self.dismiss(participant, DisconnectReason.STATE_MISMATCH, now, LeaveRequest.RECONNECT)
        self._tell_participants()
        fresh, self._fresh = self._fresh, []
        for publisher, track in fresh:
            for subscriber in self.participants.values():
                self._distribution.reconcile(subscriber, publisher, [track])
        if self._room_changed:
            self._room_changed = False
            self._broadcast(SignalResponse(room_update=RoomUpdate(room=self.info())))
        self._distribution.negotiate(now)
        self._tell_demand(now)

    def tick(self, now: float) -> None:
        """Some time went by: call it a few times a second."""
        self._tell_demand(now)
        for message in self._pulse.beat(self.participants.values(), now):
            self._broadcast(message)
        for participant in list(self.participants.values()):
            away = participant.away_since
            if away is not None:  # answers nothing meanwhile; an offer it has not answered is made anew when it is back
                if now - away >= self._settings.away_timeout:
                    self.leave(participant, DisconnectReason.SIGNAL_CLOSE, now)
            elif participant.downstream.overdue(now):
                self.dismiss(participant, DisconnectReason.STATE_MISMATCH, now, LeaveRequest.RECONNECT)

    def moment(self) -> list[SignalResponse]:
        """For one who joins: what the others heard at some beat before."""
        return self._pulse.moment()

    def heard(self, participant: Participant, level: int) -> None:
        self._pulse.heard(participant, level)

    def _note(self, participant: Participant) -> None:
        participant.changed()
        self._changed[participant.sid] = participant
        self._wake()

    def _tell_participants(self) -> None:
        departed, self._departed = self._departed, []
        changed, self._changed = self._changed, {}
        seen = [*departed, *(one.info() for one in changed.values() if not one.hidden)]
        if seen:
            self._broadcast(SignalResponse(update=ParticipantUpdate(participants=seen)))
        for participant in changed.values():
            if participant.hidden:
                participant.send(SignalResponse(update=ParticipantUpdate(participants=[participant.info()])))

    def _tell_demand(self, now: float) -> None:
        """Publishers hear which encodings are needed; a fall waits here until it has lasted."""
        for sid, track in list(self._unsettled.items()):
            publisher = self.publisher_of(sid)
            highest = track.demand.news(now)
            if publisher is not None and highest is not None:
                update = quality_update(sid, track.info.mime_type, highest)
                publisher.send(SignalResponse(subscribed_quality_update=update))
            if publisher is None or track.settled:
                del self._unsettled[sid]

    def _broadcast(self, message: SignalResponse) -> None:
        outgoing = Outgoing(message)
        for participant in self.participants.values():
            participant.deliver(outgoing)

    def _take_lost(self) -> list[tuple[Participant, str]]:
        lost, self._lost = self._lost, []
        return [(one, reason) for one, reason in lost if self.participants.get(one.identity) is one]

    # Data

    def send_data(self, packet: DataPacket, label: str, sender: Participant | None = None) -> None:
        """To those it names, or to everyone else. The server's own packets have no sender."""
        identities, sids = destinations(packet)
        everyone = not identities and not sids
        links = [
            participant.sending.link
            for participant in self.participants.values()
            if participant is not sender and (everyone or participant.identity in identities or participant.sid in sids)
        ]
        if links:
            self._media.send_all(links, label, packet.SerializeToString())

    # ParticipantEvents

    def link_up(self, participant: Participant) -> None:
        if not participant.active:
            participant.become_active()
            self._note(participant)

    def link_lost(self, participant: Participant, reason: str) -> None:
        self._lost.append((participant, reason))
        self._wake()

    def data_received(self, participant: Participant, label: str, data: bytes) -> None:
        if not participant.permission.can_publish_data:
            self._count("data_not_allowed")
            return
        try:
            packet = read_packet(label, data)
        except BadPacket:
            self._count("data_malformed")
            return
        if packet.kind == DataPacket.RELIABLE and packet.sequence:
            if packet.sequence <= participant.last_sequence:
                return  # sent again after a resume, and already passed on
            participant.last_sequence = packet.sequence
        if participant.hidden:
            stamp(packet, "", "")
        else:
            stamp(packet, participant.sid, participant.identity)
        self.send_data(packet, label, participant)

    def unsupported(self, participant: Participant, subscription: Subscription) -> None:
        self._distribution.unsupported(participant, subscription)


def leave_request(reason: DisconnectReason, action: LeaveRequest.Action) -> SignalResponse:
    """Goodbye; `can_reconnect` is for clients of protocol 12 and older."""
    return SignalResponse(
        leave=LeaveRequest(reason=reason, action=action, can_reconnect=action != LeaveRequest.DISCONNECT)
    )
