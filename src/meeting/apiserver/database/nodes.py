"""Which of several addresses of one database to connect to: the first that works, and back to it when it does again."""

from collections.abc import Callable, Sequence
from threading import Lock

from meeting.daemon.converters import HostPort

#: Seconds a node that failed is not tried: the first time, and at most (doubled each time in between).
FIRST_REST = 5.0
LONGEST_REST = 300.0


class Nodes:
    """The addresses, in the order of preference. Used by many threads.

    A node whose rest is over is tried by one caller, for whom it may well be dead still; the others wait for that
    one's news with a node that works.
    """

    def __init__(self, addresses: Sequence[HostPort], seconds: Callable[[], float]) -> None:
        """`seconds`: what time it is."""
        self._addresses = tuple(addresses)
        self._seconds = seconds
        self._lock = Lock()
        self._rests: dict[HostPort, float] = {}
        self._until: dict[HostPort, float] = {}
        self._tried: set[HostPort] = set()

    def order(self) -> list[HostPort]:
        """Whom to try, one after the other."""
        with self._lock:
            now = self._seconds()
            resting = [each for each in self._addresses if now < self._until.get(each, now)]
            for each in set(self._until).difference(resting):
                self._until[each] = now + self._rests[each]  # the caller finds out
                self._tried.add(each)
            able = [each for each in self._addresses if each not in resting]
            return [*able, *sorted(resting, key=lambda each: self._until[each])]

    def is_best(self, address: HostPort) -> bool:
        """Whether no node before this one is worth a try now."""
        with self._lock:
            now = self._seconds()
            better = self._addresses[: self._addresses.index(address)]
            return all(now < self._until.get(each, now) for each in better)

    def failed(self, address: HostPort) -> None:
        """This one refused, was silent or said it is of no use."""
        with self._lock:
            now = self._seconds()
            if now < self._until.get(address, now) and address not in self._tried:
                return  # the same failure, seen by another thread
            self._tried.discard(address)
            rest = self._rests.get(address)
            self._rests[address] = FIRST_REST if rest is None else min(rest * 2, LONGEST_REST)
            self._until[address] = now + self._rests[address]

    def worked(self, address: HostPort) -> None:
        """This one let us in."""
        with self._lock:
            self._rests.pop(address, None)
            self._until.pop(address, None)
            self._tried.discard(address)
