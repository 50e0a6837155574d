"""Which codecs and header extensions are agreed, and how one peer's payload types become another's.

The list is the server's; within it the publisher's order counts, and where a track names a codec, that one comes first.
Retransmission (RFC 4588) comes with its codec. RED (RFC 2198) repeats the sound of the packets before: it comes first
where the publisher wants it, and a subscriber without it gets the sound alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from meeting.dataplane.values import Codec, Kind
from meeting.sfuserver.negotiation.sdp import SdpError, Section

__all__ = [
    "ABS_SEND_TIME",
    "AUDIO_LEVEL",
    "DEPENDENCY",
    "MID",
    "REPAIRED_RID",
    "RID",
    "TRANSPORT_CC",
    "Format",
    "accepted_extensions",
    "choose",
    "offered_extensions",
    "offered_formats",
    "payload_type_maps",
    "read_extensions",
    "read_formats",
]

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
DEPENDENCY = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

ACCEPTED_EXTENSIONS = {
    # Without the two stream ids in the answers Chromium refuses its own next offer when it sends simulcast on a
    # connection that also receives.
    Kind.AUDIO: frozenset({MID, AUDIO_LEVEL}),
    Kind.VIDEO: frozenset({MID, RID, REPAIRED_RID, TRANSPORT_CC, ABS_SEND_TIME, DEPENDENCY}),
}
OFFERED_EXTENSIONS = {
    Kind.AUDIO: {MID: 1},
    Kind.VIDEO: {MID: 1, ABS_SEND_TIME: 2, TRANSPORT_CC: 3, DEPENDENCY: 4},
}
FEEDBACK = {
    Kind.AUDIO: ("nack",),
    Kind.VIDEO: ("transport-cc", "goog-remb", "ccm fir", "nack", "nack pli"),
}
KNOWN = {Kind.AUDIO: ("opus", "red"), Kind.VIDEO: ("vp8", "h264", "vp9", "av1", "h265")}
OPUS = {"minptime": "10", "useinbandfec": "1"}
LONGEST_REMEMBERED = 16 * 1024
"""Characters of one section's codecs; browsers say some 3,000 of a picture's."""


@dataclass(frozen=True, slots=True)
class Format:
    """One payload type of a section, with what belongs to it (a=rtpmap, a=fmtp, a=rtcp-fb)."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    parameters: Mapping[str, str] | None = None
    feedback: tuple[str, ...] = ()
    rtx_payload_type: int | None = None

    @property
    def mime(self) -> str:
        """As LiveKit's TrackInfo names it: "video/VP8"."""
        kind = "audio" if self.name.lower() in KNOWN[Kind.AUDIO] else "video"
        return f"{kind}/{self.name}"

    @property
    def redundant(self) -> bool:
        """Whether it repeats other packets' payloads (RFC 2198)."""
        return self.name.lower() == "red"

    def compatible(self, other: Format) -> bool:
        """Whether packets of the other can be sent as this one without looking into them."""
        return (self.name.lower(), self.clock_rate) == (other.name.lower(), other.clock_rate) and _variant(
            self
        ) == _variant(other)

    def as_codec(self) -> Codec:
        """What the data plane wants to know of it."""
        return Codec(
            payload_type=self.payload_type,
            name=self.name,
            clock_rate=self.clock_rate,
            channels=self.channels,
            rtx_payload_type=self.rtx_payload_type,
            nack="nack" in self.feedback,
            pli="nack pli" in self.feedback,
            transport_cc="transport-cc" in self.feedback,
            remb="goog-remb" in self.feedback,
        )


def read_formats(section: Section) -> tuple[Format, ...]:
    """The codecs of a section in its order of preference, each with the payload type of its retransmissions."""
    said = tuple(tuple(section.values(name)) for name in ("rtpmap", "fmtp", "rtcp-fb"))
    # Sections of one kind say the same, and so do most clients: only where that is long, it is not remembered.
    long = sum(len(value) for values in said for value in values) > LONGEST_REMEMBERED
    return (_formats.__wrapped__ if long else _formats)(section.formats, *said)


