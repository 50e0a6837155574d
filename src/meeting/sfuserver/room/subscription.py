"""One track on its way to one subscriber."""

from __future__ import annotations

from collections.abc import Sequence

from livekit.protocol.models import TrackSource
from livekit.protocol.rtc import UpdateTrackSettings

from meeting.dataplane.interfaces import ISink
from meeting.sfuserver.negotiation.codecs import Format, payload_type_maps
from meeting.sfuserver.negotiation.description import RemoteSection
from meeting.sfuserver.negotiation.offer_answer import Send, agreed
from meeting.sfuserver.room.connection import Connection
from meeting.sfuserver.room.layers import HIGHEST, NOTHING, wanted_rank
from meeting.sfuserver.room.track import Track

__all__ = ["Subscription"]


class Subscription:
    """Wanted from the start; flows once a section of the subscriber's connection carries it."""

    def __init__(self, track: Track, publisher_sid: str, subscriber_sid: str) -> None:
        self.track = track
        self.publisher_sid = publisher_sid
        self.subscriber_sid = subscriber_sid
        self.sink: ISink | None = None
        self.starved = False
        """Its subscriber's path has no room for it."""
        self._rank = HIGHEST
        self._size = 0
        self._frame_rate: int | None = None
        self._fed: tuple[object, ...] | None = None
        track.subscriptions[subscriber_sid] = self
        track.demanded(NOTHING, HIGHEST)

    def send(self, connection: Connection) -> Send:
        """How a section of ours names it: the stream id carries the track, as some browsers invent track ids."""
        sid = self.track.sid
        rtx = connection.ssrc() if any(codec.rtx_payload_type is not None for codec in self.track.formats) else None
        return Send(f"{self.publisher_sid}|{sid}", sid, connection.ssrc(), rtx)

    def fits(self, formats: Sequence[Format]) -> bool:
        """Whether the subscriber can decode what the publisher sends."""
        return bool(payload_type_maps(self.track.formats, formats)[0])

    def bind(self, connection: Connection, section: RemoteSection, send: Send) -> bool:
        """The section is agreed: make the Sink. False if the subscriber has no codec for the track."""
        formats, extensions = agreed(section)
        payload_types, retransmissions = payload_type_maps(self.track.formats, formats)
        if not payload_types:
            return False
        self.sink = connection.link.add_sink(
            mid=section.mid,
            kind=self.track.kind,
            ssrc=send.ssrc,
            rtx_ssrc=send.rtx_ssrc if retransmissions else None,
            payload_types=payload_types,
            rtx_payload_types=retransmissions,
            extensions=extensions,
        )
        self.refresh()
        return True

    @property
    def paused(self) -> bool:
        """Whether the subscriber does not look at it now."""
        return self._rank == NOTHING

    def adjust(self, settings: UpdateTrackSettings) -> None:
        """How the subscriber looks at it now, if at all; the section stays."""
        rank = wanted_rank(settings, self.track.info.layers)
        self.track.demanded(self._rank, rank)
        self._rank = rank
        self._size = settings.width * settings.height
        self._frame_rate = settings.fps or None
        self.refresh()

    def refresh(self) -> None:
        if self.sink is None:
            return
        encodings = self.track.encodings(self._rank)
        bounded = self.track.has_one_stream and NOTHING < self._rank < HIGHEST
        spatial = self._rank if bounded else None
        wanted = (encodings, self._size, spatial, self._frame_rate)
        if wanted != self._fed and (encodings or self._fed is not None):
            self._fed = wanted
            screen = self.track.info.source == TrackSource.SCREEN_SHARE
            self.sink.feed(*encodings, screen=screen, size=self._size, spatial=spatial, frame_rate=self._frame_rate)

    def unbind(self) -> None:
        """Its section is gone; another may carry it later."""
        if self.sink is not None:
            self.sink.close()
            self.sink = None
            self.starved = False
            self._fed = None

    def close(self) -> None:
        if self.track.subscriptions.pop(self.subscriber_sid, None) is not None:
            self.track.demanded(self._rank, NOTHING)
        self.unbind()
