"""How good a connection is, as the clients are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from livekit.protocol.models import ConnectionQuality

from meeting.dataplane.values import LinkStatistics, PortStatistics, SinkStatistics, SourceStatistics
from meeting.sfuserver.room.quality import Health, Qualities, healths, score
from tests.unit.sfuserver.clients import World

EXCELLENT, GOOD, POOR, LOST = (
    ConnectionQuality.EXCELLENT,
    ConnectionQuality.GOOD,
    ConnectionQuality.POOR,
    ConnectionQuality.LOST,
)
LINK = LinkStatistics(0, 0, 0, 0, 0, None, True)
SOURCE = SourceStatistics(1, 0, 0, 0, 0, 0, 0, 0, 0)
SINK = SinkStatistics(1, 0, 0, 0, 0.0, 0, 0, 0)


def snapshot(
    link: LinkStatistics = LINK, source: SourceStatistics = SOURCE, sink: SinkStatistics = SINK
) -> PortStatistics:
    return PortStatistics(links={1: link}, sources={2: source}, sinks={3: sink})


def test_what_was_lost_and_mended_upstream_counts_less_than_what_never_came() -> None:
    before = snapshot()
    mended = healths(before, snapshot(source=replace(SOURCE, packets=100, repaired=10)))[1]
    assert mended == Health(lost=0.1, unmended=0.0)
    never = healths(before, snapshot(source=replace(SOURCE, packets=90, lost=10)))[1]
    assert never == Health(lost=0.1, unmended=0.1)
    assert score(never) < score(mended) < score(Health())


def test_only_what_happened_between_the_snapshots_counts() -> None:
    source = replace(SOURCE, packets=900, lost=100)
    assert healths(snapshot(source=source), snapshot(source=replace(source, packets=1000)))[1] == Health()


def test_downstream_counts_as_the_subscriber_reports_it_while_something_is_sent() -> None:
    lossy = replace(SINK, packets=100, fraction_lost=0.2)
    assert healths(snapshot(), snapshot(sink=lossy))[1].lost == pytest.approx(0.2)
    assert healths(snapshot(sink=lossy), snapshot(sink=lossy))[1].lost == 0.0  # an old report of a paused track


def test_what_is_new_or_gone_is_not_judged() -> None:
    assert healths(PortStatistics(), snapshot()) == {}
    assert healths(snapshot(), PortStatistics()) == {}


@pytest.mark.parametrize(
    ("health", "quality"),
    [
        (Health(), EXCELLENT),
        (Health(lost=0.04, round_trip=0.08), EXCELLENT),
        (Health(lost=0.08), GOOD),
        (Health(lost=0.2), POOR),
        (Health(lost=0.1, unmended=0.1), POOR),
        (Health(round_trip=0.6), GOOD),
        (Health(round_trip=2.0), POOR),
    ],
)
def test_a_steady_connection_gets_its_class(health: Health, quality: ConnectionQuality) -> None:
    qualities = Qualities()
    for _ in range(30):
        qualities.measured("PA_1", [health])
    assert [one.quality for one in qualities.all()] == [quality]


def test_a_fault_shows_at_once_and_its_end_when_it_lasts() -> None:
    qualities = Qualities()
    qualities.measured("PA_1", [Health()])
    assert [one.quality for one in qualities.changes()] == [EXCELLENT]
    qualities.measured("PA_1", [Health(lost=0.3)])
    assert [one.quality for one in qualities.changes()] == [POOR]
    beats = 0
    while not any(one.quality == EXCELLENT for one in qualities.changes()):
        qualities.measured("PA_1", [Health()])
        beats += 1
    assert 3 < beats < 15


def test_at_a_border_the_bars_do_not_flap() -> None:
    qualities = Qualities()
    told = []
    for beat in range(100):
        qualities.measured("PA_1", [Health(lost=0.049 if beat % 2 else 0.051)])
        told += qualities.changes()
    assert len(told) == 1


def test_the_worse_of_two_connections_counts() -> None:
    qualities = Qualities()
    qualities.measured("PA_1", [Health(), Health(lost=0.3)])
    assert [one.quality for one in qualities.changes()] == [POOR]


def test_everyone_hears_of_changes_and_who_joins_later_of_all(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    for client in (anna, bert):
        client.connect()
    world.advance(2)
    told = {one.participant_sid: one.quality for one in anna.last("connection_quality").updates}
    assert told == {anna.participant.sid: EXCELLENT, bert.participant.sid: EXCELLENT}
    bert.forget()
    link = bert.sending.id
    source = replace(SOURCE, link=link)
    listener = world.port.listener
    listener.statistics(PortStatistics(links={link: LINK}, sources={2: source}))
    listener.statistics(PortStatistics(links={link: LINK}, sources={2: replace(source, packets=50, lost=50)}))
    world.advance(2)
    (update,) = anna.last("connection_quality").updates
    assert (update.participant_sid, update.quality) == (bert.participant.sid, POOR)
    clara = world.join("clara")
    told = {one.participant_sid: one.quality for one in clara.last("connection_quality").updates}
    assert told == {anna.participant.sid: EXCELLENT, bert.participant.sid: POOR}


def test_whose_socket_is_gone_is_lost_until_they_are_back(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    for client in (anna, bert):
        client.connect()
    world.advance(2)
    bert.drop()
    world.advance(2)
    (update,) = anna.last("connection_quality").updates
    assert (update.participant_sid, update.quality) == (bert.participant.sid, LOST)
