"""The probe at the hub's door: what it asks, how long it waits, what it says when it is not let in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from meeting.probe.hub import ANSWER_WITHIN, LARGEST_ANSWER, CannotJoin, Place, take_a_place

LINK = "https://meet.example.com/m/abc-defg-hij"
PLACE = {"url": "wss://sfu.example.com", "token": "t", "identity": "guest:1", "name": "Probe", "role": "guest"}
Answers = list[tuple[int, dict[str, str], bytes]]


@implementer(IAgent)
class Door:
    """Gives the answers in their order; keeps what it was asked."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[tuple[bytes, Any]] = []

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Any:
        assert method == b"POST" and headers.getRawHeaders("Origin") == ["https://meet.example.com"]
        # treq's producer writes in turns of the real reactor; what it would write is all that counts here.
        self.asked.append((uri, json.load(bodyProducer._inputFile)))
        return succeed(Response(*self.answers.pop(0)))


class Response:
    """An answer whose body comes in pieces."""

    request = None
    previousResponse = None

    def __init__(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.code = code
        self.headers = Headers({name: [value] for name, value in headers.items()})
        self.length = len(body)
        self._body = body

    def deliverBody(self, protocol: Any) -> None:
        for start in range(0, len(self._body), 1000):
            protocol.dataReceived(self._body[start : start + 1000])
        protocol.connectionLost(Failure(ResponseDone()))


class Visit:
    """One `take_a_place` on a clock of its own."""

    def __init__(self, *answers: tuple[int, dict[str, str], Any], agent: IAgent | None = None) -> None:
        self.clock = Clock()
        self.door = Door([(s, h, b if isinstance(b, bytes) else json.dumps(b).encode()) for s, h, b in answers])
        self.place: Deferred[Place] = Deferred.fromCoroutine(
            take_a_place(agent or self.door, self.clock, LINK, "Probe", patience=30)
        )

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def refusal(self) -> str:
        failure: Any = self.place.result
        self.place.addErrback(lambda _: None)
        assert failure.check(CannotJoin), failure
        return str(failure.value)


def test_it_joins_as_a_guest_with_a_device_of_its_own() -> None:
    visit = Visit((200, {}, PLACE))
    assert visit.place.result == Place("wss://sfu.example.com", "t", "guest:1")
    ((path, body),) = visit.door.asked
    assert path == b"https://meet.example.com/api/v1/meetings/abc-defg-hij/join"
    assert body["name"] == "Probe" and len(body["device"]) == 8
    assert visit.clock.getDelayedCalls() == []


def test_please_wait_is_asked_again_when_the_hub_says() -> None:
    please_wait = (503, {"Retry-After": "7"}, {"title": "Please wait a moment."})
    visit = Visit(please_wait, please_wait, (200, {}, PLACE))
    visit.wait(6.9)
    assert len(visit.door.asked) == 1
    visit.wait(0.1)
    assert len(visit.door.asked) == 2
    visit.wait(7)
    assert visit.place.result == Place("wss://sfu.example.com", "t", "guest:1")
    devices = {body["device"] for _, body in visit.door.asked}
    assert len(devices) == 1, "one and the same participant asks again"


def test_it_does_not_wait_in_a_lobby() -> None:
    visit = Visit((202, {"Retry-After": "2"}, {"state": "waiting", "reason": "lobby"}))
    assert visit.refusal().startswith("the meeting has a lobby")


def test_patience_ends() -> None:
    visit = Visit(*[(503, {"Retry-After": "20"}, {"title": "Please wait a moment."})] * 2)
    visit.wait(20)
    assert visit.refusal() == "the hub answered 503: Please wait a moment."


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((410, {}, {"title": "This meeting is over."}), "the hub answered 410: This meeting is over."),
        ((404, {}, {"title": "a", "detail": "There is none."}), "the hub answered 404: There is none."),
        ((200, {}, b"<html>"), "the hub answered 200 without JSON; is this a meeting's link?"),
        ((200, {}, b"[" * 20_000), "the hub answered 200 without JSON; is this a meeting's link?"),
        ((200, {}, {"url": "x"}), "the hub's answer has no 'token'; is it another version?"),
        ((200, {}, b" " * (LARGEST_ANSWER + 1)), "the hub's answer is too long"),
        ((503, {"Retry-After": "1e9"}, [1]), None),
    ],
)
def test_a_refusal_is_said_in_the_hubs_words(answer: tuple[int, dict[str, str], Any], said: str | None) -> None:
    visit = Visit(answer, (410, {}, {"title": "Over."}))
    visit.wait(2)
    assert visit.refusal() == (said or "the hub answered 410: Over.")


@implementer(IAgent)
class Absent:
    """A hub that is not there, or does not answer."""

    def __init__(self, *, refuses: bool) -> None:
        self._refuses = refuses

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Any:
        return fail(Refused("Connection refused")) if self._refuses else Deferred()


def test_a_hub_that_is_not_there_is_named() -> None:
    visit = Visit(agent=Absent(refuses=True))
    assert visit.refusal().startswith("https://meet.example.com cannot be reached: ")


def test_a_hub_that_does_not_answer_is_given_up() -> None:
    visit = Visit(agent=Absent(refuses=False))
    visit.wait(ANSWER_WITHIN)
    assert visit.refusal() == "https://meet.example.com did not answer within 10 s"
    assert visit.clock.getDelayedCalls() == []
