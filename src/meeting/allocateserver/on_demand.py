"""Machines that are made when meetings need them, and destroyed afterwards. No I/O and no clock.

Questions, what providers (`machines`) and the hub say, and `now` go in. Out come answers, records for the ledger
(`changes`), what to do (`plan`) and when to come back (`next_at`). Whoever drives this writes the changes down before
doing anything, so that every machine that may exist is in the ledger; after a crash `restore` and the provider's list
tell the rest (docs/protocols/allocation.md).

An address belongs to one machine at a time. Scheduled meetings and the owners of instant ones hold addresses
(`holdings`), and no two the same one at once. An address that is held has a machine; of the machines that nobody holds
some are kept as spares.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from meeting.allocateserver import money
from meeting.allocateserver.holdings import Holdings
from meeting.allocateserver.machines import Machines
from meeting.allocateserver.money import Span
from meeting.allocateserver.values import (
    Action,
    Booking,
    Group,
    Machine,
    Patience,
    Record,
    Refusal,
    SfuServer,
    Sharer,
)

TOUCH_EVERY = 300
"""That an instant meeting is used is written down so often, seconds."""


class OnDemand:
    """The machines of one kind of meeting: who holds which address, and what has to happen."""

    def __init__(
        self,
        group: Group,
        patience: Patience,
        new_id: Callable[[], str],
        afford: Callable[[Span, int], str | None],
        most_bookings: int = 100_000,
    ) -> None:
        """`afford` says why a machine for a span cannot be paid at a moment, or None."""
        self.group = group
        self._patience = patience
        self._afford = afford
        self._most_bookings = most_bookings
        self.machines = Machines(group.use, patience, new_id)
        self.holdings = Holdings(group.before, group.after, group.unused)
        self._idle_since: dict[str, int] = {}

    # -- the ledger -----------------------------------------------------------------------------------------------

    def restore(
        self, bookings: Iterable[Booking], sharers: Iterable[Sharer], machines: Iterable[Machine], now: int
    ) -> None:
        """Take back what the ledger holds. Who was in an instant meeting while nobody looked is seen before it counts
        as unused.
        """
        seen_by = now - self.group.unused + 2 * self._patience.watch
        sharers = [replace(each, asked_at=max(each.asked_at, seen_by)) for each in sharers]
        self.holdings.restore(bookings, sharers, set(self.group.addresses))
        self.machines.restore(machines)

    def changes(self) -> list[Record]:
        """What has to be written down since the last call."""
        return [*self.holdings.changes(), *self.machines.changes()]

    # -- questions ------------------------------------------------------------------------------------------------

    def book(self, email: str, begin: int, end: int, now: int) -> Booking | Refusal:
        """An address for a scheduled meeting; the same question gets the same answer."""
        self.holdings.forget_what_is_over(now)
        span = self.holdings.window(begin, end)
        taken = {each.sfu for each in self.holdings.during(begin, end)}
        known = self.holdings.booking(email, begin, end)
        if known is not None:
            better = [each for each in self._ready_instead(known.sfu) if each not in taken] if span[0] <= now else []
            return self.holdings.keep(replace(known, sfu=better[0])) if better else known
        if len(self.holdings.bookings) >= self._most_bookings:
            return Refusal("Too many meetings are booked.", 60)
        free = [address for address in self.group.addresses if address not in taken]
        if not free:
            return Refusal(f"All {len(self.group.addresses)} machines for scheduled meetings are booked then.", 60)
        near = span[0] <= now
        ahead = Counter(booking.sfu for booking in self.holdings.bookings)
        # What is ready serves whoever needs it at once; whoever comes later leaves it to them.
        if near:
            free = [address for address in free if self._is_vacant(address)]
            if not free:
                return Refusal("All free machines for scheduled meetings are still in use.", 30)
        chosen = min(free, key=lambda address: (self.machines.readiness(address) * (1 if near else -1), ahead[address]))
        dear = self._afford((max(span[0], now), span[1]), now)
        if dear is not None and not (near and self.machines.is_ready(chosen)):
            self.machines.say("error", dear, now)
            return Refusal(dear, 60)
        return self.holdings.keep(Booking(email, begin, end, chosen))

    def release(self, email: str, begin: int, end: int) -> bool:
        """A scheduled meeting does not need its address any more; says whether it had one."""
        return self.holdings.release(email, begin, end)

    def share(self, email: str, now: int) -> Sharer | Refusal:
        """An address for the instant meetings of an owner: theirs as long as it is used."""
        self.holdings.forget_what_is_over(now)
        held = {sharer.sfu for sharer in self.holdings.sharers}
        known = self.holdings.sharer(email)
        if known is None:
            free = [address for address in self.group.addresses if address not in held]
            usable = [address for address in free if self._is_vacant(address) and not self.machines.is_ending(address)]
            if not usable:
                return Refusal(f"All {len(self.group.addresses)} machines for instant meetings are in use.", 30)
            chosen = min(
                usable, key=lambda address: (self.machines.readiness(address), self.machines.rests_until(address))
            )
            dear = self._afford((now, now + self.group.unused), now)
            if dear is not None and not self.machines.is_ready(chosen):
                self.machines.say("error", dear, now)
                return Refusal(dear, 60)
            known = Sharer(email, chosen, now)
        better = [address for address in self._ready_instead(known.sfu) if address not in held]
        moved = replace(known, sfu=better[0] if better else known.sfu, asked_at=now)
        return self.holdings.touch(moved, every=TOUCH_EVERY)

    # -- what was done --------------------------------------------------------------------------------------------

    def seen(self, servers: Iterable[SfuServer], now: int) -> None:
        """What the hub knows of sfuservers."""
        self.machines.seen(servers, now)
        for sharer in list(self.holdings.sharers):
            if self.machines.people(sharer.sfu):
                self.holdings.touch(replace(sharer, asked_at=now), every=TOUCH_EVERY)

    # -- what is to be done ---------------------------------------------------------------------------------------

    def plan(self, now: int, busy: Collection[str] = ()) -> list[Action]:
        """What has to begin now. Write `changes` down first."""
        self.holdings.forget_what_is_over(now)
        self.machines.give_up(now)
        held = self.holdings.held(now)
        for address in sorted(held):
            self._make(address, now, (now, now + 1))
        self._mind_the_idle(held, now)
        return self.machines.actions(now, busy)

    def next_at(self, now: int) -> int | None:
        """When `plan` has something new to say, if nothing else happens."""
        moments = [*self.holdings.moments(), *self.machines.moments()]
        moments += [since + self._patience.hub for since in self._idle_since.values()]
        return min((moment + 1 for moment in moments if moment >= now), default=None)

    def look_in(self) -> int | None:
        """How soon the hub's servers have to be looked at again, seconds; None: not at all."""
        soon = self.machines.look_in()
        if any(since > self.machines.looked_at for since in self._idle_since.values()):
            soon = self._patience.look
        return soon or (self._patience.watch if self.machines else None)

    def spans(self, now: int, until: int) -> list[Span]:
        """What is paid for, or will be, from the machines that are there and the promises given. Up to `until`."""
        spans = [money.span_of(machine, now) for machine in self.machines]
        spans += self.holdings.spans(now)
        idle = len({machine.address for machine in self.machines} - self.holdings.held(now))
        return spans + [(now, max(now, until))] * min(idle, self.group.spares)

    # -- within ---------------------------------------------------------------------------------------------------

    def _ready_instead(self, address: str) -> list[str]:
        """Machines that are ready and empty, if the one at this address is not ready: nobody waits while there are."""
        if self.machines.is_ready(address):
            return []
        return [each for each in self.group.addresses if self.machines.is_ready(each) and self._is_vacant(each)]

    def _is_vacant(self, address: str) -> bool:
        """Whether nobody can be there: not even those whose meeting is over, and who have not left."""
        machine = self.machines.at(address)
        if machine is None or machine.state != "ready":
            return True
        since = self._idle_since.get(machine.id)
        return since is not None and self.machines.looked_at >= since and not self.machines.people(address)

    def _make(self, address: str, now: int, span: Span) -> bool:
        """Begin a machine, unless there is one, it was tried a moment ago, or it cannot be paid."""
        if address in self.machines or self.machines.rests_until(address) > now:
            return False
        dear = self._afford(span, now)
        if dear is not None:
            self.machines.say("error", dear, now)
            self.machines.rest(address, now + 60)
            return False
        self.machines.begin(address, now)
        return True

    def _mind_the_idle(self, held: set[str], now: int) -> None:
        """Keep the spares, destroy what is more than that and surely empty, make what is less."""
        idle = [each for each in self.machines if each.address not in held and each.state != "ending"]
        ids = {machine.id for machine in idle}
        self._idle_since = {key: since for key, since in self._idle_since.items() if key in ids}
        for machine in idle:
            self._idle_since.setdefault(machine.id, now)
        windows = self.holdings.next_windows(now)

        def opens(address: str) -> float:
            return windows.get(address, float("inf"))

        soon = now + self._patience.start
        idle = [each for each in idle if opens(each.address) > soon]
        idle.sort(key=lambda each: (self.machines.readiness(each.address), -opens(each.address), each.id))
        for machine in idle[self.group.spares :]:
            if machine.state in ("starting", "ready") and self._is_empty(machine, now):
                self.machines.end(machine, machine.reason or "not needed any more")
        for _ in range(self.group.spares - len(idle)):
            free = [each for each in self.group.addresses if each not in self.machines and each not in held]
            free = [each for each in free if self.machines.rests_until(each) <= now]
            free = [each for each in free if opens(each) > soon]
            if not free:
                return
            address = max(free, key=opens)
            if not self._make(address, now, (now, now - now % 86_400 + 86_400)):
                return

    def _is_empty(self, machine: Machine, now: int) -> bool:
        """Whether nobody is there, by a look at the hub after it became idle."""
        since = self._idle_since[machine.id]
        if self.machines.looked_at >= since:
            return not self.machines.people(machine.address)
        return now >= since + self._patience.hub
