"""The server's descriptions (RFC 9429): answers to whoever publishes, offers to whoever only subscribes.

The server is ICE-lite (RFC 8445 §2.5), DTLS-passive and bundles everything on one transport, whose candidates stand in
the description: nothing trickles. Pure text in, text out; who is sent what was decided before.

Sections that send nothing to the peer carry neither msid nor ssrc lines: libwebrtc refuses leftovers of them, and
the native clients end their process over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from meeting.dataplane.values import Kind
from meeting.sfuserver.negotiation.codecs import (
    Format,
    accepted_extensions,
    choose,
    offered_extensions,
    offered_formats,
)
from meeting.sfuserver.negotiation.description import Remote, RemoteSection
from meeting.sfuserver.negotiation.sdp import Block, Description, Line, Section

__all__ = ["Candidate", "OfferedSection", "Receive", "Send", "Transport", "agreed", "make_answer", "make_offer"]

MESSAGE_SIZE = 256 * 1024
PASSIVE = 4
"""The direction preference of a passive host candidate over TCP (RFC 6544 §4.2)."""


class Candidate(NamedTuple):
    """An address where the server waits."""

    transport: Literal["udp", "tcp"]
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Transport:
    """The server's side of one peer connection."""

    session_id: int
    ufrag: str
    password: str
    fingerprint: str
    candidates: tuple[Candidate, ...]
    """The preferred one first."""


@dataclass(frozen=True, slots=True)
class Receive:
    """A section of the peer's that the server receives, with what its track asked for."""

    preferred_codec: str | None = None
    stereo: bool = False
    discontinuous: bool = True
    """Opus may stop in silence (DTX, RFC 7587 §3.1.3)."""
    redundancy: bool = True
    """Sound may come with repetitions (RED, RFC 2198)."""


@dataclass(frozen=True, slots=True)
class Send:
    """A track to send in a section."""

    stream_id: str
    track_id: str
    ssrc: int
    rtx_ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class OfferedSection:
    """One section of the server's offer; the first is always the data one."""

    mid: str
    kind: Kind
    send: Send | None
    stereo: bool = False
    refused: bool = False
    """The peer refused it before (port 0): it stays so for good."""


def agreed(section: RemoteSection, wanted: Receive | None = None) -> tuple[list[Format], dict[str, int]]:
    """(formats, header extensions) the server agrees to in a section of an offer or answer."""
    assert section.kind is not None
    wanted = wanted or Receive()
    formats = choose(section.kind, section.formats, wanted.preferred_codec, redundancy=wanted.redundancy)
    return formats, accepted_extensions(section.kind, section.extensions)


def make_answer(offer: Remote, transport: Transport, version: int, decisions: Mapping[str, Receive | Send]) -> str:
    """The answer to an offer. Sections without a decision become inactive; what nobody can use is refused."""
    sections = [_answer_section(section, decisions.get(section.mid)) for section in offer.sections]
    return _assemble(transport, version, sections, setup="passive", mixed_extensions=offer.mixed_extensions)


def make_offer(transport: Transport, version: int, sections: Iterable[OfferedSection]) -> str:
    """The offer of a connection that only sends: data in mid 0, then the tracks."""
    offered = [_data_section("0", "UDP/DTLS/SCTP")]
    for wanted in sections:
        section = _media_section(wanted.mid, wanted.kind, _offered(wanted.kind, wanted.stereo), reduced_size=True)
        if wanted.refused:
            section.port = 0
            section.add("inactive")
        else:
            _say_what_is_sent(section, wanted.send)
        offered.append(section)
    return _assemble(transport, version, offered, setup="actpass", mixed_extensions=True)


def _answer_section(offered: RemoteSection, decision: Receive | Send | None) -> Section:
    if offered.usable and offered.kind is None:
        return _data_section(offered.mid, offered.protocol)
    wanted = decision if isinstance(decision, Receive) else None
    formats, extensions = agreed(offered, wanted) if offered.usable else ([], {})
    if not offered.usable or not formats or offered.kind is None:
        section = Section(kind=offered.media, port=0, protocol=offered.protocol, formats=offered.formats_text)
        section.lines.append(Line("c", "IN IP4 0.0.0.0"))
        section.add("mid", offered.mid)
        section.add("inactive")
        return section
    if isinstance(decision, Receive):
        formats = [_opus_as_asked(codec, decision) for codec in formats]
    agreement = _agreement(formats, extensions)
    section = _media_section(offered.mid, offered.kind, agreement, reduced_size=offered.reduced_size)
    if isinstance(decision, Receive) and offered.sends:
        section.add("recvonly")
        for rid in offered.rids:
            section.add("rid", f"{rid} recv")
        if offered.simulcast:
            section.add("simulcast", f"recv {offered.simulcast}")
    else:
        may_send = offered.direction in ("recvonly", "sendrecv")
        _say_what_is_sent(section, decision if isinstance(decision, Send) and may_send else None)
    return section


class _Agreement(NamedTuple):
    """What a section says of its codecs and header extensions."""

    payload_types: tuple[str, ...]
    lines: tuple[Line, ...]


