"""Calendars that the hub writes, read by two libraries that know nothing of it: the same moments come out.

Each case is scheduled over HTTP; what the list of meetings shows is what the calendar must say. `icalendar` goes by the
name of a zone, `vobject` by the rules in the VTIMEZONE.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import vobject
from dateutil import rrule
from icalendar import Calendar

from tests.support.hub import Browser, Hub

BOB = "bob@example.com"
Moments = list[tuple[datetime, datetime, str]]


def by_icalendar(text: str) -> Moments:
    """Begin, end and title of each event, recurrences expanded in the zone that is named."""
    events: list[Any] = list(Calendar.from_ical(text).walk("VEVENT"))
    found: dict[datetime, tuple[datetime, datetime, str]] = {}
    for event in (each for each in events if "RECURRENCE-ID" not in each):
        begin, end = event.decoded("DTSTART"), event.decoded("DTEND")
        begins = [begin]
        if "RRULE" in event:
            # Wall clock against wall clock: RFC 5545 section 3.3.10 counts in local time.
            parts = dict(event["RRULE"])
            until = parts.pop("UNTIL", None)
            rule = ";".join(f"{name}={','.join(map(str, values))}" for name, values in parts.items())
            walls = rrule.rrulestr(rule, dtstart=begin.replace(tzinfo=None))
            begins = []
            for wall in walls:
                if until and wall.replace(tzinfo=begin.tzinfo) > until[0]:
                    break
                begins.append(wall.replace(tzinfo=begin.tzinfo))
        length = end.astimezone(UTC) - begin.astimezone(UTC)
        gone = event.get("EXDATE", [])
        for each in gone if isinstance(gone, list) else [gone]:
            begins = [moment for moment in begins if moment not in [excluded.dt for excluded in each.dts]]
        for moment in begins:
            at = moment.astimezone(UTC)
            found[at] = (at, at + length, str(event["SUMMARY"]))
    for event in (each for each in events if "RECURRENCE-ID" in each):
        begin, end = event.decoded("DTSTART").astimezone(UTC), event.decoded("DTEND").astimezone(UTC)
        found[event.decoded("RECURRENCE-ID").astimezone(UTC)] = (begin, end, str(event["SUMMARY"]))
    return sorted(found.values())


def by_vobject(text: str) -> Moments:
    """The same by vobject, whose zones come from the VTIMEZONE alone."""
    events = vobject.readOne(text).vevent_list
    found: dict[datetime, tuple[datetime, datetime, str]] = {}
    for event in (each for each in events if not hasattr(each, "recurrence_id")):
        begin, zone = event.dtstart.value, event.dtstart.value.tzinfo
        length = event.dtend.value.astimezone(UTC) - begin.astimezone(UTC)
        begins = list(event.getrruleset(addRDate=True)) if hasattr(event, "rrule") else [begin]
        for moment in begins:
            at = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
            found[at] = (at, at + length, event.summary.value)
    for event in (each for each in events if hasattr(each, "recurrence_id")):
        begin, end = event.dtstart.value.astimezone(UTC), event.dtend.value.astimezone(UTC)
        found[event.recurrence_id.value.astimezone(UTC)] = (begin, end, event.summary.value)
    return sorted(found.values())


def listed(browser: Browser) -> Moments:
    """What the hub itself says, over all pages."""
    path, found = "/api/v1/meetings?limit=7", []
    while path:
        page = browser.get(path).json
        found += page["meetings"]
        path = page["next"]
    assert [each["begin_at"] for each in found] == sorted(each["begin_at"] for each in found)
    return sorted(
        (datetime.fromisoformat(each["begin_at"]), datetime.fromisoformat(each["end_at"]), each["title"])
        for each in found
    )


def feed(browser: Browser) -> str:
    address = browser.post("/api/v1/me/calendar/feed").json["feed"]
    answer = browser.hub.request("GET", address.removeprefix("https://meet.example.com"))
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    return answer.body.decode()


def weekly(browser: Browser, **more: Any) -> dict[str, Any]:
    """Tuesdays at 10:00 in Berlin, from March: the third one is in summer time."""
    times = {"begin_at": "2027-03-16T09:00:00Z", "end_at": "2027-03-16T10:00:00Z"}
    return browser.schedule(**{"recurrence": "FREQ=WEEKLY;COUNT=5", "invitees": [BOB], **times, **more})


def path_of(meeting: dict[str, Any]) -> str:
    return f"/api/v1/meetings/{meeting['code']}"


def moved(ada: Browser) -> None:
    meeting = weekly(ada)
    change = {"scope": "this", "occurrence": "2027-03-23T09:00:00Z"}
    times = {"begin_at": "2027-03-24T13:30:00Z", "end_at": "2027-03-24T14:15:00Z"}
    assert ada.patch(path_of(meeting), {**change, **times}).status == 200


def renamed(ada: Browser) -> None:
    change = {"scope": "this", "occurrence": "2027-03-30T08:00:00Z", "title": "The one with cake"}
    assert ada.patch(path_of(weekly(ada)), change).status == 200


def one_cancelled(ada: Browser) -> None:
    query = "?scope=this&occurrence=2027-03-23T09:00:00Z"
    assert ada.delete(path_of(weekly(ada)) + query).status == 204


def all_cancelled(ada: Browser) -> None:
    assert ada.delete(path_of(weekly(ada))).status == 204


def split(ada: Browser) -> None:
    times = {"begin_at": "2027-03-31T12:00:00Z", "end_at": "2027-03-31T12:30:00Z"}
    change = {"scope": "following", "occurrence": "2027-03-30T08:00:00Z", "recurrence": "FREQ=WEEKLY;COUNT=2"}
    assert ada.patch(path_of(weekly(ada)), {**change, **times}).status == 200


def single(ada: Browser) -> None:
    ada.schedule(invitees=[BOB])


def elsewhere(ada: Browser) -> None:
    times = {"begin_at": "2027-03-10T22:00:00Z", "end_at": "2027-03-11T00:00:00Z"}
    weekly(ada, zone="America/New_York", recurrence="FREQ=WEEKLY;BYDAY=WE,FR;COUNT=6", **times)


def last_friday(ada: Browser) -> None:
    times = {"begin_at": "2026-11-27T15:00:00Z", "end_at": "2026-11-27T16:00:00Z"}
    weekly(ada, recurrence="FREQ=MONTHLY;BYDAY=-1FR;COUNT=12", **times)


def odd_text(ada: Browser) -> None:
    title = 'Größe; \\n, "quoted": BEGIN:VEVENT ' + "Ünïcödé-Wörter äöü " * 8
    weekly(ada, title=" ".join(title.split())[:200].strip())


def until_in_utc(ada: Browser) -> None:
    weekly(ada, recurrence="FREQ=DAILY;INTERVAL=3;UNTIL=20270403T080000Z")


def half_hours(ada: Browser) -> None:
    weekly(ada, zone="Asia/Kolkata", recurrence="FREQ=DAILY;COUNT=4")


def into_the_gap(ada: Browser) -> None:
    """02:30 on the day the clocks go forward is 03:30; where they go back, the first 02:30 is meant."""
    times = {"begin_at": "2027-03-27T01:30:00Z", "end_at": "2027-03-27T01:45:00Z"}
    weekly(ada, recurrence="FREQ=DAILY;COUNT=3", **times)


CASES: list[tuple[Callable[[Browser], object], int]] = [
    (single, 1),
    (weekly, 5),
    (moved, 5),
    (renamed, 5),
    (one_cancelled, 4),
    (all_cancelled, 0),
    (elsewhere, 6),
    (last_friday, 12),
    (odd_text, 5),
    (until_in_utc, 7),
    (split, 4),
    (half_hours, 4),
    (into_the_gap, 3),
]


@pytest.mark.parametrize(("make", "count"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_two_libraries_read_what_the_hub_means(hub: Hub, make: Callable[[Browser], object], count: int) -> None:
    ada = hub.sign_in("ada@example.com")
    make(ada)
    expected = listed(ada)
    assert len(expected) == count
    text = feed(ada)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    if count:
        assert by_icalendar(text) == expected
        # vobject takes an hour that is left out for the one before it, against RFC 5545 section 3.3.5.
        assert by_vobject(text) == expected or make is into_the_gap
    # Every calendar that was mailed can be read too, and is for one reader.
    for mail in (each for each in hub.mails() if each["calendar"]):
        for event in Calendar.from_ical(mail["calendar"]).walk("VEVENT"):
            assert str(event["ATTENDEE"]) == f"mailto:{mail['to']}"
        assert by_icalendar(mail["calendar"]) == by_vobject(mail["calendar"]) or make is into_the_gap


def calendar_of(mail: dict[str, Any]) -> Any:
    events: list[Any] = list(Calendar.from_ical(mail["calendar"]).walk("VEVENT"))
    return events[0]


def test_an_update_replaces_and_a_cancellation_removes_what_was_sent_before(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    meeting = ada.schedule(invitees=[BOB])
    times = {"begin_at": "2026-11-23T16:00:00Z", "end_at": "2026-11-23T17:00:00Z"}
    assert ada.patch(path_of(meeting), times).status == 200
    assert ada.delete(path_of(meeting)).status == 204
    mails = [each for each in reversed(hub.mails()) if each["calendar"]]
    methods = [str(Calendar.from_ical(each["calendar"])["METHOD"]) for each in mails]
    assert methods == ["REQUEST", "REQUEST", "CANCEL"]
    events = [calendar_of(each) for each in mails]
    assert len({str(event["UID"]) for event in events}) == 1
    assert [int(event["SEQUENCE"]) for event in events] == [0, 1, 2]
    assert str(events[2]["STATUS"]) == "CANCELLED"
    assert {str(event["ORGANIZER"]) for event in events} == {"mailto:meetings@meet.example.com"}


def test_one_of_a_series_is_changed_and_cancelled_by_its_recurrence_id(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    moved(ada)
    text = hub.mails()[0]["calendar"]
    assert "RECURRENCE-ID;TZID=Europe/Berlin:20270323T100000" in text
    assert "RRULE" not in text.partition("BEGIN:VEVENT")[2]
    code = ada.get("/api/v1/meetings").json["meetings"][0]["code"]
    assert ada.delete(f"/api/v1/meetings/{code}?scope=this&occurrence=2027-03-30T08:00:00Z").status == 204
    text = hub.mails()[0]["calendar"]
    assert "METHOD:CANCEL" in text
    assert "RECURRENCE-ID;TZID=Europe/Berlin:20270330T100000" in text
