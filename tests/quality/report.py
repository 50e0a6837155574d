"""The figures as a table, the last section of docs/performance-loss.md."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.report import aligned
from tests.quality.figures import Figures, missed
from tests.quality.rows import Row

PAGE = Path(__file__).parents[2] / "docs" / "performance-loss.md"
HEADING = "## With Chromium at both ends\n"
TEXT = """\
Written by `make quality`. Chromium with livekit-client publishes a canvas of {width}×{height} at 30 frames/s in
three layers, the highest of {rate} kbit/s, with a clock drawn into each frame, and a tone with RED; another
Chromium shows the highest layer and reads the clock in each frame that it shows. Between them and the sfuserver
stands a switch (`rust/load/src/switch.rs`) with the simulator's seeded paths; what is named is bad in both
directions of the subscriber's leg, or of the publisher's where it says so. {seconds:.0f} s a row, after 12 s for
the publisher and 6 s for the subscriber to begin. Stars are goals missed; after a slash stands the goal.

{table}

Measured {day} on {cores} cores (load {load:.1f} at the end), where both browsers encode and decode in software:
`busy` is how much of all processors was in use, by whomever. **From about 90 % on, frames/s, freezes and latency
tell of the machine rather than of the network**, and the encoder lowers frames or size by itself; `ARGS='--width
640'` needs a quarter of it.
"""
HEAD = (
    "path",
    "frozen s/min",
    "longest gap ms",
    "frames/s",
    "Mbit/s",
    "sound concealed %",
    "latency p95 ms",
    "full width",
    "busy",
)


def table(measured: Sequence[tuple[Row, Figures]]) -> list[str]:
    """Markdown, a line a row below the two of the head."""
    return aligned(HEAD, [_cells(row, got) for row, got in measured])


def _cells(row: Row, got: Figures) -> tuple[str, ...]:
    short = missed(row.goal, got)

    def cell(name: str, form: str) -> str:
        goal = getattr(row.goal, name)
        text = format(getattr(got, name), form) + ("*" if name in short else "")
        return text if goal is None else f"{text} / {format(goal, form)}"

    width = f"{cell('wide_within', '.1f')} s"
    if got.adapted is not None and got.recovered is not None:
        width = f"down after {got.adapted:.1f} s / 3, up {got.recovered:.1f} s / 10"
    figures = (cell("frozen", ".1f"), cell("longest", ".0f"), cell("fps", ".1f"), cell("bitrate", ".2f"))
    return (row.name, *figures, cell("concealed", ".2f"), cell("latency", ".0f"), width, f"{got.busy:.0%}")


def write(measured: Sequence[tuple[Row, Figures]], size: tuple[int, int], rate: int, seconds: float) -> None:
    """Replaces the section."""
    text = TEXT.format(
        width=size[0],
        height=size[1],
        rate=rate,
        seconds=seconds,
        table="\n".join(table(measured)),
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        cores=os.cpu_count(),
        load=os.getloadavg()[0],
    )
    before = PAGE.read_text().partition(HEADING)[0].rstrip()
    PAGE.write_text(f"{before}\n\n{HEADING}\n{text}")