def _agreement(formats: Sequence[Format], extensions: Mapping[str, int]) -> _Agreement:
    payload_types: list[int] = []
    said = Block()
    for codec in formats:
        payload_types.append(codec.payload_type)
        if codec.rtx_payload_type is not None:
            payload_types.append(codec.rtx_payload_type)
        _say_format(said, codec)
    for uri, number in extensions.items():
        said.add("extmap", f"{number} {uri}")
    return _Agreement(tuple(str(number) for number in dict.fromkeys(payload_types)), tuple(said.lines))


@cache
def _offered(kind: Kind, stereo: bool) -> _Agreement:
    return _agreement(offered_formats(kind, stereo=stereo), offered_extensions(kind))


def _media_section(mid: str, kind: Kind, agreement: _Agreement, *, reduced_size: bool) -> Section:
    section = Section(kind=kind.value, formats=agreement.payload_types)
    section.lines.append(Line("c", "IN IP4 0.0.0.0"))
    section.add("mid", mid)
    section.add("rtcp-mux")
    if reduced_size:
        section.add("rtcp-rsize")
    section.lines += agreement.lines
    return section


def _say_format(section: Block, codec: Format) -> None:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    section.add("rtpmap", f"{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}")
    if codec.parameters:
        pairs = ";".join(f"{name}={value}" if value else name for name, value in codec.parameters.items())
        section.add("fmtp", f"{codec.payload_type} {pairs}")
    for text in codec.feedback:
        section.add("rtcp-fb", f"{codec.payload_type} {text}")
    if codec.rtx_payload_type is not None:
        section.add("rtpmap", f"{codec.rtx_payload_type} rtx/{codec.clock_rate}")
        section.add("fmtp", f"{codec.rtx_payload_type} apt={codec.payload_type}")


def _opus_as_asked(codec: Format, wanted: Receive) -> Format:
    """What the receiver of opus would like (RFC 7587 §6.1); the peer's own wishes are not echoed."""
    if codec.name.lower() != "opus":
        return codec
    parameters = {"minptime": "10", "useinbandfec": "1"}
    if wanted.discontinuous:
        parameters["usedtx"] = "1"
    if wanted.stereo:
        parameters["stereo"] = "1"
    return Format(codec.payload_type, codec.name, codec.clock_rate, codec.channels, parameters, codec.feedback)


def _say_what_is_sent(section: Section, send: Send | None) -> None:
    if send is None:
        section.add("inactive")
        return
    section.add("sendonly")
    section.add("msid", f"{send.stream_id} {send.track_id}")
    if send.rtx_ssrc is not None:
        section.add("ssrc-group", f"FID {send.ssrc} {send.rtx_ssrc}")
    for ssrc in (send.ssrc, send.rtx_ssrc):
        if ssrc is not None:
            section.add("ssrc", f"{ssrc} cname:{send.stream_id}")


def _data_section(mid: str, protocol: str) -> Section:
    section = Section(kind="application", protocol=protocol, formats=("webrtc-datachannel",))
    section.lines.append(Line("c", "IN IP4 0.0.0.0"))
    section.add("mid", mid)
    section.add("sctp-port", "5000")
    section.add("max-message-size", str(MESSAGE_SIZE))
    return section


def _assemble(
    transport: Transport, version: int, sections: Sequence[Section], *, setup: str, mixed_extensions: bool
) -> str:
    live = [section for section in sections if section.port]
    for section in live:
        section.add("setup", setup)
        section.add("ice-ufrag", transport.ufrag)
        section.add("ice-pwd", transport.password)
        section.add("fingerprint", transport.fingerprint)
    for section in live[:1]:
        _say_candidates(section, transport.candidates)
    session = Block(
        [
            Line("v", "0"),
            Line("o", f"- {transport.session_id} {version} IN IP4 0.0.0.0"),
            Line("s", "-"),
            Line("t", "0 0"),
        ]
    )
    session.add("group", " ".join(["BUNDLE", *(section.mid for section in live)]))
    if mixed_extensions:
        session.add("extmap-allow-mixed")
    session.add("msid-semantic", " WMS *")
    session.add("ice-lite")
    return str(Description(session, list(sections)))


def _say_candidates(section: Section, candidates: Sequence[Candidate]) -> None:
    """Host candidates (RFC 8839 §5.1, RFC 6544 §4.5); priorities by RFC 8445 §5.1.2.1, in the order given.

    A TCP one gets the type preference that libwebrtc gives it: below everything direct over UDP, above what is relayed.
    """
    for number, (transport, host, port) in enumerate(candidates):
        if transport == "udp":
            priority = (126 << 24) | ((65535 - number) << 8) | 255
            words = "typ host"
        else:
            priority = (90 << 24) | (((PASSIVE << 13) + 8191 - number) << 8) | 255
            words = "typ host tcptype passive"
        section.add("candidate", f"{number + 1} 1 {transport} {priority} {host} {port} {words}")
    section.add("end-of-candidates")
