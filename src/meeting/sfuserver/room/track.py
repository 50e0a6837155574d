"""A published track: what was announced, the encodings that arrive, and who gets it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from livekit.protocol.models import SimulcastCodecInfo, TrackInfo, TrackSource, TrackType
from livekit.protocol.rtc import AddTrackRequest

from meeting.dataplane.interfaces import ISource
from meeting.dataplane.values import Kind
from meeting.sfuserver.negotiation.codecs import Format
from meeting.sfuserver.room.layers import NOTHING, Demand

__all__ = ["Track", "TrackFeed", "track_info"]

LETTER = {
    TrackSource.CAMERA: "C",
    TrackSource.MICROPHONE: "M",
    TrackSource.SCREEN_SHARE: "S",
    TrackSource.SCREEN_SHARE_AUDIO: "s",
}
USUAL_RIDS = {"q": 0, "h": 1, "f": 2}
"""LiveKit's names of the three layers, low to high."""


class TrackFeed(Protocol):
    """A subscription, as its track sees it."""

    def refresh(self) -> None:
        """The encodings that flow have changed."""


@dataclass(slots=True)
class _Layer:
    source: ISource
    rank: int
    flows: bool = False


class Track:
    """Pending until a section of an offer carries it, then live, until that section stops sending."""

    def __init__(
        self,
        request: AddTrackRequest,
        info: TrackInfo,
        heard: Callable[[int], None] = lambda level: None,
        unsettled: Callable[[Track], None] = lambda track: None,
    ) -> None:
        """`heard` gets the audio levels, -dBov; `unsettled` is called when viewers need other encodings than the
        publisher knows of.
        """
        self.request = request
        self.info = info
        self.formats: tuple[Format, ...] = ()
        """As agreed with the publisher."""
        self.subscriptions: dict[str, TrackFeed] = {}
        """By the subscriber's sid."""
        self.demand = Demand()
        self._heard = heard
        self._unsettled = unsettled
        self._layers: dict[int, _Layer] = {}

    @property
    def sid(self) -> str:
        return self.info.sid

    @property
    def kind(self) -> Kind:
        return Kind.AUDIO if self.info.type == TrackType.AUDIO else Kind.VIDEO

    @property
    def cids(self) -> set[str]:
        """The names under which the publisher's offer may speak of it."""
        return {self.request.cid, *(codec.cid for codec in self.request.simulcast_codecs)} - {""}

    @property
    def preferred_codec(self) -> str | None:
        codecs = self.request.simulcast_codecs
        return codecs[0].codec if codecs else None

    def encodings(self, rank: int) -> tuple[ISource, ...]:
        """What may be forwarded to one who needs `rank`, the smallest first: what flows up to it, or the next above.

        A lone one is forwarded at once, before its first packet.
        """
        if rank == NOTHING:
            return ()
        flowing = [layer for layer in self._layers.values() if layer.flows or len(self._layers) == 1]
        flowing.sort(key=lambda layer: layer.rank)
        enough = [layer for layer in flowing if layer.rank <= rank] or flowing[:1]
        return tuple(layer.source for layer in enough)

    @property
    def has_one_stream(self) -> bool:
        """Its sizes, if it has several, are layers of that: no simulcast."""
        return len(self._layers) == 1

    def demanded(self, before: int, after: int) -> None:
        """A subscriber that needed the rank `before` needs `after` now."""
        self.demand.move(before, after)
        if not self.settled:
            self._unsettled(self)

    @property
    def settled(self) -> bool:
        """Whether the publisher knows which encodings are needed. Of sound there is only one."""
        return self.kind is Kind.AUDIO or self.demand.settled

    def negotiated(self, mid: str, formats: Sequence[Format]) -> None:
        self.formats = tuple(formats)
        self.info.mid = mid
        if formats:
            self.info.mime_type = formats[0].mime
            del self.info.codecs[:]
            self.info.codecs.append(
                SimulcastCodecInfo(mime_type=formats[0].mime, mid=mid, cid=self.request.cid, layers=self.info.layers)
            )

    def receives(self, source: ISource, rid: str | None, position: int) -> None:
        """One more encoding is expected; `position` is its place among the offered ones, low to high."""
        rank = USUAL_RIDS.get(rid, position) if rid is not None else position
        self._layers[source.id] = _Layer(source, rank)
        self._refresh()

    def ceases(self, source: ISource) -> None:
        self._layers.pop(source.id, None)
        self._refresh()

    # Receiver

    def source_started(self, source: ISource) -> None:
        self._set_flowing(source, True)

    def source_stopped(self, source: ISource) -> None:
        self._set_flowing(source, False)

    def source_level(self, source: ISource, level: int) -> None:
        if not self.info.muted:
            self._heard(level)

    def _set_flowing(self, source: ISource, flows: bool) -> None:
        layer = self._layers.get(source.id)
        if layer is not None and layer.flows != flows:
            layer.flows = flows
            self._refresh()

    def _refresh(self) -> None:
        for subscription in list(self.subscriptions.values()):
            subscription.refresh()


def track_info(request: AddTrackRequest, new_sid: Callable[[str], str]) -> TrackInfo:
    """The server's first word about a track: what was asked for, under a sid that says what it is."""
    kind = "A" if request.type == TrackType.AUDIO else "V"
    return TrackInfo(
        sid=new_sid(f"TR_{kind}{LETTER.get(request.source, '')}"),
        type=request.type,
        name=request.name,
        muted=request.muted,
        width=request.width,
        height=request.height,
        simulcast=len(request.layers) > 1,
        disable_dtx=request.disable_dtx,
        source=request.source,
        layers=request.layers,
        stereo=request.stereo,
        disable_red=request.disable_red,
        encryption=request.encryption,
        stream=request.stream,
        audio_features=request.audio_features,
        backup_codec_policy=request.backup_codec_policy,
        packet_trailer_features=request.packet_trailer_features,
    )
