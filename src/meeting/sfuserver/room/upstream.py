"""What a participant sends: which section of its offer carries which announced track."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from meeting.dataplane.interfaces import ISource
from meeting.dataplane.values import Codec
from meeting.sfuserver.negotiation.codecs import Format
from meeting.sfuserver.negotiation.description import Encoding, Remote, RemoteSection
from meeting.sfuserver.negotiation.offer_answer import Receive, agreed
from meeting.sfuserver.room.connection import Connection
from meeting.sfuserver.room.media import Media
from meeting.sfuserver.room.track import Track

__all__ = ["Changes", "Upstream"]


@dataclass(slots=True)
class Changes:
    """What an offer changed."""

    published: list[Track] = field(default_factory=list)
    ended: list[Track] = field(default_factory=list)


@dataclass(slots=True)
class _Reception:
    track: Track
    sources: dict[Encoding, ISource] = field(default_factory=dict)


class Upstream:
    """The receiving half of a connection."""

    def __init__(self, media: Media) -> None:
        self._media = media
        self._receptions: dict[str, _Reception] = {}
        self.pending: list[Track] = []
        """Announced, and not yet seen in an offer; the oldest first."""

    def plan(self, offer: Remote) -> dict[str, Receive]:
        """What the answer says of the sections that send. Changes nothing: the offer may yet be refused."""
        return {section.mid: _as_asked(track) for section, track in self._match(offer)}

    def apply(self, offer: Remote, connection: Connection) -> Changes:
        """The offer is accepted: expect what is new, let go of what ended."""
        connection.link.configure(codecs=_codecs(offer), extensions=_extensions(offer))
        changes = Changes()
        matched = self._match(offer)
        carried = {section.mid: track for section, track in matched}
        for mid, reception in list(self._receptions.items()):
            if carried.get(mid) is not reception.track:
                self._drop(mid, connection)
                changes.ended.append(reception.track)
        for section, track in matched:
            if section.mid not in self._receptions:
                self._receptions[section.mid] = _Reception(track)
                self.pending.remove(track)
                changes.published.append(track)
            self._expect(section, connection)
        return changes

    def stop(self, track: Track, connection: Connection | None) -> None:
        """The track ends before the publisher's offer says so; what its section still sends is not taken."""
        if track in self.pending:
            self.pending.remove(track)
        for mid, reception in list(self._receptions.items()):
            if reception.track is track and connection is not None:
                self._drop(mid, connection)

    def _match(self, offer: Remote) -> list[tuple[RemoteSection, Track]]:
        """Each sending section with its track: by the id in msid; else the one it carried; else the first of its kind.

        Firefox's ids are its own, never the announced ones; hence the last rule.
        """
        sending = [section for section in offer.sections if section.sends and agreed(section)[0]]
        free = list(self.pending)
        found: dict[str, Track] = {}
        for section in sending:
            named = next((track for track in free if section.track_id in track.cids), None)
            reception = self._receptions.get(section.mid)
            if named is not None and named.kind is section.kind:
                found[section.mid] = named
                free.remove(named)
            elif reception is not None and reception.track.kind is section.kind:
                found[section.mid] = reception.track
        for section in sending:
            if section.mid not in found:
                first = next((track for track in free if track.kind is section.kind), None)
                if first is not None:
                    found[section.mid] = first
                    free.remove(first)
        return [(section, found[section.mid]) for section in sending if section.mid in found]

    def _expect(self, section: RemoteSection, connection: Connection) -> None:
        reception = self._receptions[section.mid]
        track = reception.track
        track.negotiated(section.mid, agreed(section, _as_asked(track))[0])
        for encoding in [known for known in reception.sources if known not in section.encodings]:
            source = reception.sources.pop(encoding)
            track.ceases(source)
            self._media.cease(connection.link, source)
        for position, encoding in enumerate(section.encodings):
            if encoding not in reception.sources:
                source = self._media.receive(connection.link, track, section.mid, track.kind, encoding)
                reception.sources[encoding] = source
                track.receives(source, encoding.rid, position)

    def _drop(self, mid: str, connection: Connection) -> None:
        reception = self._receptions.pop(mid)
        for source in reception.sources.values():
            reception.track.ceases(source)
            self._media.cease(connection.link, source)


def _as_asked(track: Track) -> Receive:
    """How its publisher wants to send it."""
    return Receive(
        track.preferred_codec,
        stereo=track.info.stereo,
        discontinuous=not track.info.disable_dtx,
        redundancy=not track.info.disable_red,
    )


def _codecs(offer: Remote) -> list[Codec]:
    """Every payload type agreed in the bundle, once. RED is asked for again where what it repeats is."""
    formats: dict[int, Format] = {}
    for section in offer.sections:
        if section.usable and section.kind is not None:
            for codec in agreed(section)[0]:
                formats.setdefault(codec.payload_type, codec)
    again = any("nack" in codec.feedback for codec in formats.values() if codec.name.lower() == "opus")
    return [
        replace(codec.as_codec(), nack=again) if codec.redundant else codec.as_codec() for codec in formats.values()
    ]


def _extensions(offer: Remote) -> Mapping[str, int]:
    extensions: dict[str, int] = {}
    for section in offer.sections:
        if section.usable and section.kind is not None:
            extensions.update(agreed(section)[1])
    return extensions
