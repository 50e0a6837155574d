"""Which server serves whom, out of a fixed pool. No I/O and no clock: requests and `now` go in, answers come out.

Times are Unix seconds (docs/protocols/allocation.md).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from meeting.allocateserver.holdings import Holdings
from meeting.allocateserver.values import Booking, Record, Sharer, Use

PoolUse = Literal["scheduled", "instant", "any"]


@dataclass(frozen=True)
class Sfu:
    """One sfuserver of the pool, the turnserver that goes with it, and what it may be used for."""

    address: str
    turn: str = ""
    use: PoolUse = "any"
    meetings: int = 1
    """How many scheduled meetings it may have at the same time."""


@dataclass(frozen=True)
class Times:
    """All in seconds: how long before and after a meeting its server is kept, and an instant owner's after the last
    request."""

    lead: int = 600
    lag: int = 1800
    share: int = 3 * 3600


class Pool:
    """The servers and who has them."""

    def __init__(self, sfus: Sequence[Sfu], fs: Sequence[str], times: Times, most_bookings: int = 100_000) -> None:
        self._sfus = {sfu.address: sfu for sfu in sfus}
        self._fs = tuple(fs)
        self._most_bookings = most_bookings
        self._holdings = Holdings(times.lead, times.lag, times.share)

    def restore(self, bookings: Iterable[Booking], sharers: Iterable[Sharer]) -> None:
        """Take back what was decided before a restart; servers that have left the pool are forgotten."""
        self._holdings.restore(bookings, sharers, self._sfus.keys())

    def book(self, email: str, begin: int, end: int, now: int) -> Booking | None:
        """An sfuserver for the meeting; the same question gets the same answer. None: none is free."""
        self._holdings.forget_what_is_over(now)
        known = self._holdings.booking(email, begin, end)
        if known is not None:
            return known
        if len(self._holdings.bookings) >= self._most_bookings:
            return None
        taken = Counter(booking.sfu for booking in self._holdings.during(begin, end))
        free = [sfu for sfu in self._for("scheduled") if taken[sfu.address] < sfu.meetings]
        if not free:
            return None
        ahead = Counter(booking.sfu for booking in self._holdings.bookings)
        chosen = min(free, key=lambda sfu: (sfu.use == "any", ahead[sfu.address]))
        return self._holdings.keep(Booking(email, begin, end, chosen.address))

    def release(self, email: str, begin: int, end: int) -> bool:
        """A scheduled meeting does not need its sfuserver any more; says whether it had one."""
        return self._holdings.release(email, begin, end)

    def share(self, email: str, now: int) -> Sharer | None:
        """An sfuserver for an owner's instant meetings: theirs if they have one, else the one with fewest owners."""
        self._holdings.forget_what_is_over(now)
        known = self._holdings.sharer(email)
        if known is None:
            candidates = self._for("instant")
            if not candidates:
                return None
            owners = Counter(sharer.sfu for sharer in self._holdings.sharers)
            chosen = min(candidates, key=lambda sfu: (sfu.use == "any", owners[sfu.address]))
            known = Sharer(email, chosen.address, now)
        return self._holdings.touch(Sharer(email, known.sfu, now))

    def changes(self) -> Sequence[Record]:
        """What has to be written down since the last call."""
        return self._holdings.changes()

    def file_server(self, email: str) -> str | None:
        """Always the same fsserver for a person, evenly spread; a new server takes only its share (rendezvous hash)."""
        return max(self._fs, key=lambda address: sha256(f"{address}\n{email}".encode()).digest(), default=None)

    def turn_of(self, sfu: str) -> str:
        """The turnserver beside an sfuserver; empty: none."""
        return self._sfus[sfu].turn

    @property
    def bookings(self) -> Collection[Booking]:
        """Scheduled meetings that hold a server."""
        return self._holdings.bookings

    @property
    def sharers(self) -> Collection[Sharer]:
        """Owners of instant meetings that hold a server."""
        return self._holdings.sharers

    def _for(self, use: Use) -> list[Sfu]:
        return [sfu for sfu in self._sfus.values() if sfu.use in (use, "any")]
