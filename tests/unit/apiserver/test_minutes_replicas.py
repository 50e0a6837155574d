"""The same minutes open at several replicas: all see the same within half a second, whichever they are at."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from twisted.internet.defer import Deferred

from meeting.apiserver.events import Events
from meeting.apiserver.events import event as event_table
from meeting.apiserver.leases import Leases
from meeting.apiserver.minutes.effects import Close, CloseCode, Limits
from meeting.apiserver.minutes.frames import Caret, awareness_frame, read_awareness
from meeting.apiserver.minutes.live import LiveMinutes
from meeting.apiserver.minutes.open_document import Seat
from meeting.apiserver.minutes.tables import minutes_snapshot, minutes_update
from meeting.apiserver.minutes.updates import Reader
from meeting.apiserver.minutes.use_cases import Minutes
from tests.support.databases import turn
from tests.support.hub import Hub
from tests.unit.minutes.yclient import Client

SOON = 0.35


class Person:
    """Somebody with the minutes open: `live.Connection`, and their copy."""

    def __init__(self, number: int) -> None:
        self.yjs = Client(number)
        self.seat: Seat | None = None
        self.frames = 0

    def send(self, frame: bytes) -> None:
        self.frames += 1
        self.yjs.hear(frame)

    def close(self, code: int, reason: str) -> None:
        self.yjs.closed = Close(0, CloseCode(code), reason)

    def say(self) -> None:
        assert self.seat is not None
        while self.yjs.out:
            frames, self.yjs.out = self.yjs.out, []
            for frame in frames:
                self.seat.receive(frame)

    def write(self, text: str) -> None:
        self.yjs.write(text)
        self.say()

    def point(self, number: int, clock: int) -> None:
        assert self.seat is not None
        self.seat.receive(awareness_frame([Caret(number, clock, {"user": {"color": "red"}})]))

    def carets(self) -> dict[int, str | None]:
        """Whose caret is where, as they were told."""
        known: dict[int, str | None] = {}
        for frame in self.yjs.carets:
            for number, _, text in read_awareness(Reader(frame[1:]).buffer()):
                state = json.loads(text)
                known[number] = state and state["user"]["name"]
        return {number: name for number, name in known.items() if name is not None}


class Replica:
    """One hub's live minutes over the common database."""

    def __init__(self, hub: Hub, compact_after: int = 500) -> None:
        database = hub.server.database
        self.events = Events(database, hub.clock)
        minutes, leases = Minutes(database, hub.clock), Leases(database, hub.clock)
        self.live = LiveMinutes(minutes, self.events, leases, hub.clock, Limits(), compact_after=compact_after)
        for service in (self.events, self.live):
            service.startService()

    def die(self) -> None:
        """kill -9: nobody says good-bye."""
        self.events.stopService()
        self.events.tell = self._nothing  # type: ignore[method-assign]
        self.live.stopService()

    async def _nothing(self, topic: str, kind: str, data: bytes = b"") -> None:
        pass

    def open(self, meeting_id: str, number: int, name: str = "Ada") -> Person:
        person = Person(number)
        seats: list[Any] = []
        Deferred.fromCoroutine(self.live.join(meeting_id, person, name, True)).addCallback(seats.append)
        person.seat = seats[0]
        person.yjs.hello()
        person.say()
        return person


@pytest.fixture
def meeting_id(hub: Hub) -> str:
    return str(hub.sign_in("ada@example.com").instant()["id"])


@pytest.fixture
def three(hub: Hub) -> Iterator[list[Replica]]:
    replicas = [Replica(hub) for _ in range(3)]
    yield replicas
    for replica in replicas:
        replica.live.stopService()
        replica.events.stopService()


def test_all_read_what_all_write(hub: Hub, three: list[Replica], meeting_id: str) -> None:
    people = [replica.open(meeting_id, number) for number, replica in enumerate(three, 1)]
    for round in range(10):
        for person in people:
            person.write(f"round {round} of {person.yjs.number}")
            assert person.yjs.durable, "acknowledged at once"
        turn(hub.clock, SOON)
        assert len({person.yjs.text for person in people}) == 1
    assert all(f"round 9 of {n}" in people[0].yjs.text for n in (1, 2, 3))
    newcomer = three[1].open(meeting_id, 9)
    assert newcomer.yjs.text == people[0].yjs.text


def test_each_update_is_one_row_whoever_is_told_of_it(hub: Hub, three: list[Replica], meeting_id: str) -> None:
    people = [replica.open(meeting_id, number) for number, replica in enumerate(three, 1)]
    people[0].write("one")
    turn(hub.clock, SOON)
    rows = hub.sql(lambda tx: tx.execute(select(func.count()).select_from(minutes_update)).scalar())
    assert rows == 2  # an element and its text


