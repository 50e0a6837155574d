"""Rules of recurrence: what is taken, what is refused and how it is said, what they mean."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meeting.apiserver.meetings import recurrence
from meeting.apiserver.meetings.invitations.repeats import in_words
from meeting.daemon.errors import BadRequest

BERLIN = "Europe/Berlin"
TUESDAY = datetime(2026, 11, 24, 9, tzinfo=UTC)


def days(rule: str, begin: datetime = TUESDAY, zone: str = BERLIN) -> list[str]:
    moments = recurrence.moments(recurrence.read(rule, zone), begin, zone)
    return [moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") for moment in moments]


def test_a_series_stays_on_the_clock_over_a_change_to_summer_time() -> None:
    begin = datetime(2027, 3, 23, 9, tzinfo=UTC)
    moments = recurrence.moments(recurrence.read("FREQ=WEEKLY;COUNT=2", BERLIN), begin, BERLIN)
    assert moments == (begin, datetime(2027, 3, 30, 8, tzinfo=UTC))


def test_until_a_day_means_all_of_it() -> None:
    assert len(days("FREQ=DAILY;UNTIL=20261126")) == 3
    assert str(recurrence.read("FREQ=DAILY;UNTIL=20261126", BERLIN)) == "FREQ=DAILY;UNTIL=20261126T225959Z"


def test_the_kinds_of_rules() -> None:
    assert days("FREQ=MONTHLY;BYDAY=4TU;COUNT=3") == ["2026-11-24 10:00", "2026-12-22 10:00", "2027-01-26 10:00"]
    assert days("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=3")[-1] == "2026-12-08 10:00"
    assert days("FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=24;COUNT=2")[-1] == "2027-11-24 10:00"
    assert days("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", datetime(2026, 11, 30, 9, tzinfo=UTC)) == [
        "2026-11-30 10:00",
        "2026-12-31 10:00",
    ]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", "no part of a rule"),
        ("FREQ=HOURLY;COUNT=2", "FREQ is one of"),
        ("FREQ=WEEKLY", "say when the series ends"),
        ("FREQ=WEEKLY;COUNT=2;UNTIL=20270101", "say when the series ends"),
        ("FREQ=WEEKLY;COUNT=731", "goes from 1 to 730"),
        ("FREQ=WEEKLY;COUNT=0", "goes from 1 to 730"),
        ("FREQ=WEEKLY;COUNT=x", "is no number"),
        ("FREQ=WEEKLY;COUNT=2;COUNT=3", "twice"),
        ("FREQ=WEEKLY;BYDAY=2TU;COUNT=2", "plain days"),
        ("FREQ=WEEKLY;BYDAY=XX;COUNT=2", "is no day"),
        ("FREQ=DAILY;BYHOUR=3;COUNT=2", "BYHOUR cannot stand"),
        ("FREQ=YEARLY;BYDAY=1MO;COUNT=2", "needs its BYMONTH"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2", "no such day"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6;COUNT=2", "so many of these days"),
        ("FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=3;COUNT=2", "cannot stand in one rule"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL is a day"),
        ("X" * 400, "at most 300"),
    ],
)
def test_what_cannot_be_says_what_to_write(rule: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        recurrence.read(rule, BERLIN)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("FREQ=WEEKLY;BYDAY=WE;COUNT=2", "first after the given one is on Wednesday, 2026-11-25"),
        ("FREQ=DAILY;UNTIL=20261101", "ends before it begins"),
        ("FREQ=DAILY;UNTIL=20401101", "at most 730"),
    ],
)
def test_a_series_begins_with_a_meeting_of_its_rule(rule: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        recurrence.check_series(recurrence.read(rule, BERLIN), TUESDAY, TUESDAY + timedelta(hours=1), BERLIN)


def test_a_meeting_ends_before_the_next_begins() -> None:
    with pytest.raises(BadRequest, match="before the next"):
        recurrence.check_series(
            recurrence.read("FREQ=DAILY;COUNT=2", BERLIN), TUESDAY, TUESDAY + timedelta(days=2), BERLIN
        )


PARTS = [
    *("FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY", "COUNT=3", "UNTIL=20270601", "INTERVAL=2", "WKST=SU"),
    *("BYDAY=MO,TU", "BYDAY=-1FR,2TU", "BYMONTHDAY=31", "BYMONTHDAY=-1", "BYMONTH=2", "BYSETPOS=1", "COUNT=-1", "="),
]


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(PARTS),
            max_size=6,
        ).map(";".join),
    )
)
def test_any_text_is_a_rule_with_meetings_or_refused(text: str) -> None:
    try:
        rule = recurrence.read(text, BERLIN)
    except BadRequest:
        return
    assert recurrence.read(str(rule), BERLIN) == rule, "what is kept reads the same"
    moments = recurrence.moments(rule, TUESDAY, BERLIN)
    assert list(moments) == sorted(set(moments))
    assert in_words(rule, TUESDAY, BERLIN, "de")
    try:
        recurrence.check_series(rule, TUESDAY, TUESDAY + timedelta(hours=1), BERLIN)
    except BadRequest:
        return
    assert moments[0] == TUESDAY
    head, tail = recurrence.split(rule, TUESDAY, BERLIN, moments[-1])
    rest = recurrence.moments(tail, moments[-1], BERLIN)
    assert (*recurrence.moments(head, TUESDAY, BERLIN), *rest)[: len(moments)] == moments


@pytest.mark.parametrize(
    ("rule", "english", "german"),
    [
        ("FREQ=DAILY;COUNT=3", "Every day, 3 times", "Jeden Tag, 3 Mal"),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;UNTIL=20271231",
            "Every 2 weeks on Tuesday and Thursday, until 31 December 2027",
            "Alle 2 Wochen am Dienstag und Donnerstag, bis 31. Dezember 2027",
        ),
        (
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;COUNT=5",
            "Every week on Monday to Friday, 5 times",
            "Jede Woche von Montag bis Freitag, 5 Mal",
        ),
        (
            "FREQ=MONTHLY;BYDAY=-1FR;COUNT=2",
            "Every month on the last Friday, 2 times",
            "Jeden Monat am letzten Freitag, 2 Mal",
        ),
        ("FREQ=MONTHLY;BYMONTHDAY=15;COUNT=2", "Every month on day 15, 2 times", "Jeden Monat am 15., 2 Mal"),
        ("FREQ=YEARLY;COUNT=2", "Every year on 24 November, 2 times", "Jedes Jahr am 24. November, 2 Mal"),
    ],
)
def test_a_rule_in_words(rule: str, english: str, german: str) -> None:
    read = recurrence.read(rule, BERLIN)
    assert in_words(read, TUESDAY, BERLIN, "en") == english
    assert in_words(read, TUESDAY, BERLIN, "de-CH") == german
