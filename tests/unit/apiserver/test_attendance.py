"""Who was there, and when: for those who lead, as a list and as a table."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from meeting.apiserver.meetings.room.attendance import Attendee, Stay, as_csv, length
from tests.support.hub import Browser, Hub, MakeHub
from tests.unit.apiserver.reports import report_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SFU = "1.sfu.example.com:443"


def stay(begin: int, end: int | None) -> Stay:
    return Stay(NOON + timedelta(minutes=begin), None if end is None else NOON + timedelta(minutes=end))


@pytest.mark.parametrize(
    ("stays", "minutes"),
    [
        ([], 0),
        ([stay(0, 10), stay(20, 25)], 15),
        ([stay(0, 30), stay(10, 20)], 30),
        ([stay(10, 40), stay(0, 20)], 40),
        ([stay(50, None)], 10),
    ],
)
def test_time_on_two_devices_counts_once(stays: list[Stay], minutes: int) -> None:
    assert length(stays, NOON + timedelta(minutes=60)) == timedelta(minutes=minutes)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0", "\r=1"])
def test_no_name_is_a_formula(name: str) -> None:
    text = as_csv([Attendee("1", name, None, 90, (stay(0, 1),))]).decode("utf-8-sig")
    assert list(csv.reader(StringIO(text, newline="")))[1][0].startswith("'")


def test_the_table_is_one_that_others_read() -> None:
    name = 'Ana, "the\nfirst"'
    people = [Attendee("1", name, None, 90, (stay(0, 1), stay(2, None))), Attendee("2", "=1", "a@example.com", 0, ())]
    text = as_csv(people).decode("utf-8-sig")
    rows = list(csv.reader(StringIO(text, newline="")))
    assert rows[1] == [name, "", "2026-11-23 12:00:00", "2026-11-23 12:01:00", "1.5"]
    assert rows[2] == [name, "", "2026-11-23 12:02:00", "", "1.5"]
    assert text.count("\r\n") == 3


def meet(hub: Hub) -> tuple[Browser, Browser, dict[str, Any]]:
    """Ada and Bob have been in a meeting of Ada's; Ada is still there."""
    hub.beat("sfu", SFU)
    hub.clock.advance(1)
    ada, bob = hub.sign_in("ada@example.com"), hub.sign_in("bob@example.com")
    meeting = ada.instant()
    for number, who in enumerate((ada, bob)):
        joined = who.post(f"/api/v1/meetings/{meeting['code']}/join", {"device": "abcd1234"}).json
        report_of(hub, "participant_joined", meeting, f"PA_{number}", joined["identity"])
        hub.clock.advance(2)
    for _ in range(20):
        hub.clock.advance(3)
        hub.beat("sfu", SFU)
    report_of(hub, "participant_left", meeting, "PA_1", joined["identity"])
    return ada, bob, meeting


def test_those_who_lead_see_who_was_there(hub: Hub) -> None:
    ada, bob, meeting = meet(hub)
    path = f"/api/v1/meetings/{meeting['code']}/attendance"
    seen = ada.get(path).json
    assert seen["recorded"] is True
    assert [(one["email"], len(one["stays"])) for one in seen["people"]] == [
        ("ada@example.com", 1),
        ("bob@example.com", 1),
    ]
    assert seen["people"][0]["stays"][0]["left_at"] is None
    assert 55 <= seen["people"][1]["seconds"] <= 65
    table = ada.get(f"{path}.csv")
    assert table.headers["Content-Type"].startswith("text/csv")
    assert meeting["code"] in table.headers["Content-Disposition"]
    assert b"bob@example.com" in table.body
    assert bob.get(path).status == 403


def test_where_it_is_not_recorded_nobody_who_left_is_in_the_database(make_hub: MakeHub) -> None:
    hub = make_hub("--noAttendance")
    ada, _, meeting = meet(hub)
    path = f"/api/v1/meetings/{meeting['code']}"
    assert ada.get(f"{path}/attendance").json == {"recorded": False, "people": []}
    assert ada.get(path).json["state"] == "running", "that somebody is there is known"

    def read(transaction: Any) -> list[tuple[str, str]]:
        from meeting.apiserver.meetings.tables import attendance

        rows = transaction.execute(attendance.select().order_by(attendance.c.stay))
        return [(row.identity, row.name) for row in rows]

    still, gone = hub.sql(read)
    assert gone == ("", "")
    report_of(hub, "room_finished", meeting, "PA_0", still[0])
    assert hub.sql(read) == [("", ""), ("", "")]
