"""What the fsserver wants of a place that keeps bytes. Objects never change: an id is written once."""

from typing import Any

from zope.interface import Interface

from meeting.daemon.errors import MeetingError, PleaseWait


class NoSpace(MeetingError):
    """The place is full, or would be."""

    status = 507
    problem = "no-space"
    title = "The file server has no space left."


class StoreFailed(PleaseWait):
    """The place did not do what it was asked to; the log says why."""

    problem = "store"
    title = "The file server cannot reach its files just now."


class IStore(Interface):
    """A place for objects. Its coroutines raise NoSpace or StoreFailed, nothing else."""

    def begin() -> Any:
        """An `IPart` for a new object; touches nothing yet."""

    def open(id: str) -> Any:
        """Await: the `IStored` object, or None when there is none."""

    def check_space(size: int) -> None:
        """:raise NoSpace: `size` more bytes do not fit, or would leave less than the floor."""

    def remove(id: str) -> Any:
        """Await: there is no such object any more, also after a power cut. Whoever reads it just now reads on."""

    def sweep(older_than: float) -> Any:
        """Await: how many parts that nobody has touched for `older_than` seconds were removed."""


class IPart(Interface):
    """An object that is being written. After `commit` or `abort` it is used up."""

    def write(data: bytes) -> Any:
        """Await: `data` is appended."""

    def commit(id: str) -> Any:
        """Await: the object has this id and survives a power cut. False: the id is taken; the part is as before."""

    def abort() -> Any:
        """Await: nothing is left of it."""


class IStored(Interface):
    """An object that is being read; has `size: int` (bytes)."""

    def read(offset: int, size: int) -> Any:
        """Await: up to `size` bytes from `offset`; empty at the end."""

    def close() -> None:
        """No more will be read. A read that is under way ends first."""
