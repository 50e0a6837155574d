"""The probe in the room: two peer connections (LiveKit v0), a picture and a tone up, everybody else's down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from livekit.protocol.models import TrackSource, TrackType
from livekit.protocol.rtc import (
    AddTrackRequest,
    JoinResponse,
    LeaveRequest,
    SessionDescription,
    SignalRequest,
    SignalResponse,
)
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from meeting.probe.hub import CannotJoin
from meeting.probe.media import TestPicture, TestTone, watch
from meeting.probe.report import ReceivedTrack, Report
from meeting.probe.signalling import Signalling

T = TypeVar("T")

CONNECTING = 15.0
"""Seconds that a connection may take to come up."""


def from_asyncio(awaitable: Awaitable[T]) -> Deferred[T]:
    """aiortc lives on asyncio's loop, which is the reactor's own (AsyncioSelectorReactor)."""
    return Deferred.fromFuture(asyncio.ensure_future(awaitable))


class Participant:
    """One stay in a room. `stay` runs it from the join to the leave and fills the report."""

    def __init__(
        self, reactor: IReactorTime, signalling: Signalling, report: Report, *, relay: bool, opened_at: float
    ) -> None:
        self._reactor = reactor
        self._signalling = signalling
        self._report = report
        self._relay = relay
        self._opened_at = opened_at
        self._names: dict[str, str] = {}  # participant sid -> identity
        self._watching: list[asyncio.Task[None]] = []
        self._receivers: list[tuple[Any, ReceivedTrack]] = []
        self._published = 0
        self._offered = ""  # the newest offer's SDP

    def milliseconds(self) -> float:
        return (self._reactor.seconds() - self._opened_at) * 1000

    async def stay(self, seconds: float) -> None:
        first = await self._signalling.messages.get()
        if first is None or first.WhichOneof("message") != "join":
            raise CannotJoin("the sfuserver did not let the probe join")
        join = first.join
        self._report.joined_ms = self.milliseconds()
        self._report.identity = join.participant.identity
        for other in join.other_participants:
            self._names[other.sid] = other.identity
        self._publisher = self._peer_connection(join)
        self._subscriber = self._peer_connection(join)
        self._subscriber.on("track", self._track_arrived)
        for track, source in ((TestTone(), TrackSource.MICROPHONE), (TestPicture(), TrackSource.CAMERA)):
            self._publish(track, source)
        leaving = self._reactor.callLater(seconds, self._signalling.messages.put, None)
        try:
            await self._converse()
        finally:
            if leaving.active():
                leaving.cancel()
            await self._leave()

    def _peer_connection(self, join: JoinResponse) -> RTCPeerConnection:
        # An empty list, not None: aiortc would ask an outside STUN server by default.
        servers = [
            RTCIceServer(urls=list(s.urls), username=s.username, credential=s.credential) for s in join.ice_servers
        ]
        policy = RTCIceTransportPolicy.RELAY if self._relay else RTCIceTransportPolicy.ALL
        return RTCPeerConnection(RTCConfiguration(iceServers=servers, iceTransportPolicy=policy))

    def _publish(self, track: MediaStreamTrack, source: TrackSource) -> None:
        self._publisher.addTrack(track)
        kind = TrackType.VIDEO if track.kind == "video" else TrackType.AUDIO
        request = AddTrackRequest(cid=track.id, name=f"test {track.kind}", type=kind, source=source)
        self._signalling.send(SignalRequest(add_track=request))

    async def _converse(self) -> None:
        answers: dict[str, Callable[[SignalResponse], Awaitable[None]]] = {
            "track_published": self._on_track_published,
            "answer": self._on_answer,
            "offer": self._on_offer,
            "update": self._on_update,
        }
        while (message := await self._signalling.messages.get()) is not None:
            kind = message.WhichOneof("message")
            if kind == "leave":
                self._report.trouble.append(f"the sfuserver ended the stay: reason {message.leave.reason}")
                return
            if kind in answers:
                await answers[kind](message)

    async def _on_track_published(self, message: SignalResponse) -> None:
        self._published += 1
        if self._published < 2:
            return
        await from_asyncio(self._publisher.setLocalDescription(await from_asyncio(self._publisher.createOffer())))
        local = self._publisher.localDescription
        self._signalling.send(SignalRequest(offer=SessionDescription(type="offer", sdp=local.sdp, id=1)))

    async def _on_answer(self, message: SignalResponse) -> None:
        await from_asyncio(self._publisher.setRemoteDescription(RTCSessionDescription(message.answer.sdp, "answer")))
        self._publisher.on("connectionstatechange", self._connection_changed)
        self._connection_changed()

    async def _on_offer(self, message: SignalResponse) -> None:
        await self._subscriber_settled()
        self._offered = message.offer.sdp
        await from_asyncio(self._subscriber.setRemoteDescription(RTCSessionDescription(message.offer.sdp, "offer")))
        await from_asyncio(self._subscriber.setLocalDescription(await from_asyncio(self._subscriber.createAnswer())))
        local = self._subscriber.localDescription
        self._signalling.send(
            SignalRequest(answer=SessionDescription(type="answer", sdp=local.sdp, id=message.offer.id))
        )

    async def _subscriber_settled(self) -> None:
        """Waits while the connection of an earlier offer comes up.

        aiortc starts the receivers of the sections that it knew when it began to connect; those of an offer that comes
        in between would never start.
        """
        while self._offered and self._subscriber.connectionState in ("new", "connecting"):
            changed: Deferred[None] = Deferred()
            self._subscriber.once("connectionstatechange", lambda changed=changed: changed.callback(None))
            try:
                await changed.addTimeout(CONNECTING, self._reactor)
            except TimeoutError:
                raise CannotJoin("no way from the sfuserver's media port: neither direct nor by TURN") from None

    async def _on_update(self, message: SignalResponse) -> None:
        for other in message.update.participants:
            self._names[other.sid] = other.identity

    def _connection_changed(self) -> None:
        state = self._publisher.connectionState
        if state == "connected" and self._report.connected_ms is None:
            self._report.connected_ms = self.milliseconds()
            self._report.path = _path(self._publisher)
        elif state == "failed":
            self._report.trouble.append("no way to the sfuserver's media port: neither direct nor by TURN")

    def _track_arrived(self, track: MediaStreamTrack) -> None:
        transceiver = next(t for t in self._subscriber.getTransceivers() if t.receiver.track is track)
        sid = _stream_id(self._offered, transceiver.mid or "").partition("|")[0]
        seen = ReceivedTrack(participant=self._names.get(sid, sid), kind=track.kind)
        self._report.received.append(seen)
        self._receivers.append((transceiver.receiver, seen))
        self._watching.append(asyncio.ensure_future(watch(track, seen, self.milliseconds)))

    async def _leave(self) -> None:
        await self._take_statistics()
        self._signalling.send(SignalRequest(leave=LeaveRequest()))
        for task in self._watching:
            task.cancel()
        for connection in (self._publisher, self._subscriber):
            await from_asyncio(connection.close())
        self._signalling.sendClose()

    async def _take_statistics(self) -> None:
        for row in (await from_asyncio(self._publisher.getStats())).values():
            if row.type == "outbound-rtp":
                self._report.sent_packets[row.kind] = row.packetsSent
            elif row.type == "remote-inbound-rtp":
                self._report.lost_upstream[row.kind] = row.packetsLost
                self._report.round_trip_ms = row.roundTripTime * 1000
        for receiver, seen in self._receivers:
            for row in (await from_asyncio(receiver.getStats())).values():
                if row.type == "inbound-rtp":
                    seen.packets, seen.lost = row.packetsReceived, row.packetsLost


def _path(connection: RTCPeerConnection) -> str:
    """Which way ICE chose. aiortc has no public name for the nominated pair; aioice keeps it under this one."""
    transport = connection.getTransceivers()[0].sender.transport.transport
    pair = transport._connection._nominated.get(1)
    if pair is None:
        return "unknown"
    ours, theirs = pair.local_candidate, pair.remote_candidate
    return f"{ours.transport} {ours.type} {ours.host} -> {theirs.host}:{theirs.port}"


def _stream_id(sdp: str, mid: str) -> str:
    """The stream of the section `mid`, "<participant sid>|<track sid>" in LiveKit's msid lines; empty when none."""
    current = stream = ""
    found: dict[str, str] = {}
    for line in sdp.splitlines():
        if line.startswith("m="):
            current = stream = ""
        elif line.startswith("a=mid:"):
            current = line[6:]
        elif line.startswith("a=msid:"):
            stream = line[7:].split(" ")[0]
        if current and stream:
            found[current] = stream
    return found.get(mid, "")
