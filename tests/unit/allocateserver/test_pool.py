"""The fixed pool: who gets which server, and who gets none."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.allocateserver.pool import Pool, Sfu, Times

NOW = 1_800_000_000
HOUR = 3600
TIMES = Times(lead=600, lag=1800, share=3 * HOUR)
ONE = Sfu("1.sfu:443", "1.2.3.4:3478", "scheduled")
TWO = Sfu("2.sfu:443", "", "scheduled")
SHARED = Sfu("3.sfu:443", "", "instant")
BOTH = Sfu("4.sfu:443", "", "any")


def pool(*sfus: Sfu, fs: tuple[str, ...] = (), most: int = 1000) -> Pool:
    return Pool(sfus, fs, TIMES, most)


def booked(pool: Pool, email: str, begin: int, end: int, now: int = NOW) -> str | None:
    booking = pool.book(email, NOW + begin, NOW + end, now)
    return booking.sfu if booking else None


def test_overlapping_scheduled_meetings_get_servers_of_their_own_until_none_is_left() -> None:
    servers = pool(ONE, TWO)
    assert booked(servers, "a@x", 0, HOUR) == "1.sfu:443"
    assert booked(servers, "b@x", 0, HOUR) == "2.sfu:443"
    assert booked(servers, "c@x", 60, 120) is None


def test_the_same_question_gets_the_same_answer() -> None:
    servers = pool(ONE, TWO)
    assert {booked(servers, "a@x", 0, HOUR) for _ in range(5)} == {"1.sfu:443"}
    assert len(servers.bookings) == 1


@pytest.mark.parametrize(("gap", "free"), [(600 + 1800 - 1, False), (600 + 1800, True)])
def test_a_server_is_kept_before_and_after_its_meeting(gap: int, free: bool) -> None:
    for first, second in (((0, HOUR), (HOUR + gap, 9 * HOUR)), ((HOUR + gap, 9 * HOUR), (0, HOUR))):
        servers = pool(ONE)
        assert booked(servers, "a@x", *first)
        assert bool(booked(servers, "b@x", *second)) is free


def test_a_server_is_free_again_when_its_meeting_is_over() -> None:
    servers = pool(ONE, most=1)
    assert booked(servers, "a@x", 0, HOUR)
    assert booked(servers, "b@x", 9 * HOUR, 10 * HOUR) is None, "the number of bookings is bounded"
    assert booked(servers, "b@x", 9 * HOUR, 10 * HOUR, now=NOW + HOUR + 1801)


def test_a_server_may_be_said_to_hold_several_meetings() -> None:
    servers = pool(Sfu("1.sfu:443", meetings=2))
    assert [booked(servers, email, 0, HOUR) for email in ("a", "b", "c")] == ["1.sfu:443", "1.sfu:443", None]


def test_instant_owners_share_the_server_with_fewest_of_them_and_keep_theirs() -> None:
    servers = pool(SHARED, Sfu("5.sfu:443", use="instant"), ONE)
    first = [servers.share(f"{n}@x", NOW) for n in range(6)]
    assert Counter(sharer.sfu for sharer in first if sharer) == {"3.sfu:443": 3, "5.sfu:443": 3}
    assert [servers.share(f"{n}@x", NOW + 2 * HOUR) for n in range(6)] != first, "the time is kept anew"
    assert [s and s.sfu for s in (servers.share(f"{n}@x", NOW + 4 * HOUR) for n in range(6))] == [
        s and s.sfu for s in first
    ]


def test_an_owner_loses_the_server_after_three_hours() -> None:
    servers = pool(SHARED)
    servers.share("a@x", NOW)
    servers.share("b@x", NOW + 3 * HOUR - 1)
    assert [sharer.email for sharer in servers.sharers] == ["a@x", "b@x"]
    servers.share("b@x", NOW + 3 * HOUR)
    assert [sharer.email for sharer in servers.sharers] == ["b@x"]


def test_dedicated_servers_come_before_those_for_anything() -> None:
    servers = pool(BOTH, ONE, SHARED)
    assert booked(servers, "a@x", 0, HOUR) == "1.sfu:443"
    assert booked(servers, "b@x", 0, HOUR) == "4.sfu:443"
    sharer = servers.share("c@x", NOW)
    assert sharer is not None and sharer.sfu == "3.sfu:443"


def test_no_server_of_the_kind_means_none() -> None:
    assert pool(ONE).share("a@x", NOW) is None
    assert booked(pool(SHARED), "a@x", 0, HOUR) is None
    assert pool().file_server("a@x") is None


def test_the_turnserver_goes_with_the_sfuserver() -> None:
    assert pool(ONE, TWO).turn_of("1.sfu:443") == "1.2.3.4:3478"
    assert pool(ONE, TWO).turn_of("2.sfu:443") == ""


def test_a_person_keeps_the_fsserver_and_a_new_one_takes_only_its_share() -> None:
    people = [f"{n}@x" for n in range(300)]
    before = {email: pool(fs=("a:443", "b:443")).file_server(email) for email in people}
    after = {email: pool(fs=("b:443", "c:443", "a:443")).file_server(email) for email in people}
    moved = [email for email in people if before[email] != after[email]]
    assert {after[email] for email in moved} == {"c:443"}
    assert 60 < len(moved) < 140
    assert min(Counter(before.values()).values()) > 100


def test_what_was_decided_comes_back_and_servers_that_left_are_forgotten() -> None:
    before = pool(ONE, TWO, SHARED)
    booked(before, "a@x", 0, HOUR)
    booked(before, "b@x", 0, HOUR)
    before.share("c@x", NOW)
    after = pool(TWO, SHARED)
    after.restore(before.bookings, before.sharers)
    assert [booking.email for booking in after.bookings] == ["b@x"]
    assert booked(after, "b@x", 0, HOUR) == "2.sfu:443"
    assert booked(after, "a@x", 0, HOUR) is None
    assert [sharer.email for sharer in after.sharers] == ["c@x"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(0, 50_000), st.integers(1, 20_000), st.integers(0, 60_000)),
        max_size=40,
    )
)
def test_no_two_meetings_ever_overlap_on_one_server(requests: list[tuple[str, int, int, int]]) -> None:
    servers, now = pool(ONE, TWO), NOW
    for email, begin, length, later in requests:
        now = max(now, NOW + later)
        servers.book(email, NOW + begin, NOW + begin + length, now)
        held = sorted(servers.bookings, key=lambda booking: (booking.sfu, booking.begin))
        for one, other in pairwise(held):
            assert one.sfu != other.sfu or one.end + TIMES.lag <= other.begin - TIMES.lead
