"""A client of the protocol, scripted: it writes offers and answers as browsers do, and reads what the server says."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from livekit.protocol.models import ParticipantInfo, TrackSource, TrackType, VideoLayer
from livekit.protocol.rtc import (
    AddTrackRequest,
    JoinRequest,
    SessionDescription,
    SignalRequest,
    SignalResponse,
)
from twisted.internet.task import Clock

from meeting.sfuserver.addresses import candidates
from meeting.sfuserver.negotiation.sdp import Description, parse
from meeting.sfuserver.room.chance import Chance
from meeting.sfuserver.room.media import Media
from meeting.sfuserver.room.participant import Identity, Participant
from meeting.sfuserver.room.permissions import permission_from_grants
from meeting.sfuserver.room.room import Room, RoomSettings
from meeting.sfuserver.room.rooms import Rooms
from meeting.sfuserver.signalling.admission import Admission
from meeting.sfuserver.signalling.greeting import Greeting
from meeting.sfuserver.signalling.lobby import Lobby
from meeting.sfuserver.signalling.session import Session
from tests.unit.sfuserver.fakes import FakeEvents, FakeLink, FakeOutbox, FakePort

FINGERPRINT = "sha-256 " + ":".join(["12"] * 32)
AUDIO = ["111 opus/48000/2"]
VIDEO = ["96 VP8/90000", "97 rtx/90000 apt=96"]
EXTENSIONS = {
    "audio": {
        1: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        4: "urn:ietf:params:rtp-hdrext:sdes:mid",
    },
    "video": {
        4: "urn:ietf:params:rtp-hdrext:sdes:mid",
        10: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        11: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        3: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    },
}
BOTH = pytest.mark.parametrize("single", [False, True], ids=["v0", "v1"])
EVERY_PAIR = pytest.mark.parametrize(
    ("one", "other"), [(False, False), (False, True), (True, False), (True, True)], ids=["v0v0", "v0v1", "v1v0", "v1v1"]
)


class World:
    """A server in memory: a virtual clock, a data plane that keeps a diary, and everything between."""

    def __init__(self, settings: RoomSettings | None = None) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        chance = Chance(random.Random(7))
        ports: list[FakePort] = []

        def make_port(listener: Any) -> FakePort:
            ports.append(FakePort(listener))
            return ports[0]

        self.counted: list[str] = []
        self.media = Media(
            make_port, lambda port: candidates([], port.addresses, port.tcp_addresses), chance, self.counted.append
        )
        self.port = ports[0]
        self.events = FakeEvents()
        self.rooms = Rooms(self.clock, self.media, settings or RoomSettings(), chance, self.events, self.counted.append)
        self.rooms.startService()
        self.lobby = Lobby(self.rooms, Greeting("node", "meeting 0", lambda who, room, now: []))

    def advance(self, seconds: float = 0.5) -> None:
        """Time passes in small steps, as it does."""
        for _ in range(int(seconds / 0.05)):
            self.clock.advance(0.05)

    @property
    def room(self) -> Room:
        room = self.rooms.get("standup")
        assert room is not None
        return room

    def join(
        self,
        identity: str,
        *,
        single: bool = False,
        grants: Mapping[str, Any] | None = None,
        auto_subscribe: bool = True,
        settle: bool = True,
        join: JoinRequest | None = None,
    ) -> Client:
        client = Client(self, identity, single=single, grants=grants or {}, auto_subscribe=auto_subscribe)
        client.enter(join or JoinRequest())
        if settle:
            self.advance()
        return client


class Client:
    def __init__(
        self, world: World, identity: str, *, single: bool, grants: Mapping[str, Any], auto_subscribe: bool
    ) -> None:
        self.world = world
        self.who = Identity(
            identity=identity,
            name=identity.title(),
            permission=permission_from_grants(grants),
            single_connection=single,
            auto_subscribe=auto_subscribe,
        )
        self.outbox = FakeOutbox()
        self.session: Session | None = None
        self.ufrag = "abcd" + identity
        self.sections: list[str] = [_data_section()]
        self.slots: list[str] = []
        self._offers = 0

    # Signalling

    def enter(self, join: JoinRequest, made: int = 0) -> None:
        admission = Admission(self.who, "standup", join, made)
        self.session = self.world.lobby.enter(admission, self.outbox, self.world.clock.seconds())

    def ask(self, **message: Any) -> None:
        assert self.session is not None
        self.session.request(SignalRequest(**message), self.world.clock.seconds())

    def drop(self, *, for_good: bool = False) -> None:
        """The socket breaks."""
        assert self.session is not None
        self.session.socket_lost(self.world.clock.seconds(), for_good=for_good)

    def got(self, name: str) -> list[Any]:
        return [getattr(message, name) for message in self.outbox.messages if message.WhichOneof("message") == name]

    def last(self, name: str) -> Any:
        found = self.got(name)
        assert found, f"{self.who.identity} never got {name}: {self.names()}"
        return found[-1]

    def names(self) -> list[str]:
        return [message.WhichOneof("message") or "" for message in self.outbox.messages]

    def forget(self) -> None:
        self.outbox.messages.clear()

    @property
    def participant(self) -> Participant:
        assert self.session is not None
        return self.session.participant

    @property
    def sending(self) -> FakeLink:
        """The server's Link that sends to this client."""
        link = self.participant.sending.link
        assert isinstance(link, FakeLink)
        return link

    @property
    def receiving(self) -> FakeLink:
        assert self.participant.receiving is not None
        link = self.participant.receiving.link
        assert isinstance(link, FakeLink)
        return link

    def sees(self) -> dict[str, ParticipantInfo]:
        """The newest it was told of everyone who is there, by identity."""
        seen: dict[str, ParticipantInfo] = {}
        for message in self.outbox.messages:
            infos: Sequence[ParticipantInfo] = ()
            match message.WhichOneof("message"):
                case "join":
                    infos = [message.join.participant, *message.join.other_participants]
                case "update":
                    infos = message.update.participants
            for info in infos:
                if info.state == ParticipantInfo.DISCONNECTED:
                    seen.pop(info.identity, None)
                else:
                    seen[info.identity] = info
        return seen

    # Negotiation

    def connect(self) -> None:
        """Its first description reaches the server, and its Links come up."""
        if self.who.single_connection:
            self.add_slots(3, 3)
            self.offer()
        else:
            self.answer()
        listener = self.world.port.listener
        listener.link_connected(self.sending, "udp 198.51.100.1:5000")
        self.world.advance()

    def answer(self, *, accept: bool = True) -> None:
        """Answer the server's newest offer."""
        offer = self.last("offer")
        self.ask(answer=SessionDescription(type="answer", sdp=answer_to(offer.sdp, self.ufrag, accept), id=offer.id))

    def add_slots(self, audio: int, video: int) -> None:
        for kind, number in (("audio", audio), ("video", video)):
            for _ in range(number):
                self.sections.append(self.section(kind, "recvonly"))

    def section(self, kind: str, direction: str, lines: Sequence[str] = ()) -> str:
        return media_section(str(len(self.sections)), kind, direction, lines)

    def offer(self) -> Description:
        """Send its sections as an offer, take the answer."""
        self._offers += 1
        sdp = session_text(self.sections, self.ufrag)
        self.ask(offer=SessionDescription(type="offer", sdp=sdp, id=self._offers))
        answer = self.last("answer")
        assert answer.id == self._offers
        return parse(answer.sdp)

    def add_track(self, cid: str, kind: str, **fields: Any) -> None:
        request = AddTrackRequest(
            cid=cid,
            name=fields.pop("name", cid),
            type=TrackType.AUDIO if kind == "audio" else TrackType.VIDEO,
            source=fields.pop("source", TrackSource.MICROPHONE if kind == "audio" else TrackSource.CAMERA),
            **fields,
        )
        self.ask(add_track=request)

    def publish(self, cid: str, kind: str, *, rids: Sequence[str] = (), msid: str | None = None, **fields: Any) -> str:
        """Announce a track and offer it; returns its sid."""
        if rids:
            fields.setdefault(
                "layers", [VideoLayer(quality=name) for name, _ in zip(("LOW", "MEDIUM", "HIGH"), rids, strict=False)]
            )
        self.add_track(cid, kind, **fields)
        sid: str = self.last("track_published").track.sid
        lines = [f"a=msid:stream {msid or cid}"]
        if rids:
            lines += [f"a=rid:{rid} send" for rid in rids] + [f"a=simulcast:send {';'.join(rids)}"]
        else:
            lines += [f"a=ssrc:{1000 + len(self.sections)} cname:x"]
        self.sections.append(self.section(kind, "sendonly", lines))
        self.offer()
        return sid

    def stop(self, mid: int) -> None:
        """Stop sending in a section."""
        lines = [
            line
            for line in self.sections[mid].split("\r\n")
            if not line.startswith(("a=msid", "a=ssrc", "a=rid", "a=simul"))
        ]
        self.sections[mid] = "\r\n".join(lines).replace("a=sendonly", "a=inactive")
        self.offer()

    def serve(self) -> None:
        """Do what a client does by itself: answer offers, add the slots that are asked for, offer again."""
        handled: list[SignalResponse] = []
        while True:
            waiting = [message for message in self.outbox.messages if message not in handled]
            todo = [
                message
                for message in waiting
                if message.WhichOneof("message") in ("offer", "media_sections_requirement")
            ]
            handled += waiting
            if not todo:
                return
            for message in todo:
                if message.WhichOneof("message") == "offer":
                    if message is todo[-1] or message.offer.id == self.last("offer").id:
                        self.answer()
                else:
                    wanted = message.media_sections_requirement
                    self.add_slots(wanted.num_audios, wanted.num_videos)
                    self.offer()


