"""Rounds: work that is done again and again, sooner when somebody says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from meeting.apiserver.errands import Rounds


class Diary:
    """Notes when each round began; a round ends at once with `result`, or when `open` fires."""

    def __init__(self, clock: Clock) -> None:
        self.begun: list[float] = []
        self.ended: list[str] = []
        self.results: list[bool | None] = []
        self.open: Deferred[None] | None = None
        self._clock = clock

    async def work(self) -> bool | None:
        self.begun.append(self._clock.seconds())
        if self.open is not None:
            try:
                await self.open
            except CancelledError:
                self.ended.append("cancelled")
                raise
        return self.results.pop(0) if self.results else None


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    yield clock
    assert not clock.getDelayedCalls()


def test_rounds_without_a_longest_pause_keep_their_interval(clock: Clock) -> None:
    diary = Diary(clock)
    rounds = Rounds("it", clock, 2.0, diary.work)
    rounds.startService()
    clock.pump([1.0] * 8)
    assert diary.begun == [2, 4, 6, 8]
    assert rounds.stopService().called


def test_rounds_that_nobody_wakes_come_ever_later_up_to_the_longest_pause(clock: Clock) -> None:
    diary = Diary(clock)
    rounds = Rounds("it", clock, 1.0, diary.work, longest=5.0)
    rounds.startService()
    clock.pump([0.5] * 44)
    assert diary.begun == [1, 2, 4, 8, 13, 18]
    rounds.wake()
    clock.pump([0.5] * 7)
    assert diary.begun[6:] == [22.5, 23.5, 25.5], "who was woken looks soon again"
    rounds.stopService()


def test_a_round_that_says_there_is_more_is_followed_at_once(clock: Clock) -> None:
    diary = Diary(clock)
    diary.results = [True, True, False]
    rounds = Rounds("it", clock, 1.0, diary.work, longest=5.0)
    rounds.startService()
    clock.advance(1)
    clock.advance(0)
    clock.advance(0)
    assert diary.begun == [1, 1, 1]
    rounds.stopService()


def test_who_wakes_while_a_round_runs_gets_another_one_after_it(clock: Clock) -> None:
    diary = Diary(clock)
    waited: Deferred[None] = Deferred()
    diary.open = waited
    rounds = Rounds("it", clock, 1.0, diary.work)
    rounds.startService()
    clock.advance(1)
    rounds.wake()
    clock.advance(10)
    assert diary.begun == [1]
    diary.open = None
    waited.callback(None)
    clock.advance(0)
    assert diary.begun == [1, 11]
    rounds.stopService()


@pytest.mark.parametrize("patient", [False, True])
def test_a_round_that_runs_is_cancelled_or_waited_for_when_the_rounds_end(clock: Clock, patient: bool) -> None:
    diary = Diary(clock)
    waited: Deferred[None] = Deferred()
    diary.open = waited
    rounds = Rounds("it", clock, 1.0, diary.work, patient=patient)
    rounds.startService()
    clock.advance(1)
    stopped = rounds.stopService()
    assert (stopped.called, diary.ended) == ((False, []) if patient else (True, ["cancelled"]))
    if patient:
        waited.callback(None)
    assert stopped.called
