"""From the rows the native library gives to a PortStatistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from meeting.dataplane.values import (
    LinkStatistics,
    PortStatistics,
    SinkStatistics,
    SourceStatistics,
    ThreadStatistics,
)

__all__ = ["from_rows"]

Row = tuple[Any, ...]
T = TypeVar("T")


def from_rows(rows: Row) -> PortStatistics:
    """`rows` is (uptime, links, sources, sinks, threads, counters), as rust/python/src/media.rs puts it together."""
    uptime, links, sources, sinks, threads, counters = rows
    return PortStatistics(
        uptime=uptime,
        links=_by_id(LinkStatistics, links),
        sources=_by_id(SourceStatistics, sources),
        sinks=_by_id(SinkStatistics, sinks),
        threads=tuple(ThreadStatistics(*row) for row in threads),
        counters=dict(counters),
    )


def _by_id(make: type[T], rows: Iterable[Row]) -> dict[int, T]:
    return {row[0]: make(*row[1:]) for row in rows}
