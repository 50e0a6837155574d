"""Machines on demand, planned: who gets which address, what is made and destroyed when, and what it may cost."""

from itertools import count
from typing import Any

import pytest

from meeting.allocateserver.fleet import Fleet
from meeting.allocateserver.on_demand import OnDemand
from meeting.allocateserver.values import (
    Action,
    Booking,
    Budget,
    Create,
    Destroy,
    Found,
    Group,
    Machine,
    Patience,
    Refusal,
    SfuServer,
    Sharer,
    Use,
)

#: Monday, 23 November 2026, 12:00 UTC.
NOON = 1_795_435_200
HOUR = 3600
LEDGER = "0123abcd"
SCHEDULED = Group("scheduled", ("1.sfu:443", "2.sfu:443"))
INSTANT = Group("instant", ("1.instant:443", "2.instant:443"))


class Planned:
    """A fleet, and what its driver would do: everything is written down, machines are made and destroyed at once."""

    def __init__(self, *groups: Group, budget: Budget | None = None, patience: Patience | None = None) -> None:
        numbers = count(1)
        self.patience = patience or Patience()
        self.fleet = Fleet(
            groups or (SCHEDULED, INSTANT), budget or Budget(), self.patience, LEDGER, lambda: f"{next(numbers):012x}"
        )
        self.now = NOON
        self.made: dict[str, Machine] = {}
        self.records: list[Any] = []
        self.ready: dict[str, int] = {}
        """The participants at the addresses that the hub knows."""

    def kind(self, use: Use) -> OnDemand:
        return self.fleet.kinds[use]

    def turn(self, *, makes: bool = True) -> list[Action]:
        actions = self.fleet.plan(self.now, ())
        self.records += self.fleet.changes()
        for action in actions:
            kind = self.fleet.of(action.machine_id)
            assert kind is not None
            if isinstance(action, Create) and makes:
                self.made[action.machine_id] = action.machine
                kind.machines.created(action.machine_id, f"p-{action.machine_id}", self.now)
            elif isinstance(action, Destroy):
                self.made.pop(action.machine_id, None)
                kind.machines.destroyed(action.machine_id, self.now)
        self.records += self.fleet.changes()
        return actions

    def look(self, **people: int) -> None:
        """The hub knows every machine that was made; `people` are in some, by the first part of the address."""
        servers = []
        for machine in self.made.values():
            there = people.get(machine.address.partition(":")[0].replace(".", "_"), 0)
            servers.append(SfuServer(machine.address, True, max(0, self.now - machine.intended_at - 1), there))
        self.fleet.seen(servers, self.now)

    def pass_time(self, seconds: int, **people: int) -> None:
        """Minute by minute."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 60)
            self.turn()
            self.look(**people)
            self.turn()

    @property
    def addresses(self) -> list[str]:
        return sorted(machine.address for machine in self.made.values())

    def book(self, email: str, begin: int, end: int) -> Any:
        decided = self.kind("scheduled").book(email, NOON + begin, NOON + end, self.now)
        return decided.sfu if isinstance(decided, Booking) else decided.reason

    def share(self, email: str) -> Any:
        decided = self.kind("instant").share(email, self.now)
        return decided.sfu if isinstance(decided, Sharer) else decided.reason


def test_a_scheduled_meetings_machine_is_there_from_two_hours_before_until_two_hours_after() -> None:
    planned = Planned()
    assert planned.book("ada", 5 * HOUR, 6 * HOUR) == "1.sfu:443"
    planned.turn()
    assert planned.addresses == [] and planned.fleet.next_at(NOON) == NOON + 3 * HOUR + 1
    planned.pass_time(3 * HOUR)
    assert planned.addresses == ["1.sfu:443"]
    planned.pass_time(5 * HOUR - 60)
    assert planned.addresses == ["1.sfu:443"]
    planned.pass_time(120)
    assert planned.addresses == [] and planned.fleet.machines == []


def test_it_is_made_at_once_when_the_meeting_is_nearer() -> None:
    planned = Planned()
    planned.book("ada", 600, HOUR)
    assert [type(action) for action in planned.turn()] == [Create]


def test_no_two_meetings_hold_an_address_at_once_and_times_before_and_after_count() -> None:
    planned = Planned()
    assert planned.book("ada", 5 * HOUR, 6 * HOUR) == "1.sfu:443"
    assert planned.book("bob", 10 * HOUR - 1, 11 * HOUR) == "2.sfu:443"
    assert "All 2 machines" in planned.book("cid", 7 * HOUR, 9 * HOUR)
    assert planned.book("ada", 5 * HOUR, 6 * HOUR) == "1.sfu:443", "the same question, the same answer"
    assert planned.kind("scheduled").release("ada", NOON + 5 * HOUR, NOON + 6 * HOUR)
    assert planned.book("cid", 5 * HOUR, 5 * HOUR + 60) == "1.sfu:443"


def test_a_machine_with_people_in_it_stays_and_is_nobody_elses() -> None:
    planned = Planned(Group("scheduled", ("1.sfu:443",)))
    planned.book("ada", 0, HOUR)
    planned.pass_time(3 * HOUR + 600, **{"1_sfu": 4})
    assert planned.addresses == ["1.sfu:443"], "they stay on"
    assert "still in use" in planned.book("bob", 4 * HOUR, 5 * HOUR)
    planned.pass_time(120)
    assert planned.addresses == []
    assert planned.book("bob", 4 * HOUR, 5 * HOUR) == "1.sfu:443"


def test_an_instant_meetings_machine_goes_when_it_was_unused_for_three_hours() -> None:
    planned = Planned()
    assert planned.share("ada") == "1.instant:443" and not planned.kind("instant").machines.is_ready("1.instant:443")
    planned.turn()
    planned.look()
    assert planned.kind("instant").machines.is_ready(planned.share("ada"))
    planned.pass_time(5 * HOUR, **{"1_instant": 2})
    assert planned.addresses == ["1.instant:443"], "people are there"
    planned.pass_time(3 * HOUR - 600)
    assert planned.addresses == ["1.instant:443"]
    planned.pass_time(20 * 60)
    assert planned.addresses == []


def test_a_spare_is_taken_at_once_and_another_one_made() -> None:
    planned = Planned(Group("instant", (*INSTANT.addresses, "3.instant:443"), spares=1))
    planned.pass_time(120)
    assert len(planned.addresses) == 1
    taken = planned.share("ada")
    assert planned.kind("instant").machines.is_ready(taken), "without a wait"
    planned.pass_time(120)
    assert len(planned.addresses) == 2
    planned.pass_time(4 * HOUR)
    assert len(planned.addresses) == 1, "back to one"


@pytest.mark.parametrize("use", ["scheduled", "instant"])
def test_who_waits_for_a_machine_that_does_not_come_is_given_another_one_that_is_ready(use: Use) -> None:
    planned = Planned(Group(use, ("1.x:443", "2.x:443"), spares=1))

    def ask() -> Any:
        kind = planned.kind(use)
        asked = kind.share("ada", planned.now) if use == "instant" else kind.book("ada", NOON, NOON + HOUR, planned.now)
        assert not isinstance(asked, Refusal)
        return asked.sfu

    first = ask()
    planned.turn()
    assert ask() == first and len(planned.made) == 2, "its own, and a spare"
    (spare,) = set(planned.addresses) - {first}
    planned.made = {key: each for key, each in planned.made.items() if each.address == spare}
    planned.look()
    planned.turn()
    planned.look()
    assert ask() == spare and planned.kind(use).machines.is_ready(spare)
    assert ask() == spare


def test_spares_are_no_more_than_there_are_addresses() -> None:
    planned = Planned(Group("instant", INSTANT.addresses, spares=2))
    planned.share("ada")
    planned.pass_time(300)
    assert planned.addresses == ["1.instant:443", "2.instant:443"]


def test_a_meeting_ahead_leaves_the_spare_to_those_who_need_it_at_once() -> None:
    planned = Planned(Group("scheduled", SCHEDULED.addresses, spares=1))
    planned.pass_time(120)
    (spare,) = planned.addresses
    assert planned.book("later", 30 * HOUR, 31 * HOUR) != spare
    assert planned.book("now", 60, HOUR) == spare


def test_a_machine_that_does_not_register_is_destroyed_and_made_again() -> None:
    planned = Planned(patience=Patience(start=600))
    planned.share("ada")
    first = planned.turn()[0].machine_id
    planned.now += 601
    planned.turn()
    assert first not in planned.made
    assert [type(action) for action in planned.turn()] == [Create] and len(planned.made) == 1
    assert any("has not registered" in str(note.values) for note in planned.fleet.notes())


def test_a_machine_that_is_not_heard_any_more_is_replaced() -> None:
    planned = Planned(patience=Patience(lost=120))
    planned.share("ada")
    first = planned.turn()[0].machine_id
    planned.look()
    for _ in range(4):
        planned.now += 60
        planned.fleet.seen([], planned.now)
        planned.turn()
    planned.turn()
    assert first not in planned.made and planned.addresses == ["1.instant:443"]


def test_an_older_server_under_the_same_address_is_not_taken_for_the_new_one() -> None:
    planned = Planned()
    planned.share("ada")
    planned.turn()
    planned.fleet.seen([SfuServer("1.instant:443", True, 500.0, 0)], planned.now + 10)
    assert not planned.kind("instant").machines.is_ready("1.instant:443")


def test_a_provider_that_refuses_is_asked_again_ever_more_seldom() -> None:
    planned = Planned()
    planned.share("ada")
    asked = []
    for _ in range(700):
        for action in planned.turn(makes=False):
            asked.append(planned.now - NOON)
            planned.kind("instant").machines.refused(action.machine_id, "quota", planned.now)
        planned.now += 1
    assert asked == [0, 5, 15, 35, 75, 155, 315, 635]
    planned.records += planned.fleet.changes()
    gone = [each for each in planned.records if isinstance(each, Machine) and each.state == "gone"]
    assert len(gone) == 8 and all(each.ended_at == each.intended_at for each in gone), "they cost nothing"


# -- after a crash


def found(machine: Machine, ledger: str = LEDGER) -> Found:
    return Found(f"p-{machine.id}", ledger, machine.id)


def restored(machine: Machine, *sharers: Sharer) -> Planned:
    planned = Planned()
    planned.fleet.restore([], sharers, [machine], planned.now)
    return planned


MADE = Machine("a" * 12, "1.instant:443", "instant", "creating", NOON - 10)


def test_a_machine_that_was_made_and_not_written_down_is_found_again() -> None:
    planned = restored(MADE, Sharer("ada", "1.instant:443", NOON - 10))
    assert planned.turn() == [], "nobody knows yet"
    assert planned.fleet.listed([found(MADE)], (), (), planned.now) == []
    assert [machine.state for machine in planned.fleet.machines] == ["starting"]
    assert planned.turn() == []


def test_one_that_was_not_made_is_made_again_when_that_is_certain() -> None:
    planned = restored(MADE, Sharer("ada", "1.instant:443", NOON - 10))
    planned.fleet.listed([], (), (), planned.now)
    assert planned.turn() == [], "it may not be listed yet"
    assert planned.fleet.list_at() == MADE.intended_at + planned.patience.settle
    planned.now += planned.patience.settle
    planned.fleet.listed([], (), (), planned.now)
    (action,) = planned.turn()
    assert isinstance(action, Create) and action.machine_id != MADE.id


def test_one_that_nobody_needs_any_more_is_destroyed() -> None:
    planned = restored(MADE)
    planned.fleet.listed([found(MADE)], (), (), planned.now)
    planned.made[MADE.id] = MADE
    planned.pass_time(300)
    assert planned.made == {} and planned.fleet.machines == []


def test_a_machine_of_ours_that_no_ledger_knows_is_destroyed_and_anothers_only_reported() -> None:
    planned = Planned()
    ours, theirs = found(MADE), found(MADE, "ffffffff")
    assert planned.fleet.listed([ours, theirs], (), (), planned.now) == [Destroy(MADE.id, ours.provider_id)]
    assert planned.fleet.orphans == (theirs,)
    assert len([note for note in planned.fleet.notes() if "carries the tag" in note.text]) == 1
    assert planned.fleet.listed([ours], (), (MADE.id,), planned.now) == [], "it is being destroyed"


def test_one_that_vanished_is_gone_when_two_lists_agree() -> None:
    planned = Planned()
    planned.share("ada")
    planned.turn()
    planned.look()
    (machine,) = planned.fleet.machines
    planned.fleet.listed([], {machine.id}, (), planned.now)
    assert planned.fleet.machines != []
    planned.fleet.listed([], {machine.id}, (), planned.now)
    assert planned.fleet.machines == []


def test_a_doubtful_machine_is_destroyed_if_it_was_made() -> None:
    planned = Planned()
    planned.share("ada")
    (action,) = planned.turn(makes=False)
    kind = planned.kind("instant")
    kind.machines.doubtful(action.machine_id, "timeout", planned.now)
    (machine,) = planned.fleet.machines
    planned.fleet.listed([found(machine)], (), (), planned.now + 30)
    planned.now += 30
    assert planned.turn() == [Destroy(machine.id, f"p-{machine.id}")]


# -- money


def test_what_would_cost_more_than_a_day_may_is_refused_in_words() -> None:
    """A machine costs 1 an hour; a meeting of one hour has it for five."""
    planned = Planned(budget=Budget(1.0, per_day=7.0))
    assert planned.book("ada", 3 * HOUR, 4 * HOUR) == "1.sfu:443"
    too_dear = "The spending cap of 7 a day would be passed on 2026-11-23: 10.00."
    assert planned.book("bob", 3 * HOUR, 4 * HOUR) == too_dear
    assert planned.book("bob", 27 * HOUR, 28 * HOUR) == "2.sfu:443", "tomorrow"
    assert "spending cap" in planned.share("eve")
    assert [note.level for note in planned.fleet.notes()] == ["error", "error"]


def test_what_was_spent_counts_and_survives_a_restart() -> None:
    planned = Planned(budget=Budget(1.0, per_month=10.0))
    gone = Machine("b" * 12, "1.sfu:443", "scheduled", "gone", NOON - 8 * HOUR, ended_at=NOON - HOUR)
    planned.fleet.restore([], [], [gone], NOON)
    assert "a month would be passed in 2026-11: 12.00" in planned.book("ada", 3 * HOUR, 4 * HOUR)
    assert planned.book("ada", 9 * 24 * HOUR, 9 * 24 * HOUR + 60) == "1.sfu:443", "December"


def test_a_ready_spare_is_not_refused_for_money_that_is_spent_already() -> None:
    planned = Planned(Group("instant", INSTANT.addresses, spares=1), budget=Budget(1.0, per_day=12.2))
    planned.pass_time(120)
    assert len(planned.addresses) == 1
    assert planned.kind("instant").machines.is_ready(planned.share("ada"))
    planned.pass_time(120)
    assert len(planned.addresses) == 1, "there is no money for another spare"


@pytest.mark.parametrize("use", ["scheduled", "instant"])
def test_a_refusal_says_when_to_ask_again(use: Use) -> None:
    planned = Planned(Group(use, ("1.x:443",)))
    kind = planned.kind(use)
    for email in ("ada", "bob"):
        decided = kind.share(email, NOON) if use == "instant" else kind.book(email, NOON, NOON + HOUR, NOON)
    assert isinstance(decided, Refusal) and decided.wait >= 30
