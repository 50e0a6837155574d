"""All machines on demand: both kinds of meetings, one budget, one provider. No I/O and no clock."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from meeting.allocateserver import money
from meeting.allocateserver.money import Span
from meeting.allocateserver.on_demand import OnDemand
from meeting.allocateserver.values import (
    Action,
    Booking,
    Budget,
    Destroy,
    Found,
    Group,
    Machine,
    Note,
    Patience,
    Record,
    SfuServer,
    Sharer,
    Use,
)


class Fleet:
    """The machines, by the kind of meeting."""

    def __init__(
        self, groups: Sequence[Group], budget: Budget, patience: Patience, ledger: str, new_id: Callable[[], str]
    ) -> None:
        """`ledger`: the name that our machines carry as a tag."""
        self.kinds: dict[Use, OnDemand] = {
            group.use: OnDemand(group, patience, new_id, self._afford) for group in groups
        }
        self.orphans: tuple[Found, ...] = ()
        """Machines that carry another ledger's tag, as last listed: reported, never touched."""
        self._budget = budget
        self._ledger = ledger
        self._spent: Counter[str] = Counter()
        self._notes: list[Note] = []

    def restore(
        self, bookings: Iterable[Booking], sharers: Iterable[Sharer], machines: Iterable[Machine], now: int
    ) -> None:
        """Take back what the ledger holds: machines that are gone count as spent."""
        bookings, sharers, machines = list(bookings), list(sharers), list(machines)
        for use, kind in self.kinds.items():
            kind.restore(bookings, sharers, [each for each in machines if each.use == use], now)
        self._spend(each for each in machines if each.state == "gone")

    def changes(self) -> list[Record]:
        """What has to be written down since the last call."""
        changes = [change for kind in self.kinds.values() for change in kind.changes()]
        self._spend(each for each in changes if isinstance(each, Machine) and each.state == "gone")
        return changes

    def notes(self) -> list[Note]:
        """What has to be logged since the last call."""
        notes, self._notes = self._notes, []
        for kind in self.kinds.values():
            notes += kind.machines.notes
            kind.machines.notes = []
        return notes

    @property
    def machines(self) -> list[Machine]:
        """Those that are not gone."""
        return [machine for kind in self.kinds.values() for machine in kind.machines]

    def of(self, machine_id: str) -> OnDemand | None:
        """The kind of meeting that a machine is for; None: it is not one of those that are there."""
        return next((kind for kind in self.kinds.values() if kind.machines.knows(machine_id)), None)

    def plan(self, now: int, busy: Collection[str]) -> list[Action]:
        """What has to begin now. Write `changes` down first."""
        return [action for kind in self.kinds.values() for action in kind.plan(now, busy)]

    def expected(self, busy: Collection[str]) -> frozenset[str]:
        """The machines that a list which is asked for now has to show, if they exist."""
        return frozenset(each.id for each in self.machines if each.provider_id and each.id not in busy)

    def listed(
        self, found: Collection[Found], expected: Collection[str], busy: Collection[str], now: int
    ) -> list[Action]:
        """Compare with what the provider lists; machines of ours that the ledger does not know are destroyed."""
        mine: Mapping[str, Found] = {each.machine: each for each in found if each.ledger == self._ledger}
        for kind in self.kinds.values():
            kind.machines.listed(mine, expected, busy, now)
        orphans = tuple(each for each in found if each.ledger != self._ledger)
        for orphan in orphans:
            if orphan not in self.orphans:
                values = {"machine": orphan.provider_id, "ledger": orphan.ledger}
                self._notes.append(Note("warn", "machine {machine} carries the tag of the ledger {ledger}", values))
        self.orphans = orphans
        strays = [each for each in mine.values() if each.machine not in busy and self.of(each.machine) is None]
        for stray in strays:
            values = {"machine": stray.provider_id}
            self._notes.append(Note("warn", "machine {machine} is ours and serves nobody: it is destroyed", values))
        return [Destroy(stray.machine, stray.provider_id) for stray in strays]

    def seen(self, servers: Sequence[SfuServer], now: int) -> None:
        """What the hub knows of sfuservers."""
        for kind in self.kinds.values():
            kind.seen(servers, now)

    def next_at(self, now: int) -> int | None:
        """When `plan` has something new to say, if nothing else happens."""
        moments = (kind.next_at(now) for kind in self.kinds.values())
        return min((moment for moment in moments if moment is not None), default=None)

    def look_in(self) -> int | None:
        """How soon the hub's servers have to be looked at again, seconds; None: not at all."""
        waits = (kind.look_in() for kind in self.kinds.values())
        return min((wait for wait in waits if wait is not None), default=None)

    def list_at(self) -> int | None:
        """When the provider's list is wanted beside the usual rounds; None: not."""
        moments = (kind.machines.list_at() for kind in self.kinds.values())
        return min((moment for moment in moments if moment is not None), default=None)

    def _spend(self, machines: Iterable[Machine]) -> None:
        self._spent.update(money.seconds_by_day((each.intended_at, each.ended_at) for each in machines))

    def _afford(self, span: Span, now: int) -> str | None:
        if self._budget.per_day is None and self._budget.per_month is None:
            return None
        _, until = money.month_span(money.day_of(now)[:7])
        spans = [span, *(each for kind in self.kinds.values() for each in kind.spans(now, until))]
        seconds = self._spent + money.seconds_by_day(spans)
        return money.over_budget(self._budget, seconds, [day for day, _ in money.days(span)])
