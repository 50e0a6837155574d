"""Which server serves whom, out of a fixed pool. No I/O and no clock: requests and `now` go in, answers come out.

Times are Unix seconds. What was decided is in `bookings` and `sharers`, and comes back through `restore` after a
restart (docs/protocols/allocation.md).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from meeting.allocateserver.values import Booking, Dropped, Record, Sharer, Use

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
        self._times = times
        self._most_bookings = most_bookings
        self._bookings: dict[tuple[str, int, int], Booking] = {}
        self._sharers: dict[str, Sharer] = {}
        self._changes: list[Record] = []

    def restore(self, bookings: Iterable[Booking], sharers: Iterable[Sharer]) -> None:
        """Take back what was decided before a restart; servers that have left the pool are forgotten."""
        for booking in bookings:
            if booking.sfu in self._sfus:
                self._bookings[booking.email, booking.begin, booking.end] = booking
        for sharer in sharers:
            if sharer.sfu in self._sfus:
                self._sharers[sharer.email] = sharer

    def book(self, email: str, begin: int, end: int, now: int) -> Booking | None:
        """An sfuserver for the meeting; the same question gets the same answer. None: none is free."""
        self._forget_what_is_over(now)
        known = self._bookings.get((email, begin, end))
        if known is not None:
            return known
        if len(self._bookings) >= self._most_bookings:
            return None
        taken = Counter(booking.sfu for booking in self._bookings.values() if self._overlap(booking, begin, end))
        free = [sfu for sfu in self._for("scheduled") if taken[sfu.address] < sfu.meetings]
        if not free:
            return None
        ahead = Counter(booking.sfu for booking in self._bookings.values())
        chosen = min(free, key=lambda sfu: (sfu.use == "any", ahead[sfu.address]))
        booking = Booking(email, begin, end, chosen.address)
        self._bookings[email, begin, end] = booking
        self._changes.append(booking)
        return booking

    def release(self, email: str, begin: int, end: int) -> bool:
        """A scheduled meeting does not need its sfuserver any more; says whether it had one."""
        booking = self._bookings.pop((email, begin, end), None)
        if booking is not None:
            self._changes.append(Dropped(booking))
        return booking is not None

    def share(self, email: str, now: int) -> Sharer | None:
        """An sfuserver for an owner's instant meetings: theirs if they have one, else the one with fewest owners."""
        self._forget_what_is_over(now)
        known = self._sharers.get(email)
        if known is None:
            candidates = self._for("instant")
            if not candidates:
                return None
            owners = Counter(sharer.sfu for sharer in self._sharers.values())
            chosen = min(candidates, key=lambda sfu: (sfu.use == "any", owners[sfu.address]))
            known = Sharer(email, chosen.address, now)
        self._sharers[email] = sharer = Sharer(email, known.sfu, now)
        self._changes.append(sharer)
        return sharer

    def changes(self) -> list[Record]:
        """What has to be written down since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def file_server(self, email: str) -> str | None:
        """Always the same fsserver for a person, evenly spread; a new server takes only its share (rendezvous hash)."""
        return max(self._fs, key=lambda address: sha256(f"{address}\n{email}".encode()).digest(), default=None)

    def turn_of(self, sfu: str) -> str:
        """The turnserver beside an sfuserver; empty: none."""
        return self._sfus[sfu].turn

    @property
    def bookings(self) -> Sequence[Booking]:
        """Scheduled meetings that hold a server."""
        return tuple(self._bookings.values())

    @property
    def sharers(self) -> Sequence[Sharer]:
        """Owners of instant meetings that hold a server."""
        return tuple(self._sharers.values())

    def is_over(self, held: Booking | Sharer, now: int) -> bool:
        """Whether a server is no longer held."""
        if isinstance(held, Booking):
            return held.end + self._times.lag < now
        return held.asked_at + self._times.share < now

    def _for(self, use: Use) -> list[Sfu]:
        return [sfu for sfu in self._sfus.values() if sfu.use in (use, "any")]

    def _overlap(self, booking: Booking, begin: int, end: int) -> bool:
        before, after = self._times.lead, self._times.lag
        return booking.begin - before < end + after and begin - before < booking.end + after

    def _forget_what_is_over(self, now: int) -> None:
        for booking in [each for each in self._bookings.values() if self.is_over(each, now)]:
            del self._bookings[booking.email, booking.begin, booking.end]
            self._changes.append(Dropped(booking))
        for sharer in [each for each in self._sharers.values() if self.is_over(each, now)]:
            del self._sharers[sharer.email]
            self._changes.append(Dropped(sharer))
