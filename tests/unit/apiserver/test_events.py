"""Replicas tell one another: each event once, in order, none lost; and nobody listening asks nothing."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Connection, delete, event, text, update

from meeting.apiserver.database import Database
from meeting.apiserver.events import FORGET, KEEP, Event, Events, Note, event_topic, publish
from meeting.apiserver.events import event as event_table
from tests.support.databases import instant_database, result, turn
from tests.support.hub import InstantReactor

TOPIC = "meeting:1"


class Diary:
    """A listener that writes down what it hears."""

    def __init__(self) -> None:
        self.heard_events: list[Event] = []
        self.times_missed = 0

    def heard(self, event: Event) -> None:
        self.heard_events.append(event)

    def missed(self) -> None:
        self.times_missed += 1

    @property
    def texts(self) -> list[str]:
        return [each.data.decode() for each in self.heard_events]


@pytest.fixture
def reactor() -> InstantReactor:
    return InstantReactor()


@pytest.fixture
def database(empty_database: URL, reactor: InstantReactor) -> Iterator[Database]:
    with instant_database(empty_database, reactor) as database:
        yield database


@pytest.fixture
def two(database: Database, reactor: InstantReactor) -> Iterator[tuple[Events, Events]]:
    """Two replicas' ears over one database."""
    ears = Events(database, reactor), Events(database, reactor)
    for each in ears:
        each.startService()
    yield ears
    for each in ears:
        each.stopService()


def tell(events: Events, *texts: str, topic: str = TOPIC) -> None:
    for each in texts:
        result(events.tell(topic, "said", each.encode()))


def test_all_replicas_hear_it_once_and_in_order(two: tuple[Events, Events], reactor: InstantReactor) -> None:
    diaries = [Diary(), Diary()]
    for ears, diary in zip(two, diaries, strict=True):
        result(ears.subscribe(TOPIC, diary))
    tell(two[0], "1", "2")
    tell(two[1], "3")
    turn(reactor, 0.25)
    assert [diary.texts for diary in diaries] == [["1", "2", "3"]] * 2
    assert [each.origin for each in diaries[0].heard_events] == [two[0].origin] * 2 + [two[1].origin]
    turn(reactor, 1)
    tell(two[1], "4")
    turn(reactor, 0.25)
    assert diaries[0].texts == ["1", "2", "3", "4"]
    assert not diaries[0].times_missed


def test_who_wakes_his_own_replica_hears_it_at_once(two: tuple[Events, Events], reactor: InstantReactor) -> None:
    diary = Diary()
    result(two[0].subscribe(TOPIC, diary))
    tell(two[0], "now")
    two[0].wake()
    reactor.advance(0)
    assert diary.texts == ["now"]


def test_an_event_lives_and_dies_with_its_transaction(
    two: tuple[Events, Events], database: Database, reactor: InstantReactor
) -> None:
    diary = Diary()
    result(two[0].subscribe(TOPIC, diary))

    def regret(transaction: Connection, note: Note) -> None:
        publish(transaction, note)
        raise KeyError("no")

    with pytest.raises(KeyError):
        result(database.run(regret, two[1].note(TOPIC, "said", b"unsaid")))
    tell(two[1], "said")
    turn(reactor, 0.25)
    assert diary.texts == ["said"] and not diary.times_missed


def test_what_was_said_before_one_listened_is_not_heard(two: tuple[Events, Events], reactor: InstantReactor) -> None:
    tell(two[0], "before")
    diary = Diary()
    stop = result(two[1].subscribe(TOPIC, diary))
    tell(two[0], "after")
    turn(reactor, 0.25)
    stop()
    tell(two[0], "too late")
    turn(reactor, 1)
    assert diary.texts == ["after"]


def test_topics_do_not_disturb_one_another(two: tuple[Events, Events], reactor: InstantReactor) -> None:
    diaries = {name: Diary() for name in ("a", "b", "c")}
    for name, diary in diaries.items():
        result(two[0].subscribe(name, diary))
    for number in range(300):
        tell(two[1], str(number), topic="ab"[number % 2])
    turn(reactor, 0.5)
    assert diaries["a"].texts == [str(number) for number in range(0, 300, 2)]
    assert diaries["b"].texts == [str(number) for number in range(1, 300, 2)]
    assert diaries["c"].texts == []


