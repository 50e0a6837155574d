"""The lines of the table: how bad the network is, and what is asked for then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Goal:
    """At most so much, or at least; None: nothing is asked."""

    frozen: float | None = None
    """Seconds a minute."""
    longest: float | None = None
    """Milliseconds between two frames."""
    fps: float | None = None
    bitrate: float | None = None
    """Mbit/s."""
    concealed: float | None = None
    """Percent of the sound."""
    latency: float | None = None
    """Milliseconds, p95."""
    wide_within: float | None = None
    """Seconds until the full width is seen first."""


@dataclass(frozen=True)
class Row:
    """One run. Orders are for the switch (rust/load/src/switch.rs), each after a share of the row's time."""

    name: str
    goal: Goal
    subscriber: Sequence[tuple[float, str]] = ()
    publisher: Sequence[tuple[float, str]] = ()
    narrow: bool = False
    """The path narrows and widens again: what is asked is about that."""


#: A queue of 200 ms, as home routers have.
_WIDE, _NARROW = "delay=40 rate=4000000 buffer=100000", "delay=40 rate=500000 buffer=12500"
#: Bursts of ten packets that lose one in twenty.
_BURSTS = "delay=40 burst=0.00526 burst_length=10"

ROWS = (
    Row("clean", Goal(frozen=0.0, fps=29.5, latency=60.0, wide_within=4.0)),
    Row("5 % lost", Goal(frozen=3.0, fps=28.0, bitrate=1.5, concealed=0.3), [(0, "delay=40 loss=0.05")]),
    Row("10 % lost", Goal(frozen=8.0, fps=27.0, bitrate=1.0, concealed=0.6), [(0, "delay=40 loss=0.1")]),
    Row("20 % lost", Goal(frozen=20.0, longest=1000.0, bitrate=0.5, concealed=4.0), [(0, "delay=40 loss=0.2")]),
    Row("bursts of 10, 5 %", Goal(frozen=2.0, bitrate=1.65, concealed=2.5), [(0, _BURSTS)]),
    Row(
        "4 Mbit/s → 500 kbit/s → 4 Mbit/s",
        Goal(frozen=2.0, concealed=0.5, fps=15.0),
        [(0, _WIDE), (1 / 3, _NARROW), (2 / 3, _WIDE)],
        narrow=True,
    ),
    Row(
        "5 % lost from the publisher",
        Goal(frozen=3.0, fps=29.5, bitrate=1.0, concealed=0.2),
        publisher=[(0, "delay=40 loss=0.05")],
    ),
    Row("60 ms of ordered jitter", Goal(frozen=0.0, concealed=0.1), [(0, "jitter=60")]),
)


def asked(row: Row, *, share: float) -> Row:
    """The row for a picture whose highest layer has this share of 1.7 Mbit/s: less bitrate is asked then."""
    rate = row.goal.bitrate
    return row if rate is None else replace(row, goal=replace(row.goal, bitrate=rate * share))
