"""What a probe says: when all is good, as JSON for machines, as text for people."""

from __future__ import annotations

import json

import pytest

from meeting.probe.report import ReceivedTrack, Report


def good_report() -> Report:
    return Report(
        sfu="wss://sfu.example.com",
        identity="guest:1",
        joined_ms=12.4,
        connected_ms=80.0,
        path="udp host 10.0.0.8 -> 10.0.0.7:40000",
        sent_packets={"audio": 300, "video": 900},
        lost_upstream={"audio": 0, "video": 2},
        round_trip_ms=1.6,
        received=[ReceivedTrack("ada", "video", first_frame_ms=140.2, frames=170, packets=800)],
    )


def test_connected_sending_and_receiving_all_is_good() -> None:
    assert good_report().good
    alone = good_report()
    alone.received = []
    assert alone.good


@pytest.mark.parametrize("what", ["trouble", "no connection", "no video sent", "a track without frames"])
def test_one_thing_amiss_is_not_good(what: str) -> None:
    report = good_report()
    if what == "trouble":
        report.trouble.append("the sfuserver ended the stay")
    elif what == "no connection":
        report.connected_ms = None
    elif what == "no video sent":
        report.sent_packets["video"] = 0
    else:
        report.received.append(ReceivedTrack("bob", "audio"))
    assert not report.good


def test_json_has_everything_and_whether_it_is_good() -> None:
    shown = json.loads(json.dumps(good_report().as_json()))
    assert shown["good"] is True
    assert shown["received"][0]["first_frame_ms"] == 140.2
    assert shown["path"].startswith("udp host")


def test_text_names_way_loss_and_what_never_came() -> None:
    report = good_report()
    report.received.append(ReceivedTrack("bob", "audio"))
    report.trouble.append("too bad")
    assert report.as_text().splitlines() == [
        "sfuserver       wss://sfu.example.com",
        "joined          12 ms",
        "connected       80 ms   udp host 10.0.0.8 -> 10.0.0.7:40000",
        "round trip      2 ms",
        "sent audio      300 packets, 0 lost",
        "sent video      900 packets, 2 lost",
        "got  video      from ada: 170 frames, first after 140 ms, 800 packets, 0 lost",
        "got  audio      from bob: 0 frames, first after never, 0 packets, 0 lost",
        "trouble         too bad",
    ]
