"""A call sent again under its Idempotency-Key makes nothing twice."""

import json
from typing import Any

import pytest
from sqlalchemy import text
from twisted.internet.defer import Deferred

from meeting.apiserver.meetings.scheduling import Scheduling
from meeting.daemon.errors import PleaseWait
from tests.support.hub import Answer, Browser, Hub

MEETING = {"kind": "scheduled", "title": "Plans", "begin_at": "2026-11-23T14:00:00Z", "end_at": "2026-11-23T15:00:00Z"}


@pytest.fixture
def ada(hub: Hub) -> Browser:
    return hub.sign_in("ada@example.com")


def create(browser: Browser, key: str, **more: Any) -> Answer:
    return browser.request("POST", "/api/v1/meetings", {**MEETING, **more}, **{"Idempotency-Key": key})


def meetings(browser: Browser) -> list[str]:
    return [each["title"] for each in browser.get("/api/v1/meetings").json["meetings"]]


def test_the_same_call_again_gets_the_same_answer_and_makes_nothing(hub: Hub, ada: Browser) -> None:
    first = create(ada, "k1", invitees=["bob@example.com"])
    again = create(ada, "k1", invitees=["bob@example.com"])
    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Content-Type"] == "application/json"
    assert first.headers["Idempotency-Replayed"] is None
    assert meetings(ada) == ["Plans"]
    assert len([mail for mail in hub.mails() if mail["to"] == "bob@example.com"]) == 1


def test_without_a_key_or_with_another_one_it_is_made_again(ada: Browser) -> None:
    create(ada, "k1")
    create(ada, "k2")
    ada.schedule()
    assert len(meetings(ada)) == 3


def test_a_key_with_another_body_is_refused(ada: Browser) -> None:
    create(ada, "k1")
    answer = create(ada, "k1", title="Other plans")
    assert (answer.status, answer.problem) == (422, "idempotency-key-reused")
    assert meetings(ada) == ["Plans"]


def test_the_keys_of_two_people_and_of_two_routes_are_two_keys(hub: Hub, ada: Browser) -> None:
    bob = hub.sign_in("bob@example.com")
    create(ada, "k1")
    assert create(bob, "k1", title="Bob's").json["title"] == "Bob's"
    made = ada.request("POST", "/api/v1/tokens", {"name": "x", "scopes": ["me:read"]}, **{"Idempotency-Key": "k1"})
    assert made.status == 201
    assert (meetings(ada), meetings(bob)) == (["Plans"], ["Bob's"])


def test_a_key_as_a_string_of_structured_fields_is_the_bare_one(ada: Browser) -> None:
    assert create(ada, '"k1"').json == create(ada, "k1").json


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "\t"])
def test_a_key_that_is_none_is_refused_with_what_to_write(ada: Browser, key: str) -> None:
    answer = create(ada, key)
    assert (answer.status, answer.problem) == (400, "bad-request")
    assert "Idempotency-Key" in answer.json["detail"]


def test_a_refusal_is_not_kept(ada: Browser) -> None:
    assert create(ada, "k1", end_at="2026-11-23T13:00:00Z").status == 400
    assert create(ada, "k1").status == 201


def test_a_secret_that_is_told_once_is_told_again_and_is_not_in_the_database(hub: Hub, ada: Browser) -> None:
    def make() -> Answer:
        return ada.request("POST", "/api/v1/tokens", {"name": "x", "scopes": ["me:read"]}, **{"Idempotency-Key": "k1"})

    secret = make().json["secret"]
    assert make().json["secret"] == secret
    (row,) = hub.sql(lambda transaction: transaction.execute(text("SELECT * FROM idempotent_call")).all())
    assert secret.encode() not in b"".join(value for value in row if isinstance(value, bytes))


def test_an_answer_is_kept_for_a_day(hub: Hub, ada: Browser) -> None:
    create(ada, "k1", begin_at="2026-12-23T14:00:00Z", end_at="2026-12-23T15:00:00Z")
    hub.clock.advance(23 * 3600)
    create(ada, "k1", begin_at="2026-12-23T14:00:00Z", end_at="2026-12-23T15:00:00Z")
    assert len(meetings(ada)) == 1
    hub.clock.advance(2 * 3600)
    create(ada, "k1", begin_at="2026-12-23T14:00:00Z", end_at="2026-12-23T15:00:00Z")
    assert len(meetings(ada)) == 2


def test_a_call_that_is_still_going_on_is_not_begun_a_second_time(
    hub: Hub, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: Deferred[None] = Deferred()
    schedule = Scheduling.schedule

    async def slow(self: Scheduling, *given: Any, **more: Any) -> Any:
        await waiting
        return await schedule(self, *given, **more)

    monkeypatch.setattr(Scheduling, "schedule", slow)
    headers = {"Cookie": f"meeting_session={ada.cookies['meeting_session']}", "Origin": "https://meet.example.com"}
    body = json.dumps(MEETING).encode()
    first = hub.begin(
        "POST",
        "/api/v1/meetings",
        body,
        {"Host": "meet.example.com", **headers, "Idempotency-Key": "k1", "Content-Type": "application/json"},
    )
    busy = create(ada, "k1")
    assert (busy.status, busy.problem) == (409, "idempotency-key-in-use")
    assert int(busy.headers["Retry-After"]) >= 1
    for _ in range(12):
        hub.clock.advance(3)
    assert create(ada, "k1").status == 409, "however long it goes on, while its replica lives"
    waiting.callback(None)
    made = first()
    assert made.status == 201
    assert create(ada, "k1").json == made.json
    assert meetings(ada) == ["Plans"]


def test_a_call_whose_replica_died_after_its_transaction_is_finished_by_the_next_try(
    hub: Hub, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = Scheduling.schedule

    async def dies(self: Scheduling, *given: Any, **more: Any) -> Any:
        await schedule(self, *given, **more)
        raise PleaseWait(1, "as if the process had ended here")

    with monkeypatch.context() as patch:
        patch.setattr(Scheduling, "schedule", dies)
        assert create(ada, "k1", invitees=["bob@example.com"]).status == 503
    assert create(ada, "k1", invitees=["bob@example.com"]).status == 409, "it could still be going on"
    hub.clock.advance(11)
    answer = create(ada, "k1", invitees=["bob@example.com"])
    assert answer.status == 201
    assert meetings(ada) == ["Plans"], "the row that the first try has made is found by its id"
    assert len([mail for mail in hub.mails() if mail["to"] == "bob@example.com"]) == 1
    assert create(ada, "k1", invitees=["bob@example.com"]).json == answer.json
