"""One participant of a room: who it is, what it may do, and the two halves of its media."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from livekit.protocol.models import (
    ClientInfo,
    DisconnectReason,
    ParticipantInfo,
    ParticipantPermission,
    TrackInfo,
)
from livekit.protocol.rtc import SignalResponse, StreamState, StreamStateInfo, StreamStateUpdate

from meeting.dataplane.interfaces import ILink
from meeting.sfuserver.negotiation.description import Remote
from meeting.sfuserver.negotiation.offer_answer import Receive, Send, make_answer
from meeting.sfuserver.room.connection import Connection
from meeting.sfuserver.room.downstream import Downstream, OfferedDownstream, SlotDownstream
from meeting.sfuserver.room.media import Media
from meeting.sfuserver.room.outgoing import Outbox, Outgoing
from meeting.sfuserver.room.permissions import SubscriptionRules
from meeting.sfuserver.room.subscription import Subscription
from meeting.sfuserver.room.track import Track
from meeting.sfuserver.room.upstream import Changes, Upstream

__all__ = ["LABELS", "Identity", "Participant", "ParticipantEvents"]

LABELS = {"_reliable": (True, None), "_lossy": (False, 0)}
"""The data channels of the protocol: label → (ordered, retransmissions)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the token and the client say about a participant who wants to join."""

    identity: str
    name: str = ""
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    permission: ParticipantPermission = field(default_factory=ParticipantPermission)
    turn: tuple[str, ...] = ()
    client: ClientInfo = field(default_factory=ClientInfo)
    single_connection: bool = False
    """/rtc/v1: one peer connection, offered by the client."""
    auto_subscribe: bool = True


class ParticipantEvents(Protocol):
    """What a participant tells its room."""

    def link_up(self, participant: Participant) -> None: ...
    def link_lost(self, participant: Participant, reason: str) -> None: ...
    def data_received(self, participant: Participant, label: str, data: bytes) -> None: ...
    def unsupported(self, participant: Participant, subscription: Subscription) -> None: ...


class Participant:
    """Lives as long as the room knows it, also for a while without a socket."""

    def __init__(self, sid: str, who: Identity, media: Media, events: ParticipantEvents, now: float) -> None:
        """Opens the connection that data comes and goes by. Raises meeting.dataplane.errors.LimitReached."""
        self.sid = sid
        self.who = who
        self.permission = ParticipantPermission()
        self.permission.CopyFrom(who.permission)
        self.outbox: Outbox | None = None
        self.away_since: float | None = None
        self.rules = SubscriptionRules()
        self.tracks: dict[str, Track] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.choices: dict[str, bool] = {}
        """Track sid → whether the client said it wants it; auto_subscribe decides on all others."""
        self.declined: set[str] = set()
        """Tracks it would have, if their publisher allowed it."""
        self.last_sequence = 0
        self.lost_link = False
        self._media = media
        self._events = events
        self._info = ParticipantInfo(
            sid=sid,
            identity=who.identity,
            name=who.name,
            metadata=who.metadata,
            attributes=who.attributes,
            state=ParticipantInfo.JOINED,
            joined_at=int(now),
            joined_at_ms=int(now * 1000),
            permission=self.permission,
            kind=ParticipantInfo.AGENT if who.permission.agent else ParticipantInfo.STANDARD,
            client_protocol=who.client.client_protocol,
            capabilities=who.client.capabilities,
            version=1,
        )
        self.upstream = Upstream(media)
        self.sending = media.open(self)
        """Where the server's tracks and data go: the only connection, or the subscriber one."""
        self.receiving: Connection | None = self.sending if who.single_connection else None
        self.slots: SlotDownstream | None = None
        self.offered: OfferedDownstream | None = None
        if who.single_connection:
            self.slots = SlotDownstream(self.sending, self.send, self._unsupported)
        else:
            self.offered = OfferedDownstream(self.sending, self.send, self._unsupported)
            for label, (ordered, retransmissions) in LABELS.items():
                self.sending.link.open_channel(label, ordered=ordered, max_retransmits=retransmissions)

    @property
    def identity(self) -> str:
        return self.who.identity

    @property
    def hidden(self) -> bool:
        return self.permission.hidden

    @property
    def active(self) -> bool:
        return self._info.state == ParticipantInfo.ACTIVE

    def wants(self, track_sid: str) -> bool:
        return self.permission.can_subscribe and self.choices.get(track_sid, self.who.auto_subscribe)

    @property
    def downstream(self) -> Downstream:
        downstream = self.slots or self.offered
        assert downstream is not None
        return downstream

    def info(self) -> ParticipantInfo:
        """As others see it now; the message is this participant's own, copy it to keep it."""
        del self._info.tracks[:]
        self._info.tracks.extend(track.info for track in self.tracks.values())
        self._info.is_publisher = bool(self.tracks)
        self._info.permission.CopyFrom(self.permission)
        return self._info

    def changed(self) -> None:
        """Clients ignore what is not newer than what they have."""
        self._info.version += 1

    @property
    def links(self) -> list[ILink]:
        """Its one or two peer connections."""
        connections = dict.fromkeys((self.sending, self.receiving))
        return [connection.link for connection in connections if connection is not None]

    def become_active(self) -> None:
        self._info.state = ParticipantInfo.ACTIVE
        self.changed()

    def become_disconnected(self, reason: DisconnectReason) -> None:
        self._info.state = ParticipantInfo.DISCONNECTED
        self._info.disconnect_reason = reason
        self.changed()

    def update(self, *, name: str | None, metadata: str | None, attributes: Mapping[str, str]) -> None:
        """None leaves it as it is; an attribute with an empty value goes away (LiveKit's rule)."""
        if name is not None:
            self._info.name = name
        if metadata is not None:
            self._info.metadata = metadata
        for key, value in attributes.items():
            if value:
                self._info.attributes[key] = value
            else:
                self._info.attributes.pop(key, None)
        self.changed()

    def send(self, message: SignalResponse) -> None:
        self.deliver(Outgoing(message))

    def deliver(self, outgoing: Outgoing) -> None:
        if self.outbox is not None:
            self.outbox.send(outgoing)

    # Negotiation

    def answer(self, offer: Remote) -> tuple[str, Changes]:
        """(our answer to the client's offer, what it changed). Raises SdpError, and then nothing has changed."""
        if self.receiving is None:
            self.receiving = self._media.open(self)
        connection = self.receiving
        receive = self.upstream.plan(offer)
        connection.offered(offer)
        decisions: dict[str, Receive | Send] = {**receive}
        if self.slots is not None:
            decisions.update(self.slots.plan(offer))
        text = make_answer(offer, connection.transport, connection.next_version(), decisions)
        changes = self.upstream.apply(offer, connection)
        if self.slots is not None:
            self.slots.apply(offer)
        return text, changes

    def stop(self, track: Track) -> None:
        """End one of its own tracks."""
        self.tracks.pop(track.sid, None)
        self.upstream.stop(track, self.receiving)

    def published(self, sid: str) -> TrackInfo | None:
        """A track of its own, live or only announced."""
        pending = (track for track in self.upstream.pending if track.sid == sid)
        track = self.tracks.get(sid) or next(pending, None)
        return track.info if track is not None else None

    def close(self) -> None:
        """Let go of all media."""
        for subscription in list(self.subscriptions.values()):
            subscription.close()
        self.subscriptions.clear()
        self._media.close(self.sending)
        if self.receiving is not None and self.receiving is not self.sending:
            self._media.close(self.receiving)

    def _unsupported(self, subscription: Subscription) -> None:
        self._events.unsupported(self, subscription)

    # Peer: what the Links tell

    def link_connected(self, link: ILink, path: str) -> None:
        if link is self.sending.link:
            self._events.link_up(self)

    def link_closed(self, link: ILink, reason: str) -> None:
        self.lost_link = True
        self._events.link_lost(self, reason)

    def link_starved(self, link: ILink, sinks: Mapping[int, bool]) -> None:
        """Its path has no room for some pictures, or has again: the client shows it (stream_state_update)."""
        states = []
        for subscription in self.subscriptions.values():
            if subscription.sink is not None and subscription.sink.id in sinks:
                subscription.starved = sinks[subscription.sink.id]
                states.append(
                    StreamStateInfo(
                        participant_sid=subscription.publisher_sid,
                        track_sid=subscription.track.sid,
                        state=StreamState.PAUSED if subscription.starved else StreamState.ACTIVE,
                    )
                )
        if states:
            self.send(SignalResponse(stream_state_update=StreamStateUpdate(stream_states=states)))

    def link_message(self, link: ILink, label: str, data: bytes) -> None:
        self._events.data_received(self, label, data)
