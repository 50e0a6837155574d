"""Lets the reactor wait for the native library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["EventReader"]


@implementer(IReadDescriptor)
class EventReader:
    """Takes a whole batch of events whenever the library's eventfd is readable."""

    def __init__(
        self,
        descriptor: int,
        take: Callable[[], Sequence[tuple[Any, ...]]],
        hear: Callable[[tuple[Any, ...]], None],
    ) -> None:
        self._descriptor = descriptor
        self._take = take
        self._hear = hear

    def fileno(self) -> int:
        """The descriptor stays the library's: it is never closed here."""
        return self._descriptor

    def doRead(self) -> None:
        """Called by the reactor."""
        for event in self._take():
            self._hear(event)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor is shutting down; the Port is closed by its owner."""

    def logPrefix(self) -> str:
        """For the log."""
        return "dataplane"
