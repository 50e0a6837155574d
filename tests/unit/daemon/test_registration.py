"""Heartbeats: when they are sent, how they are signed, and what is said when the hub does not answer."""

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer
from zope.interface.verify import verifyObject

from meeting.daemon.client import LARGEST_ANSWER, DaemonClient, Unreachable
from meeting.daemon.registration import Heartbeat, HeartbeatAnswer, Registration, new_instance
from meeting.daemon.secret import RequestVerifier, Secret
from tests.support.logs import captured_events, text_of

SECRET = Secret("correct horse battery staple")
HUB = "https://hub.test"


@implementer(IResponse)
class Response:
    """An answer that is there at once."""

    version = (b"HTTP", 1, 1)
    phrase = b""
    request = None
    previousResponse = None

    def __init__(self, code: int, body: bytes) -> None:
        self.code = code
        self.headers = Headers()
        self.length = len(body)
        self._body = body

    def deliverBody(self, protocol: Any) -> None:
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(self._body)
        protocol.connectionLost(Failure(ResponseDone()))

    def setPreviousResponse(self, response: Any) -> None:
        raise NotImplementedError


@implementer(IAgent)
class Hub:
    """An agent that keeps a diary and answers with what comes next in `answers`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.clock.advance(1_800_000_000)
        self.verifier = RequestVerifier(SECRET)
        self.diary: list[tuple[str, str, Any]] = []
        self.answers: list[Any] = []

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: Any = None
    ) -> Deferred[IResponse]:
        transport = StringTransport()
        if bodyProducer is not None:
            bodyProducer.startProducing(transport)
        body, path = transport.value(), uri.decode().removeprefix(HUB) or "/"
        assert headers is not None
        authorization = headers.getRawHeaders("Authorization", [""])[0]
        kind = self.verifier.verify(authorization, method.decode(), path, body, self.clock.seconds())
        self.diary.append((f"{kind} {method.decode()}", path, json.loads(body) if body else None))
        answer = self.answers.pop(0) if self.answers else Response(200, b'{"interval": 1.0, "others": []}')
        return (
            fail(answer)
            if isinstance(answer, Exception)
            else answer
            if isinstance(answer, Deferred)
            else succeed(answer)
        )


def heartbeat() -> Heartbeat:
    return Heartbeat(kind="sfu", address="1.sfu:443", url="https://1.sfu", instance="0" * 32, version="0.1.0")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> Hub:
    hub = Hub(clock)
    verifyObject(IAgent, hub)
    return hub


def registration(hub: Hub, heard: list[HeartbeatAnswer] | None = None) -> Registration:
    return Registration(hub.clock, hub, SECRET, HUB, heartbeat, None if heard is None else heard.append)


def test_a_heartbeat_goes_out_at_once_and_each_second(hub: Hub, clock: Clock) -> None:
    service = registration(hub)
    service.startService()
    clock.pump([0.5] * 4)
    assert [entry[:2] for entry in hub.diary] == [("sfu POST", "/api/v1/daemons/heartbeat")] * 3
    assert Heartbeat.model_validate(hub.diary[0][2]) == heartbeat()
    assert service.connected
    service.stopService()


def test_answers_are_heard(hub: Hub) -> None:
    hub.answers = [Response(200, b'{"interval": 1.0, "others": ["192.0.2.7:3478"], "later": 1}')]
    heard: list[HeartbeatAnswer] = []
    service = registration(hub, heard)
    service.startService()
    assert heard[0].others == ["192.0.2.7:3478"]
    service.stopService()


def test_a_stop_says_farewell_and_leaves_nothing_behind(hub: Hub, clock: Clock) -> None:
    service = registration(hub)
    service.startService()
    stopped: list[Any] = []
    service.stopService().addCallback(stopped.append)
    assert hub.diary[-1] == (
        "sfu DELETE",
        "/api/v1/daemons/heartbeat",
        {"kind": "sfu", "address": "1.sfu:443", "instance": "0" * 32},
    )
    assert stopped == [None]
    assert clock.getDelayedCalls() == []


def test_a_stop_during_a_heartbeat_says_farewell_as_well(hub: Hub, clock: Clock) -> None:
    service = registration(hub)
    service.startService()
    hub.answers = [Deferred()]
    clock.advance(1)
    service.stopService()
    assert [entry[0] for entry in hub.diary] == ["sfu POST", "sfu POST", "sfu DELETE"]


def test_an_unreachable_hub_is_told_once_and_tried_each_second(hub: Hub, clock: Clock) -> None:
    hub.answers = [ConnectionRefusedError() for _ in range(5)]
    service = registration(hub)
    with captured_events() as events:
        service.startService()
        clock.pump([1] * 4)
        assert not service.connected
        assert text_of(events).count("cannot be reached") // 2 == 1
        clock.advance(1)
    assert service.connected
    assert "registered with the hub" in text_of(events)
    assert len(hub.diary) == 6
    service.stopService()


def test_a_wrong_secret_is_told_as_such_and_tried_every_ten_seconds(hub: Hub, clock: Clock) -> None:
    hub.answers = [Response(401, b"{}"), Response(401, b"{}")]
    service = registration(hub)
    with captured_events() as events:
        service.startService()
        clock.pump([1] * 9)
        assert len(hub.diary) == 1
        clock.advance(1)
    assert len(hub.diary) == 2
    assert "--secret" in text_of(events) and "clocks" in text_of(events)
    assert "horse" not in text_of(events)
    service.stopService()


def test_an_address_that_is_taken_is_told(hub: Hub) -> None:
    hub.answers = [Response(409, b"{}")]
    service = registration(hub)
    with captured_events() as events:
        service.startService()
    assert "another live server under our address" in text_of(events)
    assert not service.connected
    service.stopService()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"interval": -1}', b"[" * 60_000])
def test_an_answer_that_is_none_does_no_harm(hub: Hub, clock: Clock, body: bytes) -> None:
    hub.answers = [Response(200, body)]
    service = registration(hub)
    service.startService()
    assert not service.connected
    clock.advance(1)
    assert service.connected
    service.stopService()


def test_a_hub_that_hangs_is_given_up_after_five_seconds(hub: Hub, clock: Clock) -> None:
    hub.answers = [Deferred()]
    service = registration(hub)
    service.startService()
    clock.advance(5)
    clock.advance(1)
    assert service.connected
    service.stopService()


def test_a_stop_does_not_wait_for_a_hub_that_hangs(hub: Hub, clock: Clock) -> None:
    hub.answers = [Deferred()]
    service = registration(hub)
    service.startService()
    stopped: list[Any] = []
    service.stopService().addCallback(stopped.append)
    assert stopped == [None]
    assert clock.getDelayedCalls() == []


def test_a_trouble_in_the_description_does_not_end_the_heartbeats(
    hub: Hub, clock: Clock, logged_failures: list[Failure]
) -> None:
    calls: list[int] = []

    def describe() -> Heartbeat:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError
        return heartbeat()

    service = Registration(clock, hub, SECRET, HUB, describe)
    service.startService()
    clock.advance(1)
    assert service.connected
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()
    service.stopService()


def test_an_instance_is_new_at_each_start() -> None:
    assert new_instance() != new_instance()
    heartbeat().model_validate({**heartbeat().model_dump(), "instance": new_instance()})


# --- the client under it


async def test_an_answer_that_is_too_long_is_refused(hub: Hub, clock: Clock) -> None:
    client = DaemonClient(hub, SECRET, "api", clock)
    hub.answers = [Response(200, b"x" * (LARGEST_ANSWER + 1))]
    with pytest.raises(Unreachable, match="more than"):
        await client.get(HUB + "/x?token=hunter2")


async def test_the_reason_of_a_failure_shows_no_query(hub: Hub, clock: Clock) -> None:
    client = DaemonClient(hub, SECRET, "api", clock)
    hub.answers = [ConnectionRefusedError()]
    with pytest.raises(Unreachable) as caught:
        await client.get(HUB + "/x?token=hunter2")
    assert "hunter2" not in str(caught.value)
    assert "https://hub.test/x" in str(caught.value)


async def test_status_and_json_come_back_whatever_the_status(hub: Hub, clock: Clock) -> None:
    client = DaemonClient(hub, SECRET, "api", clock)
    hub.answers = [Response(503, b'{"a": 1}'), Response(200, b"no json")]
    assert await client.post(HUB + "/x", json={"b": 2}) == (503, {"a": 1})
    assert await client.get(HUB) == (200, None)
    assert [entry[:2] for entry in hub.diary] == [("api POST", "/x"), ("api GET", "/")]
