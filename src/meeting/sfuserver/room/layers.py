"""Which of a track's encodings a viewer needs, and which of them anybody needs (dynacast)."""

from __future__ import annotations

from collections.abc import Sequence

from livekit.protocol.models import VideoLayer, VideoQuality
from livekit.protocol.rtc import SubscribedCodec, SubscribedQuality, SubscribedQualityUpdate, UpdateTrackSettings

__all__ = ["HIGHEST", "NOTHING", "Demand", "quality_update", "wanted_rank"]

NOTHING, HIGHEST = -1, 2
"""Ranks of encodings: 0, 1 and 2 are LiveKit's qualities LOW, MEDIUM and HIGH; nothing at all is less than LOW."""
FALL_SECONDS = 5.0
"""A publisher is told that a layer is not needed after this long: who scrolls through a grid changes nothing."""


def wanted_rank(settings: UpdateTrackSettings, layers: Sequence[VideoLayer]) -> int:
    """The rank a viewer with these settings needs, of a track announced with these layers.

    By the size it is shown in, where the client says it: the smallest layer whose shorter side is not shorter than the
    picture's, as a picture is cut to fill its tile. Else by the quality it asks for.
    """
    if settings.disabled or settings.quality == VideoQuality.OFF:
        return NOTHING
    shown = min(settings.width, settings.height)
    if not shown:
        return min(settings.quality, HIGHEST)
    enough = (layer.quality for layer in layers if min(layer.width, layer.height) >= shown)
    return min((quality for quality in enough if quality <= HIGHEST), default=HIGHEST)


class Demand:
    """How many viewers need each rank, and what the publisher was told of it."""

    def __init__(self) -> None:
        self._viewers = [0] * (HIGHEST + 1)
        self._told = HIGHEST  # a publisher that was told nothing sends all it has
        self._less_since: float | None = None

    def move(self, before: int, after: int) -> None:
        """A viewer that needed the rank `before` needs `after` now."""
        if before != NOTHING:
            self._viewers[before] -= 1
        if after != NOTHING:
            self._viewers[after] += 1

    @property
    def highest(self) -> int:
        """The highest rank that somebody needs."""
        return max((rank for rank, viewers in enumerate(self._viewers) if viewers), default=NOTHING)

    @property
    def settled(self) -> bool:
        """Whether the publisher knows."""
        return self.highest == self._told

    def news(self, now: float) -> int | None:
        """The highest rank to tell the publisher of now: a rise at once, a fall when it has lasted."""
        highest = self.highest
        if highest >= self._told:
            self._less_since = None
        elif self._less_since is None:
            self._less_since = now
        if highest == self._told or (self._less_since is not None and now - self._less_since < FALL_SECONDS):
            return None
        self._less_since = None
        self._told = highest
        return highest


def quality_update(track_sid: str, mime_type: str, highest: int) -> SubscribedQualityUpdate:
    """What the publisher is told; `subscribed_qualities` is for clients that know no codecs there."""
    qualities = [
        SubscribedQuality(quality=quality, enabled=quality <= highest)
        for quality in (VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH)
    ]
    codec = SubscribedCodec(codec=mime_type.rpartition("/")[2].lower(), qualities=qualities)
    return SubscribedQualityUpdate(track_sid=track_sid, subscribed_qualities=qualities, subscribed_codecs=[codec])
