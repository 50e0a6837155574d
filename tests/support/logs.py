"""What was logged while something ran."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher


@contextmanager
def captured_events() -> Iterator[list[LogEvent]]:
    """The events logged inside the `with` block, as they come."""
    events: list[LogEvent] = []
    observer = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(observer)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(observer)


def text_of(events: list[LogEvent]) -> str:
    """Everything that any observer could show of `events`: formatted and raw."""
    return "\n".join(f"{formatEvent(event)} {event!r}" for event in events)
