"""What `make quality` makes of the frames that a page has shown."""

from __future__ import annotations

import pytest

from tests.quality.figures import Shown, figures, first_at_width, missed
from tests.quality.rows import ROWS, Goal, asked


def frames(*times: float, width: int = 1280) -> list[Shown]:
    return [(time, 50.0, width) for time in times]


def test_a_gap_is_a_freeze_from_200_ms_on_and_counts_whole() -> None:
    got = figures(frames(0, 33, 233, 534, 567), 30.0, 0, (0, 0), 0.5)
    assert got.frozen == pytest.approx(0.301 * 2)
    assert got.longest == 301


def test_rates_and_shares_are_of_the_time_measured() -> None:
    got = figures(frames(*range(0, 10_000, 40)), 10.0, 1_250_000, (480_000, 4_800), 0.5)
    assert (got.fps, got.bitrate, got.concealed, got.latency) == (25.0, 1.0, 1.0, 50.0)


def test_who_saw_nothing_saw_one_long_freeze() -> None:
    got = figures([], 60.0, 0, (0, 0), 0.5)
    assert (got.frozen, got.longest, got.fps) == (60.0, 60_000, 0.0)


def test_the_first_frame_of_a_width_is_looked_for_from_a_moment_on() -> None:
    shown = frames(0, 100) + frames(200, width=640) + frames(900)
    assert first_at_width(shown, 50, 1280) == 0.05
    assert first_at_width(shown, 50, 1280, narrower=True) == 0.15
    assert first_at_width(shown, 150, 1280) == 0.75
    assert first_at_width(shown, 1000, 1280) == float("inf")


def test_what_was_not_reached_is_named() -> None:
    got = figures(frames(*range(0, 10_000, 40)), 10.0, 1_250_000, (480_000, 4_800), 0.5)
    assert missed(Goal(fps=28.0, concealed=0.5, bitrate=1.0, latency=60.0), got) == ["concealed", "fps"]


def test_of_a_smaller_picture_less_bitrate_is_asked_and_nothing_else() -> None:
    row = next(row for row in ROWS if row.goal.bitrate == 1.5)
    assert asked(row, share=0.25).goal == Goal(frozen=3.0, fps=28.0, bitrate=0.375, concealed=0.3)