def session_text(sections: Sequence[str], ufrag: str) -> str:
    mids = " ".join(str(number) for number in range(len(sections)))
    head = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}", "a=extmap-allow-mixed"]
    transport = [f"a=ice-ufrag:{ufrag}", "a=ice-pwd:" + "p" * 24, f"a=fingerprint:{FINGERPRINT}", "a=setup:actpass"]
    return "\r\n".join([*head, *(line for section in sections for line in [section, *transport])]) + "\r\n"


def media_section(mid: str, kind: str, direction: str, lines: Sequence[str] = ()) -> str:
    codecs = AUDIO if kind == "audio" else VIDEO
    numbers = " ".join(codec.split(" ")[0] for codec in codecs)
    text = [
        f"m={kind} 9 UDP/TLS/RTP/SAVPF {numbers}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{mid}",
        f"a={direction}",
        "a=rtcp-mux",
    ]
    for codec in codecs:
        number, encoding, *parameters = codec.split(" ")
        text.append(f"a=rtpmap:{number} {encoding}")
        text += [f"a=fmtp:{number} {parameter}" for parameter in parameters]
        text += [f"a=rtcp-fb:{number} {what}" for what in ("transport-cc", "nack", "nack pli") if kind == "video"]
    text += [f"a=extmap:{number} {uri}" for number, uri in EXTENSIONS[kind].items()]
    return "\r\n".join([*text, *lines])


def answer_to(offer: str, ufrag: str, accept: bool = True) -> str:
    """The server's offer turned round, as a client that takes everything does."""
    description = parse(offer)
    sections = []
    for section in description.sections:
        lines = [f"m={section}" if accept or section.kind == "application" else f"m={section}".replace(" 9 ", " 0 ")]
        for line in section.lines:
            name = line.value.partition(":")[0]
            if name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup", "msid", "ssrc", "ssrc-group", "candidate"):
                continue
            lines.append(str(line).replace("a=sendonly", "a=recvonly"))
        sections.append("\r\n".join(lines))
    return session_text(sections, ufrag).replace("actpass", "active")


def _data_section() -> str:
    return "\r\n".join(
        ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sctp-port:5000"]
    )
