"""What the commonest requests ask of the database, exactly: a request that becomes dearer has to say so here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

if TYPE_CHECKING:
    from tests.support.hub import Hub

#: What begins and ends a transaction is no statement.
_AROUND = ("BEGIN", "SAVEPOINT", "RELEASE")


class Asked:
    """What was asked of the database."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.transactions = 0
        self.writing = 0

    @property
    def counts(self) -> tuple[int, int, int]:
        """Statements, transactions, and how many of those write."""
        return len(self.statements), self.transactions, self.writing


@contextmanager
def asked_of(hub: Hub) -> Iterator[Asked]:
    """What is asked of a hub's database within."""
    found = Asked()

    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        if text.startswith("BEGIN"):
            found.writing += 1
        if not text.startswith(_AROUND):
            found.statements.append(text)

    def commit(_connection: Any) -> None:
        found.transactions += 1

    listeners: list[tuple[str, Callable[..., None]]] = [("before_cursor_execute", statement), ("commit", commit)]
    engine = hub.server.database.engine
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield found
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)


@pytest.fixture
def served(hub: Hub) -> Hub:
    """A hub with a media server."""
    assert hub.beat("sfu", "a.example.com:443").status == 200
    return hub


def test_a_list_asks_the_session_the_single_meetings_the_series_and_who_is_invited(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    for number in range(5):
        ada.schedule(title=f"Plans {number}")
    with asked_of(hub) as asked:
        assert len(ada.get("/api/v1/meetings").json["meetings"]) == 5
    assert asked.counts == (4, 2, 0), asked.statements


def test_a_list_costs_as_many_statements_however_long_it_is(hub: Hub) -> None:
    ada, counts = hub.sign_in("ada@example.com"), set()
    for _ in range(3):
        ada.schedule(invitees=["bob@example.com", "cleo@example.com"])
        with asked_of(hub) as asked:
            ada.get("/api/v1/meetings")
        counts.add(asked.counts)
    assert len(counts) == 1, counts


def test_making_a_meeting_is_one_transaction_with_its_audit_entry_beside_the_session(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    with asked_of(hub) as asked:
        ada.schedule()
    assert asked.counts == (6, 2, 1), asked.statements


def test_a_host_comes_in_by_one_transaction_beside_the_session(served: Hub) -> None:
    ada = served.sign_in("ada@example.com")
    path = f"/api/v1/meetings/{ada.instant()['code']}/join"
    assert ada.post(path, {"device": "firstone"}).status == 200
    with asked_of(served) as asked:
        assert ada.post(path, {"device": "another1"}).status == 200
    assert asked.counts == (8, 2, 1), asked.statements


def test_a_guest_comes_in_by_one_transaction_beside_the_audit_log(served: Hub) -> None:
    path = f"/api/v1/meetings/{served.sign_in('ada@example.com').instant()['code']}/join"
    guest = served.browser()
    with asked_of(served) as asked:
        assert guest.post(path, {"device": "another1", "name": "Gus"}).status == 200
    assert asked.counts == (14, 2, 2), asked.statements


def test_signing_in_again_is_one_transaction_with_its_audit_entry(hub: Hub) -> None:
    hub.sign_in("ada@example.com")
    browser = hub.browser()
    browser.post("/api/v1/sign-in/codes", {"email": "ada@example.com"})
    code = hub.code_for("ada@example.com")
    with asked_of(hub) as asked:
        assert browser.post("/api/v1/sign-in", {"email": "ada@example.com", "code": code}).status == 200
    assert asked.counts == (11, 1, 1), asked.statements


def test_a_statement_is_built_once(served: Hub) -> None:
    """What was asked before is not compiled again: its text is found by the statement itself."""
    ada = served.sign_in("ada@example.com")
    code = ada.instant()["code"]

    def all_of_it() -> None:
        ada.schedule()
        ada.get("/api/v1/meetings")
        ada.post(f"/api/v1/meetings/{code}/join", {"device": "firstone"})

    all_of_it()
    cache: Any = served.server.database.engine.dialect
    compiled: list[object] = []
    compiler = cache.statement_compiler

    class Counting(compiler):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            compiled.append(arguments[1])
            super().__init__(*arguments, **keywords)

    cache.statement_compiler = Counting
    all_of_it()
    assert compiled == []


def test_rounds_with_nothing_to_do_write_nothing(hub: Hub) -> None:
    hub.sign_in("ada@example.com").schedule()
    hub.clock.advance(60)
    with asked_of(hub) as asked:
        for _ in range(25):
            hub.clock.advance(1)
    assert [each for each in asked.statements if not each.startswith("SELECT")] == []
    assert asked.writing == 0
