"""Who speaks: raw audio levels in, LiveKit's smoothed speaker deltas out."""

from __future__ import annotations

from dataclasses import dataclass

from livekit.protocol.models import SpeakerInfo

__all__ = ["Speakers"]

ACTIVE_LEVEL = 35
"""-dBov; quieter than this is not speaking."""
SMOOTHING = 0.6
"""The weight of the newest level; a syllable's gap must not switch a ring off."""
SILENT_BELOW = 0.008
"""Linear; a smoothed level below it is silence (about -42 dBov)."""
STEPS = 8
"""Levels are told in eighths, so that a steady voice makes no messages."""


@dataclass(slots=True)
class _Voice:
    newest: float = 0.0
    smoothed: float = 0.0
    told: float = 0.0


class Speakers:
    """One room's voices; levels come as often as they like, `changes` is asked at a steady beat."""

    def __init__(self) -> None:
        self._voices: dict[str, _Voice] = {}

    def heard(self, sid: str, level: int) -> None:
        """A participant's level, -dBov: 0 loud … 127 silent (RFC 6464). Between two beats the loudest counts."""
        voice = self._voices.setdefault(sid, _Voice())
        voice.newest = max(voice.newest, linear(level) if level <= ACTIVE_LEVEL else 0.0)

    def forget(self, sid: str) -> None:
        self._voices.pop(sid, None)

    def active(self) -> list[SpeakerInfo]:
        """Those who speak now, for one who joins."""
        return [_info(sid, voice.told) for sid, voice in self._voices.items() if voice.told]

    def changes(self) -> list[SpeakerInfo]:
        """What is new since the last beat, the loudest first; one who fell silent comes once, inactive."""
        changed = []
        for sid, voice in list(self._voices.items()):
            voice.smoothed += SMOOTHING * (voice.newest - voice.smoothed)
            voice.newest = 0.0
            level = _quantised(voice.smoothed)
            if level != voice.told:
                voice.told = level
                changed.append(_info(sid, level))
            if not level and voice.smoothed < SILENT_BELOW:
                del self._voices[sid]
        return sorted(changed, key=lambda speaker: -speaker.level)


def linear(level: int) -> float:
    """-dBov to 0…1."""
    return float(10 ** (-level / 20))


def _quantised(smoothed: float) -> float:
    """Rounded up to the next step; 0 only for silence."""
    return 0.0 if smoothed < SILENT_BELOW else min(1.0, (int(smoothed * STEPS) + 1) / STEPS)


def _info(sid: str, level: float) -> SpeakerInfo:
    return SpeakerInfo(sid=sid, level=level, active=level > 0)