@lru_cache(maxsize=256)
def _formats(
    payload_types: tuple[str, ...], rtpmaps: tuple[str, ...], fmtps: tuple[str, ...], feedbacks: tuple[str, ...]
) -> tuple[Format, ...]:
    maps: dict[int, tuple[str, int, int]] = {}
    for value in rtpmaps:
        payload_type, _, encoding = value.partition(" ")
        name, _, rest = encoding.partition("/")
        rate, _, channels = rest.partition("/")
        maps[_payload_type(payload_type)] = (name, _number(rate), _number(channels) if channels else 1)
    parameters: dict[int, dict[str, str]] = {}
    for value in fmtps:
        payload_type, _, text = value.partition(" ")
        parameters[_payload_type(payload_type)] = _parameters(text)
    feedback: dict[str, list[str]] = {}
    for value in feedbacks:
        payload_text, _, text = value.partition(" ")
        feedback.setdefault(payload_text, []).append(text.strip())
    rtx = {
        _payload_type(parameters[payload_type]["apt"]): payload_type
        for payload_type, (name, _, _) in maps.items()
        if name.lower() == "rtx" and "apt" in parameters.get(payload_type, {})
    }
    formats = []
    for text in payload_types:
        payload_type_number = _payload_type(text)
        if payload_type_number in maps:
            name, clock_rate, channel_count = maps[payload_type_number]
            formats.append(
                Format(
                    payload_type=payload_type_number,
                    name=name,
                    clock_rate=clock_rate,
                    channels=channel_count,
                    parameters=parameters.get(payload_type_number, {}),
                    feedback=(*feedback.get(text, ()), *feedback.get("*", ())),
                    rtx_payload_type=rtx.get(payload_type_number),
                )
            )
    return tuple(formats)


def choose(
    kind: Kind, offered: Iterable[Format], preferred: str | None = None, *, redundancy: bool = True
) -> list[Format]:
    """Those of the offered formats that are agreed, feedback cut to what the server speaks.

    `preferred`: a codec's name ("vp9") or media type ("video/VP9"); its formats come first, after RED, of which what
    it repeats must be agreed too. Without `redundancy` there is no RED.
    """
    agreed = [
        replace(codec, feedback=tuple(text for text in FEEDBACK[kind] if text in codec.feedback))
        for codec in offered
        if codec.name.lower() in KNOWN[kind]
    ]
    if preferred:
        name = preferred.rpartition("/")[2].lower()
        agreed.sort(key=lambda codec: codec.name.lower() != name)
    plain = [codec for codec in agreed if not codec.redundant]
    known = {codec.payload_type for codec in plain}
    red = [codec for codec in agreed if codec.redundant and redundancy and known.issuperset(_repeats(codec) or {-1})]
    return red + plain


def offered_formats(kind: Kind, *, stereo: bool = False) -> list[Format]:
    """What the server offers when it offers: every codec it knows, under payload types of its own."""
    if kind is Kind.AUDIO:
        parameters = {**OPUS, "sprop-stereo": "1"} if stereo else OPUS
        return [
            Format(111, "opus", 48000, 2, parameters, FEEDBACK[kind]),
            Format(118, "red", 48000, 2, {"111/111": ""}),
        ]
    h264 = {"level-asymmetry-allowed": "1"}
    table: list[tuple[int, str, dict[str, str]]] = [
        (96, "VP8", {}),
        (102, "H264", {**h264, "packetization-mode": "1", "profile-level-id": "42e01f"}),
        (104, "H264", {**h264, "packetization-mode": "1", "profile-level-id": "42001f"}),
        (106, "H264", {**h264, "packetization-mode": "1", "profile-level-id": "4d001f"}),
        (108, "H264", {**h264, "packetization-mode": "1", "profile-level-id": "64001f"}),
        (112, "H264", {**h264, "packetization-mode": "0", "profile-level-id": "42e01f"}),
        (114, "H264", {**h264, "packetization-mode": "0", "profile-level-id": "42001f"}),
        (98, "VP9", {"profile-id": "0"}),
        (100, "VP9", {"profile-id": "2"}),
        (116, "AV1", {}),
        (120, "H265", {"level-id": "180", "profile-id": "1", "tier-flag": "0", "tx-mode": "SRST"}),
    ]
    return [
        Format(number, name, 90000, 1, parameters, FEEDBACK[kind], number + 1) for number, name, parameters in table
    ]


