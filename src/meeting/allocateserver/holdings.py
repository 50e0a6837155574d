"""Who holds which server: scheduled meetings for their time and a while around it, instant ones while they are used.
No I/O and no clock.

Pools and machines on demand choose differently, and keep what they chose here. What changes comes out of `changes` for
the ledger, and back through `restore` after a restart.
"""

from collections.abc import Collection, Iterable, Mapping

from meeting.allocateserver.money import Span
from meeting.allocateserver.values import Booking, Dropped, Sharer


class Holdings:
    """The bookings and sharers of one kind of server."""

    def __init__(self, before: int, after: int, unused: int) -> None:
        """Seconds: a booking holds its server `before` the meeting's begin to `after` its end, a sharer until nobody
        has asked or was there for `unused`.
        """
        self._before = before
        self._after = after
        self._unused = unused
        self._bookings: dict[tuple[str, int, int], Booking] = {}
        self._sharers: dict[str, Sharer] = {}
        self._changes: list[Booking | Sharer | Dropped] = []

    def restore(self, bookings: Iterable[Booking], sharers: Iterable[Sharer], servers: Collection[str]) -> None:
        """Take back what the ledger holds; servers that are ours no more are forgotten."""
        self._bookings = {(each.email, each.begin, each.end): each for each in bookings if each.sfu in servers}
        self._sharers = {each.email: each for each in sharers if each.sfu in servers}

    def changes(self) -> list[Booking | Sharer | Dropped]:
        """What has to be written down since the last call."""
        changes, self._changes = self._changes, []
        return changes

    # -- scheduled meetings -------------------------------------------------------------------------------------------

    @property
    def bookings(self) -> Collection[Booking]:
        """Scheduled meetings that hold a server, now or later."""
        return self._bookings.values()

    def booking(self, email: str, begin: int, end: int) -> Booking | None:
        """That of a meeting."""
        return self._bookings.get((email, begin, end))

    def window(self, begin: int, end: int) -> Span:
        """For how long a meeting holds its server."""
        return begin - self._before, end + self._after

    def during(self, begin: int, end: int) -> list[Booking]:
        """The bookings that hold their server at some moment at which a meeting of these times would."""
        opens, closes = self.window(begin, end)
        return [
            each
            for each in self._bookings.values()
            if each.begin - self._before < closes and opens < each.end + self._after
        ]

    def next_windows(self, now: int) -> Mapping[str, int]:
        """When each server is next held by a meeting whose window has not opened; without those that never are."""
        found: dict[str, int] = {}
        for each in self._bookings.values():
            opens = each.begin - self._before
            if opens > now:
                found[each.sfu] = min(opens, found.get(each.sfu, opens))
        return found

    def keep(self, booking: Booking) -> Booking:
        """A meeting holds this server from now on, and no other."""
        self._bookings[booking.email, booking.begin, booking.end] = booking
        self._changes.append(booking)
        return booking

    def release(self, email: str, begin: int, end: int) -> bool:
        """A meeting does not need its server any more; says whether it had one."""
        booking = self._bookings.pop((email, begin, end), None)
        if booking is not None:
            self._changes.append(Dropped(booking))
        return booking is not None

    # -- owners of instant meetings -----------------------------------------------------------------------------------

    @property
    def sharers(self) -> Collection[Sharer]:
        """Owners of instant meetings that hold a server."""
        return self._sharers.values()

    def sharer(self, email: str) -> Sharer | None:
        """That of an owner."""
        return self._sharers.get(email)

    def touch(self, sharer: Sharer, every: int = 0) -> Sharer:
        """An owner holds this server and it is used. That alone is written down `every` so many seconds."""
        known = self._sharers.get(sharer.email)
        if known is not None and known.sfu == sharer.sfu and sharer.asked_at - known.asked_at < every:
            return known
        self._sharers[sharer.email] = sharer
        self._changes.append(sharer)
        return sharer

    # -- both ---------------------------------------------------------------------------------------------------------

    def held(self, now: int) -> set[str]:
        """The servers that somebody holds now."""
        held = {sharer.sfu for sharer in self._sharers.values()}
        for booking in self._bookings.values():
            opens, closes = self.window(booking.begin, booking.end)
            if opens <= now < closes:
                held.add(booking.sfu)
        return held

    def spans(self, now: int) -> list[Span]:
        """For how long servers will be held from now on."""
        spans = []
        for booking in self._bookings.values():
            opens, closes = self.window(booking.begin, booking.end)
            spans.append((max(opens, now), max(closes, now)))
        return spans + [(now, max(now, sharer.asked_at + self._unused)) for sharer in self._sharers.values()]

    def moments(self) -> list[int]:
        """When somebody begins or ceases to hold a server; past ones too."""
        moments = [moment for each in self._bookings.values() for moment in self.window(each.begin, each.end)]
        return moments + [sharer.asked_at + self._unused for sharer in self._sharers.values()]

    def forget_what_is_over(self, now: int) -> None:
        """Whoever holds nothing any more."""
        for booking in [each for each in self._bookings.values() if each.end + self._after <= now]:
            self.release(booking.email, booking.begin, booking.end)
        for sharer in [each for each in self._sharers.values() if each.asked_at + self._unused <= now]:
            del self._sharers[sharer.email]
            self._changes.append(Dropped(sharer))
