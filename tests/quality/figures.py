"""From what a page saw to the figures of a line."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.quality.rows import Goal

FREEZE = 200.0
"""Milliseconds between two frames from which on the gap is a freeze, and counts whole."""

Shown = tuple[float, float | None, int]
"""When a frame was shown and how old it was (ms; None: its clock could not be read), and its width."""


class Figures(NamedTuple):
    """What was measured, in the units of `Goal`."""

    frozen: float
    longest: float
    fps: float
    bitrate: float
    concealed: float
    latency: float
    wide_within: float
    """infinity: never."""
    adapted: float | None = None
    """Seconds from the narrowing until frames are narrower; None: it was not asked."""
    recovered: float | None = None
    """Seconds from the widening until full width is back."""
    busy: float = 0.0
    """Share of the machine's processors in use meanwhile, whoever used them."""


def figures(
    shown: Sequence[Shown], seconds: float, received: float, samples: tuple[float, float], busy: float
) -> Figures:
    """`received`: bytes of video in `seconds`; `samples`: of sound, (all, concealed)."""
    times = [time for time, _, _ in shown]
    gaps = [later - earlier for earlier, later in pairwise(times)] or [seconds * 1000]
    ages = sorted(age for _, age, _ in shown if age is not None)
    return Figures(
        frozen=sum(gap for gap in gaps if gap > FREEZE) / 1000 * 60 / seconds,
        longest=max(gaps),
        fps=len(shown) / seconds,
        bitrate=received * 8 / seconds / 1e6,
        concealed=100 * samples[1] / max(1.0, samples[0]),
        latency=statistics.quantiles(ages, n=20)[-1] if len(ages) > 1 else float("inf"),
        wide_within=float("inf"),
        busy=busy,
    )


def first_at_width(shown: Sequence[Shown], since: float, width: int, *, narrower: bool = False) -> float:
    """Seconds from `since` (ms) until a frame of at least `width` is shown, or of less; infinity: never."""
    found = (time for time, _, wide in shown if time >= since and (wide < width) == narrower)
    return (next(found, float("inf")) - since) / 1000


def missed(goal: Goal, got: Figures) -> list[str]:
    """The names of what was asked for and not reached."""
    most = ("frozen", "longest", "concealed", "latency", "wide_within")
    least = ("fps", "bitrate")
    over = [name for name in most if (limit := getattr(goal, name)) is not None and getattr(got, name) > limit]
    under = [name for name in least if (limit := getattr(goal, name)) is not None and getattr(got, name) < limit]
    return over + under
