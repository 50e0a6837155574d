"""Webhooks: what the hub hears, signed as LiveKit signs, and what happens while it is away."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from livekit import api
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from meeting.daemon.secret import Secret
from meeting.sfuserver.room.chance import Chance
from meeting.sfuserver.signalling.webhooks import Webhooks
from tests.unit.sfuserver.clients import World

SECRET = Secret("a secret for nothing but tests")
QUEUE = 20
URL = "https://hub.example/api/v1/webhooks/sfu"


@implementer(IAgent)
class FakeAgent:
    """Answers with the status that is set; None: refuses the connection."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.posts: list[tuple[bytes, str]] = []

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        if self.status is None:
            return fail(Refused())
        assert (method, uri) == (b"POST", URL.encode())
        # treq's producer writes in turns of the real reactor; what it would write is all that counts here.
        producer: Any = bodyProducer
        body: bytes = producer._inputFile.read()
        assert headers is not None
        (authorization,) = headers.getRawHeaders("Authorization") or [""]
        self.posts.append((body, authorization))
        response: Any = FakeResponse(self.status)
        return succeed(response)

    @property
    def events(self) -> list[str]:
        return [json.loads(body)["event"] for body, _ in self.posts]


class FakeResponse:
    version = (b"HTTP", 1, 1)
    phrase = b""
    length = 0
    request = None
    previousResponse = None

    def __init__(self, code: int) -> None:
        self.code = code
        self.headers = Headers()

    def deliverBody(self, protocol: Any) -> None:
        from twisted.python.failure import Failure
        from twisted.web.client import ResponseDone

        protocol.connectionLost(Failure(ResponseDone()))


class Setting:
    def __init__(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.webhooks = Webhooks(self.clock, self.agent, SECRET, URL, Chance(random.Random(1)), QUEUE)
        self.webhooks.startService()
        self.world = World()
        self.room: Any = self.world.rooms.get_or_create("standup", 0)

    def advance(self, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            self.clock.advance(0.1)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_the_official_receiver_accepts_them(setting: Setting) -> None:
    anna = setting.world.join("anna")
    anna.connect()
    anna.publish("cam", "video")
    track = next(iter(anna.participant.tracks.values()))
    # The receiver compares with the real time.
    import time

    setting.clock.advance(time.time())
    setting.webhooks.participant_joined(setting.room, anna.participant, 5)
    setting.webhooks.track_published(setting.room, anna.participant, track, 6)
    receiver = api.WebhookReceiver(api.TokenVerifier("meeting", SECRET.token_key))
    first, second = (receiver.receive(body.decode(), token) for body, token in setting.agent.posts)
    assert (first.event, first.participant.identity, first.room.name) == ("participant_joined", "anna", "standup")
    assert (second.event, second.track.sid, second.created_at) == ("track_published", track.sid, 6)
    assert first.id and first.id != second.id
    with pytest.raises(Exception, match="hash"):
        receiver.receive(setting.agent.posts[0][0].decode() + " ", setting.agent.posts[0][1])


@pytest.mark.parametrize("status", [None, 500, 401])
def test_they_wait_for_a_hub_that_is_away_and_keep_their_order(setting: Setting, status: int | None) -> None:
    setting.agent.status = status
    setting.webhooks.room_started(setting.room, 1)
    setting.webhooks.room_finished(setting.room, 2)
    setting.advance(5)
    setting.agent.posts.clear()
    setting.agent.status = 200
    setting.advance(10)
    assert setting.agent.events == ["room_started", "room_finished"]
    setting.advance(60)
    assert len(setting.agent.posts) == 2


def test_one_that_is_refused_for_what_it_is_holds_up_no_other(setting: Setting) -> None:
    setting.agent.status = 400
    setting.webhooks.room_started(setting.room, 1)
    setting.agent.status = 200
    setting.webhooks.room_finished(setting.room, 2)
    assert setting.agent.events == ["room_started", "room_finished"]


def test_the_queue_is_bounded_and_says_what_it_lost(setting: Setting) -> None:
    setting.agent.status = None
    for number in range(QUEUE + 5):
        setting.webhooks.room_started(setting.room, number)
    setting.agent.status = 200
    setting.advance(60)
    assert len(setting.agent.posts) == QUEUE
    first = json.loads(setting.agent.posts[0][0])
    assert first["numDropped"] == 5
    assert first["createdAt"] == "5"
    assert "numDropped" not in json.loads(setting.agent.posts[1][0])


def test_stopping_gives_up_and_leaves_no_timer(setting: Setting) -> None:
    setting.agent.status = None
    setting.webhooks.room_started(setting.room, 1)
    stopped = setting.webhooks.stopService()
    assert stopped is not None
    assert stopped.called
    assert not setting.clock.getDelayedCalls()
