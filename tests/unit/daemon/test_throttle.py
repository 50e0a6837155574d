"""How often somebody may ask: counted by callers, in bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from meeting.daemon.errors import TooManyRequests
from meeting.daemon.throttle import Throttle, source_of


def let_in(throttle: Throttle, whom: str, limit: int, calls: int) -> int:
    return sum(not throttle.take("p", whom, limit).wait for _ in range(calls))


def test_a_minutes_worth_is_let_in_at_once_and_then_as_much_as_comes_back() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    assert let_in(throttle, "ada", 60, 100) == 60
    clock.advance(10)
    assert let_in(throttle, "ada", 60, 100) == 10
    assert let_in(throttle, "bob", 60, 100) == 60, "another caller's calls are another's"
    clock.advance(3600)
    assert let_in(throttle, "ada", 60, 100) == 60


def test_a_refusal_says_when_to_come_back_and_is_not_counted() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    let_in(throttle, "ada", 6, 6)
    refused = throttle.take("p", "ada", 6)
    assert refused.left == 0
    assert refused.wait == pytest.approx(10)
    with pytest.raises(TooManyRequests) as raised:
        refused.check()
    assert raised.value.headers["Retry-After"] == "10"
    assert raised.value.headers["RateLimit"] == '"p";r=0;t=60'
    let_in(throttle, "ada", 6, 1000)
    clock.advance(10.001)
    assert not throttle.take("p", "ada", 6).wait


def test_what_is_left_is_told() -> None:
    level = Throttle(Clock()).take("person", "ada", 60)
    assert level.headers == {"RateLimit-Policy": '"person";q=60;w=60', "RateLimit": '"person";r=59;t=1'}


def test_memory_is_bounded_whoever_comes() -> None:
    throttle = Throttle(Clock(), most=100)
    for n in range(1000):
        throttle.take("p", n, 60)
    assert len(throttle._until) == 100


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=300), st.integers(1, 50))
def test_no_minute_has_more_than_twice_the_limit(steps: list[tuple[float, bool]], limit: int) -> None:
    """What was saved up, and what came back meanwhile."""
    clock = Clock()
    throttle = Throttle(clock)
    times = []
    for pause, call in steps:
        clock.advance(pause)
        if call and not throttle.take("p", "ada", limit).wait:
            times.append(clock.seconds())
    for start in times:
        assert sum(start <= at < start + 60 for at in times) <= 2 * limit


def test_an_ipv6_subscriber_is_one_source() -> None:
    assert source_of("2001:db8:1:2:aaaa::1") == source_of("2001:db8:1:2:bbbb::9") != source_of("2001:db8:1:3::1")
    assert source_of("192.0.2.1") != source_of("192.0.2.2")
    assert source_of("::ffff:192.0.2.1") != source_of("::ffff:192.0.2.2")
    assert source_of("unix") == "unix"