def test_somebody_goes_on_at_another_replica(hub: Hub, three: list[Replica], meeting_id: str) -> None:
    ada, bob = three[0].open(meeting_id, 1), three[1].open(meeting_id, 2)
    for number in range(20):
        assert ada.seat is not None
        ada.write(f"line {number}")
        bob.write(f"answer {number}")
        ada.seat.leave()
        there = three[(number + 1) % 3].live
        seats: list[Any] = []
        Deferred.fromCoroutine(there.join(meeting_id, ada, "Ada", True)).addCallback(seats.append)
        ada.seat = seats[0]
        ada.yjs.hello()
        ada.say()
        turn(hub.clock, 0.05)
    turn(hub.clock, SOON)
    ada.say()
    assert ada.yjs.close_code is None and bob.yjs.close_code is None
    assert ada.yjs.text == bob.yjs.text and "answer 19" in ada.yjs.text and "line 19" in bob.yjs.text


def test_carets_are_seen_across_replicas_under_their_names(hub: Hub, three: list[Replica], meeting_id: str) -> None:
    ada, bob = three[0].open(meeting_id, 1, "Ada"), three[1].open(meeting_id, 2, "Bob")
    ada.point(77, 1)
    bob.point(88, 1)
    turn(hub.clock, 1)  # the replicas make one another's acquaintance
    assert ada.carets() == bob.carets() == {77: "Ada", 88: "Bob"}
    eve = three[2].open(meeting_id, 3, "Eve")
    turn(hub.clock, 0.5)
    assert eve.carets() == {77: "Ada", 88: "Bob"}
    assert ada.seat is not None
    ada.seat.leave()
    turn(hub.clock, 0.5)
    assert bob.carets() == eve.carets() == {88: "Bob"}


def test_carets_at_a_replica_that_died_are_gone_after_half_a_minute(
    hub: Hub, three: list[Replica], meeting_id: str
) -> None:
    ada, bob = three[0].open(meeting_id, 1, "Ada"), three[1].open(meeting_id, 2, "Bob")
    ada.point(77, 1)
    bob.point(88, 1)
    turn(hub.clock, 60, 0.5)
    assert bob.carets() == {77: "Ada", 88: "Bob"}, "they are there for as long as both live"
    three[0].die()
    turn(hub.clock, 45, 0.5)
    assert bob.carets() == {88: "Bob"}


def test_alone_nobody_is_told_where_the_carets_are(hub: Hub, three: list[Replica], meeting_id: str) -> None:
    ada = three[0].open(meeting_id, 1)
    for clock in range(50):
        ada.point(77, clock)
        turn(hub.clock, 0.2)
    assert hub.sql(lambda tx: tx.execute(select(func.count()).select_from(event_table)).scalar()) == 1  # its hello


def test_many_moves_are_few_frames(hub: Hub, three: list[Replica], meeting_id: str) -> None:
    people = [three[number % 2].open(meeting_id, number) for number in range(20)]
    turn(hub.clock, SOON)
    before = [person.frames for person in people]
    for clock in range(5):
        for number, person in enumerate(people):
            person.point(1000 + number, clock)
    turn(hub.clock, 1)
    assert all(len(person.carets()) == 20 for person in people)
    assert max(person.frames - start for person, start in zip(people, before, strict=True)) <= 4


def test_a_replica_that_missed_events_reads_the_database(hub: Hub, three: list[Replica], meeting_id: str) -> None:
    ada, bob = three[0].open(meeting_id, 1), three[1].open(meeting_id, 2)
    turn(hub.clock, SOON)
    ada.write("while bob's hub was away")
    hub.sql(lambda tx: tx.execute(delete(event_table)))
    turn(hub.clock, SOON)
    assert bob.yjs.text == ada.yjs.text != ""
    bob.write("and on")
    turn(hub.clock, SOON)
    assert ada.yjs.text == bob.yjs.text


def test_all_replicas_compact_and_nothing_is_lost(hub: Hub, meeting_id: str) -> None:
    replicas = [Replica(hub, compact_after=10) for _ in range(2)]
    people = [replica.open(meeting_id, number) for number, replica in enumerate(replicas, 1)]
    for number in range(40):
        for person in people:
            person.write(f"line {number} of {person.yjs.number}")
        turn(hub.clock, 0.25)
    assert hub.sql(lambda tx: tx.execute(select(func.count()).select_from(minutes_snapshot)).scalar()) == 1
    assert replicas[0].open(meeting_id, 9).yjs.text == people[0].yjs.text == people[1].yjs.text
    for replica in replicas:
        replica.live.stopService()
        replica.events.stopService()
