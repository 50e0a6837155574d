"""When certificates are ordered, on a virtual clock: weeks pass in a moment."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.daemon.certificates.schedule import (
    ASK_EVERY,
    DAY,
    FIRST_WAIT,
    HOUR,
    LONGEST_ASK,
    LONGEST_WAIT,
    MINUTE,
    ORDERS_A_WEEK,
    WEEK,
    Diary,
    Do,
    Life,
    Schedule,
)

NOW = 1_800_000_000.0


def schedule(diary: Diary | None = None, random: float = 0.5) -> Schedule:
    return Schedule(diary or Diary(), lambda: random)


def life(days: float = 90, begin: float = NOW) -> Life:
    return Life("one", begin, begin + days * DAY)


def heard(machine: Schedule, of: Life, window: tuple[float, float] | None, now: float = NOW) -> None:
    machine.window_heard(of, window, ASK_EVERY, now)


def test_without_a_certificate_one_is_ordered_at_once() -> None:
    assert schedule().next(None, NOW).do is Do.ORDER


def test_one_that_has_ended_is_ordered_anew_without_asking() -> None:
    assert schedule().next(life(begin=NOW - 100 * DAY), NOW).do is Do.ORDER


def test_a_new_one_is_asked_about_and_then_waited_for() -> None:
    machine, mine = schedule(), life()
    assert machine.next(mine, NOW).do is Do.ASK
    heard(machine, mine, None)
    step = machine.next(mine, NOW)
    assert (step.do, step.at) == (Do.WAIT, NOW + ASK_EVERY)


@pytest.mark.parametrize("days", [6, 47, 90])
def test_without_a_wish_of_the_authority_it_is_renewed_at_two_thirds(days: float) -> None:
    machine, mine = schedule(), life(days)
    due = NOW + days * DAY * 2 / 3
    for moment, expected in ((due - MINUTE, Do.WAIT), (due, Do.ORDER)):
        heard(machine, mine, None, moment)
        assert machine.next(mine, moment).do is expected


def test_the_moment_in_the_window_is_chosen_once_for_each_window() -> None:
    machine, mine = schedule(random=0.25), life()
    window = (NOW + 40 * DAY, NOW + 44 * DAY)
    heard(machine, mine, window)
    assert machine.renewal(mine) == NOW + 41 * DAY
    machine._random = lambda: 0.75
    heard(machine, mine, window)
    assert machine.renewal(mine) == NOW + 41 * DAY
    heard(machine, mine, (window[0], window[1] + 1))
    assert machine.renewal(mine) > NOW + 42 * DAY


def test_a_window_that_is_past_means_now() -> None:
    machine, mine = schedule(), life()
    heard(machine, mine, (NOW - 2 * DAY, NOW - DAY), NOW + DAY)
    assert machine.next(mine, NOW + DAY).do is Do.ORDER


def test_an_authority_that_wants_each_new_one_replaced_at_once_gets_one_order_a_day() -> None:
    machine, mine = schedule(), life()
    heard(machine, mine, (NOW - 2 * DAY, NOW - DAY))
    assert machine.next(mine, NOW).do is Do.WAIT
    assert machine.renewal(mine) == NOW + DAY


def test_a_window_beyond_the_end_does_not_let_it_end() -> None:
    machine, mine = schedule(), life(10)
    heard(machine, mine, (NOW + 50 * DAY, NOW + 60 * DAY))
    assert machine.renewal(mine) == NOW + 9 * DAY


def test_the_window_of_the_old_certificate_says_nothing_of_the_new_one() -> None:
    machine, mine = schedule(), life()
    heard(machine, mine, (NOW - 2 * DAY, NOW - DAY))
    new = replace(mine, identity="two")
    assert machine.next(new, NOW).do is Do.ASK
    assert machine.renewal(new) == NOW + 60 * DAY


def test_the_authority_says_when_to_ask_again_within_reason() -> None:
    for told, taken in ((2 * HOUR, 2 * HOUR), (0.0, MINUTE), (365 * DAY, LONGEST_ASK)):
        machine, mine = schedule(), life()
        machine.window_heard(mine, None, told, NOW)
        assert machine.next(mine, NOW).at == NOW + taken


def test_failures_are_waited_for_longer_and_longer() -> None:
    machine, now, waits = schedule(random=0.0), NOW, []
    for _ in range(10):
        assert machine.next(None, now).do is Do.ORDER
        machine.order_begins(now)
        machine.order_failed(now, "no", retry_after=None, unreachable=False)
        waits.append(machine.next(None, now).at - now)
        now += waits[-1]
    assert waits[:4] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    machine.order_worked()
    assert machine.next(None, now).do is Do.ORDER


def test_a_day_without_the_authority_costs_few_attempts_and_no_certificate() -> None:
    """A short-lived one, in whose last third the authority goes away for a day."""
    machine, mine, attempts = schedule(random=1.0), life(6), 0
    now = NOW + 4 * DAY
    back = now + DAY
    heard(machine, mine, None, now)
    while now < back:
        step = machine.next(mine, now)
        if step.do is Do.ORDER:
            attempts += 1
            machine.order_begins(now)
            machine.order_failed(now, "cannot be reached", retry_after=None, unreachable=True)
        elif step.do is Do.ASK:
            machine.window_failed(now)
        else:
            assert step.at > now
            now = step.at
    assert attempts < 30
    assert now - back < 1.5 * HOUR, "found again soon after it is back"
    assert now < mine.end


def test_a_fortnight_without_the_authority_uses_up_none_of_the_weeks_orders() -> None:
    machine, now = schedule(), NOW
    while now < NOW + 2 * WEEK:
        assert machine.next(None, now).do is Do.ORDER
        machine.order_begins(now)
        machine.order_failed(now, "cannot be reached", retry_after=None, unreachable=True)
        now = machine.next(None, now).at
    assert machine.diary.orders == []


def test_a_restart_shortens_long_waits_but_not_what_the_authority_asked_for() -> None:
    machine, now = schedule(), NOW
    for _ in range(8):
        machine.order_begins(now)
        machine.order_failed(now, "port 80", retry_after=None, unreachable=False)
        last, now = now, machine.next(None, now).at
    machine.restarted()
    assert machine.next(None, last).at == last + FIRST_WAIT
    machine.order_begins(now)
    machine.order_failed(now, "too many", retry_after=3 * DAY, unreachable=False)
    machine.restarted()
    assert machine.next(None, now).at >= now + 3 * DAY


def test_what_the_authority_asks_for_is_kept_to() -> None:
    machine = schedule(random=0.0)
    machine.order_begins(NOW)
    machine.order_failed(NOW, "too many", retry_after=3 * DAY, unreachable=False)
    assert machine.next(None, NOW).at == NOW + 3 * DAY
    machine.order_failed(NOW, "too many", retry_after=1.0, unreachable=False)
    assert machine.next(None, NOW).at >= NOW + FIRST_WAIT, "never sooner than without"


def test_fifty_orders_a_week_and_not_one_more() -> None:
    """Whatever happens: an authority that issues certificates that end at once, and a daemon that crashes at once."""
    now, made, diary = NOW, [], Diary()
    while now < NOW + 3 * WEEK:
        machine = schedule(diary)  # as after a crash: only the diary is left
        step = machine.next(None, now)
        if step.do is Do.ORDER:
            made.append(now)
            machine.order_begins(now)
            if len(made) % 2:
                machine.order_worked()
        else:
            now = step.at
    for first, fiftieth in zip(made, made[ORDERS_A_WEEK:], strict=False):
        assert fiftieth - first >= WEEK
    assert len(made) > 2 * ORDERS_A_WEEK, "and they go on when the week is over"


def test_a_crash_in_the_middle_of_an_order_counts_as_a_failure() -> None:
    diary = Diary()
    schedule(diary).order_begins(NOW)
    assert schedule(diary).next(None, NOW + 1).do is Do.WAIT
    assert schedule(diary).next(None, NOW + FIRST_WAIT).do is Do.ORDER


def test_a_due_renewal_that_has_to_wait_does_not_keep_from_asking() -> None:
    machine, mine = schedule(), life()
    due = NOW + 60 * DAY
    heard(machine, mine, None, due - ASK_EVERY)
    machine.order_begins(due)
    machine.order_failed(due, "no", retry_after=None, unreachable=False)
    assert machine.next(mine, due).do is Do.ASK


@pytest.mark.parametrize("years", [-30, -1, 1, 30])
def test_a_clock_that_jumps_and_comes_back_costs_at_most_a_wait(years: int) -> None:
    machine, mine = schedule(), life()
    wrong = NOW + years * 365 * DAY
    heard(machine, mine, None, wrong)
    if machine.next(mine, wrong).do is Do.ORDER:
        machine.order_begins(wrong)
        machine.order_failed(wrong, "your clock", retry_after=WEEK, unreachable=False)
    assert machine.next(mine, NOW).at <= NOW + LONGEST_ASK
    ended = NOW + 91 * DAY
    step = machine.next(mine, ended)
    assert step.do is Do.ORDER or step.at <= ended + WEEK + MINUTE


@given(
    st.lists(st.tuples(st.sampled_from(["order", "fail", "work", "ask", "deaf"]), st.floats(-1e9, 1e9))),
    st.floats(0, 1),
)
def test_whatever_happens_the_next_step_is_now_or_within_reach(
    happenings: list[tuple[str, float]], random: float
) -> None:
    machine, mine = schedule(random=random), life()
    for what, shift in happenings:
        now = NOW + shift
        if what == "order":
            machine.order_begins(now)
        elif what == "fail":
            machine.order_failed(now, "no", retry_after=abs(shift), unreachable=shift > 0)
        elif what == "work":
            machine.order_worked()
        elif what == "ask":
            heard(machine, mine, (shift, shift + DAY), now)
        else:
            machine.window_failed(now)
        for certificate in (None, mine):
            step = machine.next(certificate, now)
            assert now <= step.at <= now + 2 * WEEK or (step.do is Do.WAIT and step.at <= mine.end)
            assert step.do is not Do.WAIT or step.at > now
        if what == "order":
            assert len(machine.diary.orders) <= len(happenings)
