"""Neighbours that keep a diary: a data plane that moves nothing, an outbox that keeps everything, a room's listener."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livekit.protocol.rtc import SignalResponse
from zope.interface import implementer

from meeting.dataplane.interfaces import ILink, IPort, IPortListener, ISink, ISource
from meeting.dataplane.values import Codec, Kind, PortStatistics
from meeting.sfuserver.room.outgoing import Outgoing

Diary = list[tuple[Any, ...]]


@implementer(ISource)
@dataclass(eq=False)
class FakeSource:
    id: int
    diary: Diary
    mid: str
    kind: Kind
    rid: str | None
    ssrc: int | None
    closed: bool = False

    def request_key_frame(self) -> None:
        self.diary.append(("request_key_frame", self.id))

    def close(self) -> None:
        self.closed = True
        self.diary.append(("close_source", self.id))


@implementer(ISink)
@dataclass(eq=False)
class FakeSink:
    id: int
    diary: Diary
    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int | None
    payload_types: Mapping[int, int]
    rtx_payload_types: Mapping[int, int]
    extensions: Mapping[str, int]
    fed: ISource | None = None
    """The best of the encodings it may be fed from."""
    encodings: tuple[ISource, ...] = ()
    importance: tuple[bool, int] = (False, 0)
    bounds: tuple[int | None, int | None] = (None, None)
    """The highest spatial layer, and the frame rate that is enough."""
    closed: bool = False

    def feed(
        self,
        *sources: ISource,
        screen: bool = False,
        size: int = 0,
        spatial: int | None = None,
        frame_rate: int | None = None,
    ) -> None:
        self.encodings, self.importance = sources, (screen, size)
        self.bounds = (spatial, frame_rate)
        self.fed = sources[-1] if sources else None
        self.diary.append(("feed", self.id, *(source.id for source in sources)))

    def close(self) -> None:
        self.closed = True
        self.diary.append(("close_sink", self.id))


@implementer(ILink)
@dataclass(eq=False)
class FakeLink:
    id: int
    port: FakePort
    ufrag: str
    password: str
    remote: tuple[str, str] | None = None
    codecs: Sequence[Codec] = ()
    extensions: Mapping[str, int] = field(default_factory=dict)
    sources: list[FakeSource] = field(default_factory=list)
    sinks: list[FakeSink] = field(default_factory=list)
    channels: list[tuple[str, bool, int | None]] = field(default_factory=list)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    restarts: list[tuple[str, str, str]] = field(default_factory=list)
    closed: bool = False

    def set_remote(self, *, fingerprint: str, ufrag: str) -> None:
        if not fingerprint.startswith("sha-"):
            raise ValueError(f"{fingerprint!r} is no fingerprint")
        self.remote = (fingerprint, ufrag)

    def configure(self, *, codecs: Sequence[Codec], extensions: Mapping[str, int]) -> None:
        self.codecs, self.extensions = codecs, extensions

    def add_source(
        self, *, mid: str, kind: Kind, rid: str | None = None, ssrc: int | None = None, rtx_ssrc: int | None = None
    ) -> ISource:
        source = FakeSource(self.port.new_id(), self.port.diary, mid, kind, rid, ssrc)
        self.sources.append(source)
        return source

    def add_sink(
        self,
        *,
        mid: str,
        kind: Kind,
        ssrc: int,
        rtx_ssrc: int | None,
        payload_types: Mapping[int, int],
        rtx_payload_types: Mapping[int, int],
        extensions: Mapping[str, int],
    ) -> ISink:
        sink = FakeSink(
            self.port.new_id(),
            self.port.diary,
            mid,
            kind,
            ssrc,
            rtx_ssrc,
            payload_types,
            rtx_payload_types,
            extensions,
        )
        self.sinks.append(sink)
        return sink

    def open_channel(
        self, label: str, *, ordered: bool = True, max_retransmits: int | None = None, negotiated: int | None = None
    ) -> None:
        self.channels.append((label, ordered, max_retransmits))

    def send(self, label: str, data: bytes, *, binary: bool = True) -> None:
        self.sent.append((label, data))

    def restart_ice(self, *, ufrag: str, password: str, remote_ufrag: str) -> None:
        self.restarts.append((ufrag, password, remote_ufrag))

    def close(self) -> None:
        self.closed = True
        self.port.diary.append(("close_link", self.id))


@implementer(IPort)
class FakePort:
    def __init__(self, listener: IPortListener) -> None:
        self.listener = listener
        self.addresses: Sequence[tuple[str, int]] = [("192.0.2.1", 7882)]
        self.tcp_addresses: Sequence[tuple[str, int]] = [("192.0.2.1", 7882)]
        self.fingerprint = "sha-256 " + ":".join(["AB"] * 32)
        self.links: list[FakeLink] = []
        self.diary: Diary = []
        self._last_id = 0

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    async def start(self) -> None: ...

    def add_link(self, *, ufrag: str, password: str, remote_fingerprint: str | None = None) -> ILink:
        link = FakeLink(self.new_id(), self, ufrag, password)
        self.links.append(link)
        return link

    def adopt(self, descriptor: int, head: bytes) -> None: ...

    def send_all(self, links: Iterable[ILink], label: str, data: bytes) -> None:
        for link in links:
            link.send(label, data)

    def statistics(self) -> PortStatistics:
        return PortStatistics()

    async def close(self) -> None: ...


class FakeOutbox:
    """Keeps what a client would have got, as the client would read it."""

    def __init__(self) -> None:
        self.messages: list[SignalResponse] = []
        self.closed: str | None = None

    def send(self, outgoing: Outgoing) -> None:
        message = SignalResponse()
        message.ParseFromString(outgoing.binary)
        self.messages.append(message)

    def close(self, reason: str) -> None:
        self.closed = reason


class FakeEvents:
    """Keeps the names of what happened in a room, and to whom."""

    def __init__(self) -> None:
        self.diary: Diary = []

    def room_started(self, room: Any, now: float) -> None:
        self.diary.append(("room_started", room.name))

    def room_finished(self, room: Any, now: float) -> None:
        self.diary.append(("room_finished", room.name))

    def participant_joined(self, room: Any, participant: Any, now: float) -> None:
        self.diary.append(("participant_joined", participant.identity))

    def participant_left(self, room: Any, participant: Any, now: float) -> None:
        self.diary.append(("participant_left", participant.identity))

    def track_published(self, room: Any, participant: Any, track: Any, now: float) -> None:
        self.diary.append(("track_published", participant.identity, track.info.name))

    def track_unpublished(self, room: Any, participant: Any, track: Any, now: float) -> None:
        self.diary.append(("track_unpublished", participant.identity, track.info.name))

    def link_lost(self, room: Any, participant: Any, reason: str) -> None:
        self.diary.append(("link_lost", participant.identity, reason))
