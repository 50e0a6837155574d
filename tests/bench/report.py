"""The figures as one table, and docs/performance.md written anew around them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.forwarding import Round, Scenario, python_cost, ratio, row
from tests.bench.joining import Crowd, Joins, crowd_rows, lean_rows, sdk_rows

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
TEXT = """\
# What it costs

Written by `make bench`; [how it measures](../tests/bench/README.md). Compare ratios: nanoseconds are the machine's.

{tables}

{surroundings}"""
SURROUNDINGS = """\
Measured {day} on {processor}, {cores} cores, Linux {kernel}, Python {python}; load {before} when it began and {after}
when it ended. Everything ran on this one machine over loopback, the load generator and the clients included:
latencies contain their waiting for a processor, CPU times do not.
"""


Forwarded = tuple[Scenario, list[Round], list[Round]]
"""A scenario with the engine's rounds and the bare loop's."""


@dataclass(frozen=True)
class Conditions:
    """What the figures depend on."""

    at: datetime
    load: float
    """Of the last minute."""

    @classmethod
    def now(cls) -> Conditions:
        return cls(datetime.now(UTC), os.getloadavg()[0])


def tables(seconds: float, forwarded: Sequence[Forwarded], lean: Joins, crowd: Crowd, sdk: Joins) -> str:
    """Markdown that also reads well in a terminal."""
    costs = aligned(
        ("scenario and row", "CPU ns/packet", "packets", "a turn", "lost", "p50 µs", "p99 µs"),
        [
            cells
            for scenario, engine, bare in forwarded
            for cells in (row(f"{scenario.name}; media thread", engine), row("… bare loop", bare))
        ],
    )
    ratios = aligned(
        ("scenario", "media thread / bare loop", "goal, at most", "Python beside it, a packet"),
        [
            (scenario.name, f"{ratio(engine, bare):.2f}", f"{scenario.goal:.1f}", f"{python_cost(engine):.0f} ns")
            for scenario, engine, bare in forwarded
        ],
    )
    return "\n".join(
        [
            f"Forwarding, {len(forwarded[0][1])} rounds of {seconds:g} s each, media thread and bare loop in turns:",
            "",
            *costs,
            "",
            "The median of the rounds' ratios:",
            "",
            *ratios,
            "",
            f"Joining with a client that decodes nothing, {lean.count} times one after another, while somebody with a",
            "camera and a microphone is in the room; and many at once, while one person speaks:",
            "",
            *aligned(("what", "figure", "goal, at most"), [*lean_rows(lean), *crowd_rows(crowd)]),
            "",
            f"And {sdk.count} times with LiveKit's SDK, which decodes and plays:",
            "",
            *aligned(("what", "figure"), sdk_rows(sdk)),
        ]
    )


def aligned(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines."""
    widths = [max(len(line[at]) for line in (head, *body)) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        return "| " + " | ".join([first, *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]) + " |"

    rule = "| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |"
    return [line(head), rule, *(line(cells) for cells in body)]


def write(text: str, before: Conditions, after: Conditions) -> None:
    """Replaces docs/performance.md."""
    PAGE.write_text(TEXT.format(tables=text, surroundings=surroundings(before, after)))


def surroundings(before: Conditions, after: Conditions) -> str:
    """When and on what the figures were measured."""
    return SURROUNDINGS.format(
        day=f"{before.at:%Y-%m-%d}",
        processor=_processor(),
        cores=os.cpu_count(),
        kernel=platform.release().split("-")[0],
        python=platform.python_version(),
        before=f"{before.load:.1f}",
        after=f"{after.load:.1f}",
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