def payload_type_maps(
    publisher: Sequence[Format], subscriber: Sequence[Format]
) -> tuple[dict[int, int], dict[int, int]]:
    """(publisher's payload type → subscriber's, subscriber's payload type → its retransmissions'), for a Sink.

    RED that the subscriber does not take becomes what it repeats: that tells the data plane to take it off.
    """
    payload_types: dict[int, int] = {}
    retransmissions: dict[int, int] = {}
    for source in publisher:
        for sink in subscriber:
            if sink.compatible(source):
                payload_types[source.payload_type] = sink.payload_type
                if sink.rtx_payload_type is not None:
                    retransmissions[sink.payload_type] = sink.rtx_payload_type
                break
    for source in publisher:
        if source.redundant and source.payload_type not in payload_types:
            within = next((payload_types[each] for each in _repeats(source) if each in payload_types), None)
            if within is not None:
                payload_types[source.payload_type] = within
    return payload_types, retransmissions


def read_extensions(section: Section) -> dict[str, int]:
    """Header extensions by URI (RFC 8285 §8); a direction behind the id is the offerer's own business."""
    extensions: dict[str, int] = {}
    for value in section.values("extmap"):
        number, _, rest = value.partition(" ")
        uri = rest.split(" ")[0]
        identifier = _number(number.partition("/")[0])
        if not 1 <= identifier <= 255 or not uri:
            raise SdpError(f"section {section.mid}: a=extmap:{value[:60]} is malformed")
        extensions[uri] = identifier
    return extensions


def accepted_extensions(kind: Kind, offered: Mapping[str, int]) -> dict[str, int]:
    return {uri: number for uri, number in offered.items() if uri in ACCEPTED_EXTENSIONS[kind]}


def offered_extensions(kind: Kind) -> dict[str, int]:
    return dict(OFFERED_EXTENSIONS[kind])


def _repeats(red: Format) -> set[int]:
    """The payload types within RED: `a=fmtp:63 111/111` (RFC 2198 §5); empty if it does not say."""
    texts = [text for parameter in red.parameters or {} for text in parameter.split("/")]
    return {int(text) for text in texts} if all(re.fullmatch("[0-9]{1,3}", text) for text in texts) else set()


def _variant(codec: Format) -> tuple[object, ...]:
    """What tells two formats of one codec apart (RFC 6184 §8.2.2, RFC 9628 §6, AV1 RTP §7.2, RFC 7798 §7.2.2)."""
    parameters = codec.parameters or {}
    match codec.name.lower():
        case "h264":
            return (
                parameters.get("packetization-mode", "0"),
                _h264_profile(parameters.get("profile-level-id", "42000a")),
            )
        case "vp9":
            return (parameters.get("profile-id", "0"),)
        case "av1":
            return (parameters.get("profile", "0"),)
        case "h265":
            return (
                parameters.get("profile-id", "1"),
                parameters.get("tier-flag", "0"),
                parameters.get("tx-mode", "SRST").upper(),
            )
    return ()


def _h264_profile(text: str) -> str:
    """The profile of a profile-level-id; the level may differ (RFC 6184 §8.1)."""
    try:
        profile, constraints, _ = base64.b16decode(text, casefold=True)
    except (ValueError, binascii.Error):
        return text
    if (profile == 0x42 and constraints & 0x40) or (profile in (0x4D, 0x58) and constraints & 0x80):
        return "constrained baseline"
    return f"{profile:02x}"


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {name: value for name, _, value in pairs if name}


def _payload_type(text: str) -> int:
    number = _number(text)
    if not 0 <= number <= 127:
        raise SdpError(f"{text[:20]} is no payload type")
    return number


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise SdpError(f"{text[:20]!r} stands where a number is needed")
    return int(text)