def test_nobody_listening_asks_nothing(two: tuple[Events, Events], database: Database, reactor: InstantReactor) -> None:
    statements: list[str] = []

    def write_down(*arguments: object) -> None:
        if str(arguments[2]).startswith("SELECT"):
            statements.append(str(arguments[2]))

    event.listen(database.engine, "before_cursor_execute", write_down)
    turn(reactor, 5)
    assert statements == []
    stop = result(two[0].subscribe(TOPIC, Diary()))
    statements.clear()
    turn(reactor, 2.01)
    assert 8 <= len(statements) <= 10, "one query each 200 ms"
    stop()
    statements.clear()
    turn(reactor, 5)
    assert statements == [] and not reactor.getDelayedCalls()


def test_a_note_published_twice_is_heard_once(
    two: tuple[Events, Events], database: Database, reactor: InstantReactor
) -> None:
    """The COMMIT's answer was lost, so the transaction was done again."""
    diary = Diary()
    result(two[0].subscribe(TOPIC, diary))
    note = two[1].note(TOPIC, "said", b"once")
    for _ in range(2):
        result(database.run(publish, note))
    tell(two[1], "and on")
    turn(reactor, 0.25)
    assert diary.texts == ["once", "and on"] and not diary.times_missed


def test_who_was_away_for_too_long_is_told_and_goes_on(
    two: tuple[Events, Events], database: Database, reactor: InstantReactor
) -> None:
    diary = Diary()
    result(two[0].subscribe(TOPIC, diary))
    tell(two[1], "pruned", "pruned too")
    result(database.run(lambda tx: tx.execute(delete(event_table))))
    turn(reactor, 0.25)
    assert diary.times_missed == 1 and diary.texts == []
    tell(two[1], "lost")
    result(database.run(lambda tx: tx.execute(delete(event_table))))
    tell(two[1], "also loaded anew", "heard")
    turn(reactor, 0.25)
    assert diary.times_missed == 2 and diary.texts == ["heard"]


def test_a_topic_that_was_forgotten_begins_ahead_of_all_that_was(
    two: tuple[Events, Events], database: Database, reactor: InstantReactor
) -> None:
    diary = Diary()
    result(two[0].subscribe(TOPIC, diary))
    tell(two[1], "1")
    turn(reactor, 0.25)
    result(database.run(lambda tx: tx.execute(delete(event_topic))))
    turn(reactor, 0.25)
    tell(two[1], "2", "3")
    turn(reactor, 0.25)
    assert diary.times_missed == 1 and diary.texts == ["1", "3"]


def test_pruning_leaves_what_can_still_be_wanted(
    two: tuple[Events, Events], database: Database, reactor: InstantReactor
) -> None:
    def counts(transaction: Connection) -> list[int]:
        return [
            transaction.execute(text(f"SELECT COUNT(*) FROM {name}")).scalar_one() for name in ("event", "event_topic")
        ]

    tell(two[0], "old")
    reactor.advance(KEEP.total_seconds() - 1)
    tell(two[0], "new", topic="other")
    result(two[0].prune())
    assert result(database.read(counts)) == [2, 2]
    reactor.advance(2)
    result(two[0].prune())
    assert result(database.read(counts)) == [1, 2]
    reactor.advance(FORGET.total_seconds())
    result(two[0].prune())
    assert result(database.read(counts)) == [0, 0]


def test_a_listener_that_fails_does_not_keep_the_others_from_hearing(
    two: tuple[Events, Events], reactor: InstantReactor, logged_failures: list[object]
) -> None:
    class Broken(Diary):
        def heard(self, event: Event) -> None:
            raise KeyError("a fault")

    diary = Diary()
    result(two[0].subscribe(TOPIC, Broken()))
    result(two[0].subscribe(TOPIC, diary))
    tell(two[1], "1", "2")
    turn(reactor, 0.25)
    assert diary.texts == ["1", "2"]
    assert len(logged_failures) == 2
    logged_failures.clear()


def test_a_reader_whose_node_is_behind_hears_nothing_twice(
    two: tuple[Events, Events], database: Database, reactor: InstantReactor
) -> None:
    diary = Diary()
    result(two[0].subscribe(TOPIC, diary))
    tell(two[1], "1", "2")
    turn(reactor, 0.25)
    result(database.run(lambda tx: tx.execute(update(event_topic).values(head=event_topic.c.head - 1))))
    turn(reactor, 0.25)
    result(database.run(lambda tx: tx.execute(update(event_topic).values(head=event_topic.c.head + 1))))
    tell(two[1], "3")
    turn(reactor, 0.25)
    assert diary.texts == ["1", "2", "3"] and not diary.times_missed
