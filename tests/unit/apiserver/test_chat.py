"""The chat as it is kept, and who may neither read nor write it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.hub import Browser, Hub

ADA, BOB = "ada@example.com", "bob@example.com"


def message(number: int, text: str = "Hello") -> dict[str, str]:
    return {"id": f"{number:032x}", "text": text}


@pytest.fixture
def ada(hub: Hub) -> Browser:
    return hub.sign_in(ADA)


@pytest.fixture
def chat(ada: Browser) -> str:
    return f"/api/v1/meetings/{ada.instant()['code']}/chat"


def test_a_message_is_kept_with_its_author_and_time(ada: Browser, chat: str) -> None:
    answer = ada.post(chat, message(1, "  Hello \U0001f44b\n\nall "))
    assert answer.status == 201
    kept = answer.json
    assert (kept["id"], kept["text"], kept["author"]["name"]) == (f"{1:032x}", "Hello \U0001f44b\n\nall", "Ada")
    assert kept["sent_at"].startswith("2026-11-23T12:00:00")
    assert ada.get(chat).json == {"messages": [kept], "next": None}


def test_the_same_message_again_changes_nothing(ada: Browser, chat: str) -> None:
    first = ada.post(chat, message(1))
    again = ada.post(chat, message(1, "Something else"))
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    assert len(ada.get(chat).json["messages"]) == 1


def test_nobody_takes_the_id_of_anothers_message(hub: Hub, ada: Browser, chat: str) -> None:
    hub.beat("sfu", "sfu.example.com:443")
    ada.post(chat, message(1))
    bob = hub.sign_in(BOB)
    bob.post(chat.replace("/chat", "/join"), {"device": "abcd1234"})
    answer = bob.post(chat, message(1, "Mine"))
    assert (answer.status, answer.problem) == (409, "conflict")
    assert ada.get(chat).json["messages"][0]["text"] == "Hello"


def test_messages_come_in_the_order_they_were_sent_whatever_their_ids(ada: Browser, chat: str) -> None:
    for number in (3, 1, 2):
        ada.post(chat, message(number, str(number)))
    assert [each["text"] for each in ada.get(chat).json["messages"]] == ["3", "1", "2"]
    assert [each["text"] for each in ada.get(f"{chat}?after={3:032x}").json["messages"]] == ["1", "2"]
    assert ada.get(f"{chat}?after={2:032x}").json == {"messages": [], "next": None}
    assert len(ada.get(f"{chat}?after={9:032x}").json["messages"]) == 3


def test_a_long_chat_shows_its_newest_messages_and_older_ones_page_by_page(hub: Hub, ada: Browser, chat: str) -> None:
    ada.post(chat, message(0, "0"))

    def write(transaction: Any) -> None:
        """What 501 more posts would."""
        from meeting.apiserver.chat.tables import chat_message

        first = transaction.execute(chat_message.select()).one()._asdict()
        later = [
            {**first, "id": f"{n:032x}", "text": str(n), "sent_at": first["sent_at"] + timedelta(seconds=n)}
            for n in range(1, 502)
        ]
        transaction.execute(chat_message.insert(), later)

    hub.sql(write)
    newest = ada.get(f"{chat}?limit=200").json
    texts = [message["text"] for message in newest["messages"]]
    assert texts == [str(n) for n in range(302, 502)], "the newest, oldest first"
    older = ada.get(newest["next"]).json
    assert [message["text"] for message in older["messages"]] == [str(n) for n in range(102, 302)]
    oldest = ada.get(older["next"]).json
    assert (len(oldest["messages"]), oldest["next"]) == (102, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "1", "text": "Hello"},
        {"id": "G" * 32, "text": "Hello"},
        {"id": "0" * 32, "text": ""},
        {"id": "0" * 32, "text": " \n\x00"},
        {"id": "0" * 32, "text": "x" * 4001},
        {"id": "0" * 32, "text": "x" * 100_000},
        {"id": "0" * 32},
        {"id": "0" * 32, "text": "Hello", "author": "Eve"},
        {"id": "0" * 32, "text": 7},
        [],
    ],
)
def test_a_message_that_is_none_is_refused(ada: Browser, chat: str, wrong: Any) -> None:
    answer = ada.post(chat, wrong)
    assert (answer.status, answer.problem) == (400, "bad-request")
    assert ada.get(chat).json == {"messages": [], "next": None}


def test_strangers_neither_read_nor_write(hub: Hub, chat: str) -> None:
    for browser, problem in ((hub.browser(), "sign-in-needed"), (hub.sign_in(BOB), "forbidden")):
        assert browser.get(chat).problem == problem
        assert browser.post(chat, message(1)).problem == problem


def test_an_invited_person_reads_before_joining_and_after_the_end(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    chat = f"/api/v1/meetings/{ada.schedule(invitees=[BOB])['code']}/chat"
    ada.post(chat, message(1))
    bob = hub.sign_in(BOB)
    assert len(bob.get(chat).json["messages"]) == 1
    hub.clock.advance(86_400)
    assert len(bob.get(chat).json["messages"]) == 1
