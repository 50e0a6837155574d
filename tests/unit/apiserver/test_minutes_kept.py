"""Minutes in the database: what was written down is read again, whole, whatever happens to a compaction."""

from typing import Any

import pytest
from pycrdt import Doc, XmlElement, XmlFragment, XmlText
from sqlalchemy import Connection, func, select
from twisted.internet.defer import Deferred

from meeting.apiserver.minutes import use_cases
from meeting.apiserver.minutes.tables import minutes_snapshot, minutes_update
from meeting.apiserver.minutes.use_cases import Minutes
from tests.support.hub import Hub


class Writer:
    """A document and the updates it made, one for each line."""

    def __init__(self) -> None:
        self.doc: Doc[XmlFragment] = Doc()
        self.fragment = self.doc.get("default", type=XmlFragment)
        self.updates: list[bytes] = []
        self.doc.observe(lambda event: self.updates.append(event.update))

    def line(self, text: str) -> None:
        with self.doc.transaction():
            paragraph = self.fragment.children.append(XmlElement("paragraph"))
            paragraph.children.append(XmlText(text))


def done(coroutine: Any) -> Any:
    results: list[Any] = []
    Deferred.fromCoroutine(coroutine).addCallback(results.append)
    return results[0]


@pytest.fixture
def meeting_id(hub: Hub) -> str:
    return str(hub.sign_in("ada@example.com").instant()["id"])


@pytest.fixture
def minutes(hub: Hub) -> Minutes:
    return Minutes(hub.server.database, hub.clock)


def rows(hub: Hub, table: Any) -> int:
    return int(hub.sql(lambda transaction: transaction.execute(select(func.count()).select_from(table)).scalar()))


def test_many_updates_become_one_snapshot_and_read_the_same(hub: Hub, minutes: Minutes, meeting_id: str) -> None:
    writer = Writer()
    for number in range(1200):
        writer.line(f"line {number}")
    done(minutes.append(meeting_id, writer.updates))
    before = done(minutes.read(meeting_id))
    done(minutes.compact(meeting_id))
    assert (rows(hub, minutes_update), rows(hub, minutes_snapshot)) == (0, 1)
    assert done(minutes.read(meeting_id)) == before
    assert before.text.splitlines()[-1] == "line 1199"
    assert len(done(minutes.load(meeting_id))) == 1


def test_what_is_written_after_a_snapshot_is_added_to_the_next(hub: Hub, minutes: Minutes, meeting_id: str) -> None:
    writer = Writer()
    for number in range(3):
        writer.line(f"line {number}")
        done(minutes.append(meeting_id, writer.updates[number:]))
        done(minutes.compact(meeting_id))
    done(minutes.compact(meeting_id))
    assert done(minutes.read(meeting_id)).text == "line 0\nline 1\nline 2"
    assert (rows(hub, minutes_update), rows(hub, minutes_snapshot)) == (0, 1)


def test_a_compaction_that_is_cut_off_changes_nothing(hub: Hub, minutes: Minutes, meeting_id: str) -> None:
    writer = Writer()
    for number in range(20):
        writer.line(f"line {number}")
    done(minutes.append(meeting_id, writer.updates[:10]))
    done(minutes.compact(meeting_id))
    done(minutes.append(meeting_id, writer.updates[10:]))
    before = done(minutes.read(meeting_id))

    def cut_off(transaction: Connection) -> None:
        use_cases._compact(transaction, meeting_id)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hub.sql(cut_off)
    assert done(minutes.read(meeting_id)) == before
    assert rows(hub, minutes_update) == 10


def test_one_meetings_minutes_are_not_anothers(hub: Hub, minutes: Minutes, meeting_id: str) -> None:
    other = str(hub.sign_in("bob@example.com").instant()["id"])
    writer = Writer()
    writer.line("mine")
    done(minutes.append(meeting_id, writer.updates))
    done(minutes.compact(other))
    assert done(minutes.read(other)).text == ""
    assert done(minutes.load(other)) == []


def test_what_was_deleted_is_gone_from_the_snapshot(hub: Hub, minutes: Minutes, meeting_id: str) -> None:
    writer = Writer()
    writer.line("a secret that was written by mistake")
    del writer.fragment.children[0]
    done(minutes.append(meeting_id, writer.updates))
    done(minutes.compact(meeting_id))
    assert b"by mistake" not in done(minutes.load(meeting_id))[0]
