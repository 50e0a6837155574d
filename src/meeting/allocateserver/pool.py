"""Which server serves whom, out of a fixed pool. No I/O and no clock: requests and `now` go in, answers come out.

Times are Unix seconds. What was decided is in `bookings` and `sharers`, and comes back through `restore` after a
restart (docs/protocols/allocation.md).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, get_args

from meeting.daemon.converters import host_port

Use = Literal["scheduled", "instant", "any"]


@dataclass(frozen=True)
class Sfu:
    """One sfuserver of the pool, the turnserver that goes with it, and what it may be used for."""

    address: str
    turn: str = ""
    use: Use = "any"
    meetings: int = 1
    """How many scheduled meetings it may have at the same time."""


@dataclass(frozen=True)
class Booking:
    """A scheduled meeting and its sfuserver. `begin` and `end` are the meeting's own."""

    email: str
    begin: int
    end: int
    sfu: str


@dataclass(frozen=True)
class Sharer:
    """The owner of instant meetings, their sfuserver, and when they last asked."""

    email: str
    sfu: str
    asked_at: int


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
        return booking

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
        return sharer

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
        self._bookings = {key: each for key, each in self._bookings.items() if not self.is_over(each, now)}
        self._sharers = {key: each for key, each in self._sharers.items() if not self.is_over(each, now)}


def pool_tables(sfu: Any, fs: Any) -> tuple[list[Sfu], list[str]]:
    """The `[[sfu]]` and `[[fs]]` tables of the configuration file. Raises ValueError with what to write."""
    sfus = [_sfu(table) for table in _tables("sfu", sfu, {"address", "turn", "use", "meetings"})]
    file_servers = [_address(f"[[fs]] {number}", "address", table) for number, table in _tables("fs", fs, {"address"})]
    for name, addresses in (("sfu", [each.address for each in sfus]), ("fs", file_servers)):
        twice = [address for address, count in Counter(addresses).items() if count > 1]
        if twice:
            raise ValueError(f"[[{name}]] has {twice[0]} twice")
    return sfus, file_servers


def _tables(name: str, value: Any, known: set[str]) -> list[tuple[int, Mapping[str, Any]]]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise ValueError(f"write a [[{name}]] table for each server")
    for number, table in enumerate(value, 1):
        unknown = sorted(table.keys() - known)
        if unknown:
            raise ValueError(f"[[{name}]] {number}: unknown key {unknown[0]!r}; there are {', '.join(sorted(known))}")
    return list(enumerate(value, 1))


def _sfu(numbered: tuple[int, Mapping[str, Any]]) -> Sfu:
    number, table = numbered
    where = f"[[sfu]] {number}"
    use, meetings = table.get("use", "any"), table.get("meetings", 1)
    if use not in get_args(Use):
        raise ValueError(f"{where}: use: write one of {', '.join(get_args(Use))}")
    if not isinstance(meetings, int) or isinstance(meetings, bool) or meetings < 1:
        raise ValueError(f"{where}: meetings: write a whole number, 1 or more")
    turn = _address(where, "turn", table) if table.get("turn") else ""
    return Sfu(_address(where, "address", table), turn, use, meetings)


def _address(where: str, key: str, table: Mapping[str, Any]) -> str:
    try:
        return str(host_port(str(table.get(key, ""))))
    except ValueError as error:
        raise ValueError(f"{where}: {key}: {error}") from None
