"""What the peer's description says, read into values: the only thing the answering and offering code looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meeting.dataplane.values import Kind
from meeting.sfuserver.negotiation.codecs import Format, read_extensions, read_formats
from meeting.sfuserver.negotiation.sdp import Description, SdpError, Section, parse

__all__ = ["Encoding", "Remote", "RemoteSection", "read"]

MAXIMUM_RIDS = 4
MAXIMUM_MID = 16
"""Characters; what fits a one-byte header extension (RFC 8285 §4.2)."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One stream a section sends: told apart by its rid (RFC 8852), or by its SSRC when there is only one."""

    rid: str | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class RemoteSection:
    """One media section of the peer's description."""

    mid: str
    kind: Kind | None
    """None for data."""
    media: str
    """With protocol and formats_text the words of its m= line, to refuse it in the same words."""
    protocol: str
    formats_text: tuple[str, ...]
    direction: str
    """As the peer says it, from its own side."""
    usable: bool
    """Neither refused nor outside of the bundle, and of a sort known here."""
    track_id: str | None
    """The track of a=msid; Firefox invents it."""
    encodings: tuple[Encoding, ...]
    simulcast: str | None
    """What a=simulcast says after "send", to be said back."""
    rids: tuple[str, ...]
    formats: tuple[Format, ...]
    extensions: Mapping[str, int]
    reduced_size: bool

    @property
    def sends(self) -> bool:
        return self.usable and self.kind is not None and self.direction in ("sendrecv", "sendonly")

    @property
    def only_receives(self) -> bool:
        return self.usable and self.kind is not None and self.direction == "recvonly"


@dataclass(frozen=True, slots=True)
class Remote:
    """The peer's whole description; one transport for all of it."""

    ufrag: str
    fingerprint: str
    sections: tuple[RemoteSection, ...]
    mixed_extensions: bool = False
    """Header extensions may be longer than 16 bytes (RFC 8285 §6), as a dependency descriptor with its structure is."""

    def section(self, mid: str) -> RemoteSection | None:
        return next((section for section in self.sections if section.mid == mid), None)


def read(text: str) -> Remote:
    """Read an offer or an answer. Raises SdpError."""
    description = parse(text)
    if not description.sections:
        raise SdpError("the description has no media section")
    bundle = description.bundle
    mids: set[str] = set()
    sections = []
    for number, section in enumerate(description.sections):
        if not (section.mid.isascii() and section.mid.isprintable() and len(section.mid) <= MAXIMUM_MID):
            raise SdpError(f"a mid longer than {MAXIMUM_MID} characters, or not of printable ASCII")
        if section.mid in mids:
            raise SdpError(f"two sections have the mid {section.mid[:40]}")
        mids.add(section.mid)
        sections.append(_read_section(section, bundled=section.mid in bundle or (not bundle and number == 0)))
    ufrag = _transport_value(description, bundle, "ice-ufrag")
    _transport_value(description, bundle, "ice-pwd")
    fingerprint = _transport_value(description, bundle, "fingerprint")
    mixed = description.session.has("extmap-allow-mixed") or all(
        section.has("extmap-allow-mixed") for section in description.sections if section.kind in ("audio", "video")
    )
    return Remote(ufrag, fingerprint, tuple(sections), mixed)


def _transport_value(description: Description, bundle: tuple[str, ...], name: str) -> str:
    """From the section whose transport all share, else from the session, else from any other section."""
    tagged = [section for section in description.sections if bundle and section.mid == bundle[0]]
    for block in (*tagged, description.session, *description.sections):
        value = block.value(name)
        if value:
            return value
    raise SdpError(f"the description has no a={name}")


def _read_section(section: Section, *, bundled: bool) -> RemoteSection:
    kind = {"audio": Kind.AUDIO, "video": Kind.VIDEO}.get(section.kind)
    data = section.kind == "application" and "webrtc-datachannel" in section.formats
    usable = bundled and not section.rejected and (kind is not None or data)
    reads_media = usable and kind is not None
    rids = _rids(section) if reads_media else ()
    simulcast = section.value("simulcast") if rids else None
    return RemoteSection(
        mid=section.mid,
        kind=kind,
        media=section.kind,
        protocol=section.protocol,
        formats_text=section.formats,
        direction=section.direction,
        usable=usable,
        track_id=_track_id(section),
        encodings=_encodings(section, rids) if reads_media else (),
        simulcast=simulcast.removeprefix("send ").split(" ")[0] if simulcast else None,
        rids=rids,
        formats=read_formats(section) if reads_media else (),
        extensions=read_extensions(section) if reads_media else {},
        reduced_size=section.has("rtcp-rsize"),
    )


def _track_id(section: Section) -> str | None:
    words = (section.value("msid") or "").split()
    return words[1] if len(words) > 1 else None


def _rids(section: Section) -> tuple[str, ...]:
    """The rids a simulcast section sends (RFC 8853); none without a=simulcast:send."""
    if not (section.value("simulcast") or "").startswith("send "):
        return ()
    rids = []
    for value in section.values("rid"):
        name, _, rest = value.partition(" ")
        if rest.split(" ")[0] == "send":
            if not (name.isascii() and name.isalnum() and len(name) <= 16):
                raise SdpError(f"section {section.mid}: {name[:40]!r} is no rid")
            rids.append(name)
    if len(rids) > MAXIMUM_RIDS or len(set(rids)) != len(rids):
        raise SdpError(f"section {section.mid}: more than {MAXIMUM_RIDS} rids, or one twice")
    return tuple(rids)


def _encodings(section: Section, rids: tuple[str, ...]) -> tuple[Encoding, ...]:
    if section.direction not in ("sendrecv", "sendonly"):
        return ()
    if rids:
        return tuple(Encoding(rid=rid) for rid in rids)
    ssrcs = [_ssrc(value.split(" ")[0]) for value in section.values("ssrc")]
    if not ssrcs:
        return (Encoding(),)
    pairs = {
        _ssrc(words[1]): _ssrc(words[2])
        for words in (group.split() for group in section.values("ssrc-group"))
        if len(words) == 3 and words[0] == "FID"
    }
    primary = next(iter(pairs), ssrcs[0])
    return (Encoding(ssrc=primary, rtx_ssrc=pairs.get(primary)),)


def _ssrc(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32):
        raise SdpError(f"{text[:20]!r} is no SSRC")
    return int(text)
