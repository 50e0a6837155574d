"""How good each participant's connection is: from what was lost and how long a round trip takes, both ways.

The score is 0 to 100, in the manner of ITU-T G.107: it falls with what the network lost, more with what nobody could
mend, and with delay. It needs no subscriber: who only speaks into an empty room is judged by what arrives here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from livekit.protocol.models import ConnectionQuality
from livekit.protocol.rtc import ConnectionQualityInfo

from meeting.dataplane.values import PortStatistics

__all__ = ["Health", "Qualities", "healths", "score"]

EXCELLENT, GOOD = 80.0, 50.0
"""From these scores on."""
MARGIN = 5.0
"""A class is left when the score is beyond its border by this much: no flapping."""
FALLS, RISES = 0.7, 0.3
"""The weight of a new score: a fault shows soon, its end when it has lasted."""


@dataclass(frozen=True, slots=True)
class Health:
    """One Link between two snapshots. Shares are 0 … 1."""

    lost: float = 0.0
    """Of the packets that were sent either way, the way that is worse."""
    unmended: float = 0.0
    """Of the packets from the peer, those that never came although asked for again."""
    round_trip: float = 0.0
    """Seconds."""


def healths(before: PortStatistics, after: PortStatistics) -> dict[int, Health]:
    """By Link, of those that are in both snapshots."""
    came: dict[int, int] = defaultdict(int)
    mended: dict[int, int] = defaultdict(int)
    never: dict[int, int] = defaultdict(int)
    for id_, source in after.sources.items():
        was = before.sources.get(id_)
        if was is not None:
            came[source.link] += source.packets - was.packets
            mended[source.link] += source.repaired - was.repaired
            never[source.link] += source.lost - was.lost
    sent: dict[int, int] = defaultdict(int)
    missed: dict[int, float] = defaultdict(float)
    for id_, sink in after.sinks.items():
        earlier = before.sinks.get(id_)
        if earlier is not None:
            packets = sink.packets - earlier.packets
            sent[sink.link] += packets
            missed[sink.link] += packets * sink.fraction_lost
    return {
        id_: Health(
            lost=max(
                _share(mended[id_] + never[id_], came[id_] + never[id_]),
                _share(missed[id_], sent[id_]),
            ),
            unmended=_share(never[id_], came[id_] + never[id_]),
            round_trip=link.round_trip or 0.0,
        )
        for id_, link in after.links.items()
        if id_ in before.links
    }


def score(health: Health) -> float:
    """0 … 100. 5 % of loss that is mended still is excellent for pictures, 12 % good; delay counts from 300 ms on."""
    delay = max(0.0, health.round_trip - 0.3) * 100
    return max(0.0, 100.0 - 400 * health.lost - 600 * health.unmended - delay)


class Qualities:
    """One room's participants; scores come at a steady beat, `changes` says what is new."""

    def __init__(self) -> None:
        self._scores: dict[str, float] = {}
        self._told: dict[str, ConnectionQualityInfo] = {}
        self._news: set[str] = set()

    def measured(self, sid: str, links: Iterable[Health]) -> None:
        """A participant's Links; the worst counts."""
        newest = min((score(health) for health in links), default=100.0)
        smoothed = self._scores.get(sid, newest)
        smoothed += (FALLS if newest < smoothed else RISES) * (newest - smoothed)
        self._scores[sid] = smoothed
        told = self._told.get(sid)
        self._tell(sid, _class(smoothed, None if told is None else told.quality), smoothed)

    def away(self, sid: str) -> None:
        """The participant cannot be reached now."""
        self._scores.pop(sid, None)
        self._tell(sid, ConnectionQuality.LOST, 0.0)

    def forget(self, sid: str) -> None:
        self._scores.pop(sid, None)
        self._told.pop(sid, None)
        self._news.discard(sid)

    def all(self) -> list[ConnectionQualityInfo]:
        """For one who joins."""
        return list(self._told.values())

    def changes(self) -> list[ConnectionQualityInfo]:
        """What is new since the last time."""
        news, self._news = self._news, set()
        return [self._told[sid] for sid in news]

    def _tell(self, sid: str, quality: ConnectionQuality, value: float) -> None:
        told = self._told.get(sid)
        if told is None or told.quality != quality:
            self._told[sid] = ConnectionQualityInfo(participant_sid=sid, quality=quality, score=value / 20)
            self._news.add(sid)


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def _class(value: float, told: ConnectionQuality | None) -> ConnectionQuality:
    """The class of a score, seen from the one that was told."""
    excellent, good = EXCELLENT, GOOD
    if told == ConnectionQuality.EXCELLENT:
        excellent -= MARGIN
    elif told in (ConnectionQuality.GOOD, ConnectionQuality.POOR):
        excellent += MARGIN
        good += MARGIN if told == ConnectionQuality.POOR else -MARGIN
    if value >= excellent:
        return ConnectionQuality.EXCELLENT
    return ConnectionQuality.GOOD if value >= good else ConnectionQuality.POOR
