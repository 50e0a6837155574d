"""The daemon put together: its options, its pages, its media port."""

from __future__ import annotations

from typing import Any

import pytest
from livekit.protocol.models import ParticipantPermission
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.usage import UsageError

from meeting.daemon.errors import ConfigurationError
from meeting.daemon.secret import LONGEST_TURN_CREDENTIAL, Secret, turn_password
from meeting.sfuserver.media_port import MediaPort
from meeting.sfuserver.options import Options
from meeting.sfuserver.room.participant import Identity
from meeting.sfuserver.signalling.greeting import ice_servers
from meeting.sfuserver.state import Load, dump
from tests.unit.sfuserver.clients import World
from tests.unit.sfuserver.fakes import FakePort

NEEDED = ["--secret", "0123456789abcdef", "--domainaddress", "sfu.example:443", "--apiserver", "hub.example:443"]


def test_the_options_have_sane_defaults() -> None:
    options = Options()
    options.parseOptions(NEEDED)
    assert options["mediaPort"] == 7882
    assert options["mediaAddress"] == []
    assert options["apiserver"] == "https://hub.example"
    assert (options["emptyTimeout"], options["departureTimeout"], options["awayTimeout"]) == (300, 20, 30)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--mediaAddress", "sfu.example"], "ADDRESS"),
        (["--mediaAddress", "10.0.0.1", "--mediaAddress", "1.2.3.4/10.0.0.1"], "twice"),
        (["--maxConnections", "0"], "at least 1"),
    ],
)
def test_contradictions_are_refused_in_one_line(more: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Options().parseOptions(NEEDED + more)


class PortThatCannot(FakePort):
    async def start(self) -> None:
        raise OSError("192.0.2.1:7882: Address already in use")


class PortThatIsLate(FakePort):
    """Opens when it is told to."""

    def __init__(self) -> None:
        listener: Any = None
        super().__init__(listener)
        self.opening: Deferred[None] = Deferred()

    async def start(self) -> None:
        await self.opening


class Stoppable:
    stopped = 0

    def stop(self) -> None:
        self.stopped += 1


def test_a_media_port_that_is_taken_stops_the_start_with_its_address() -> None:
    listener: Any = None
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1:7882"):
        MediaPort(PortThatCannot(listener), lambda: None).startService()


def test_a_media_port_that_fails_later_ends_the_process() -> None:
    late, reactor = PortThatIsLate(), Stoppable()
    service = MediaPort(late, reactor.stop)
    service.startService()
    assert not service.ready
    late.opening.errback(OSError("taken"))
    assert reactor.stopped == 1
    assert not service.ready


def test_a_media_port_that_opens_is_ready_until_it_is_stopped() -> None:
    late = PortThatIsLate()
    service = MediaPort(late, lambda: None)
    service.startService()
    late.opening.callback(None)
    assert service.ready
    assert service.stopService().called
    assert not service.ready


def test_turn_credentials_are_made_from_the_secret_for_this_person_and_room() -> None:
    secret = Secret("0123456789abcdef")
    make = ice_servers(secret, lambda: ["10.0.0.7:40000", "[fd00::7]:40000"])
    who = Identity(
        "anna:tab",
        permission=ParticipantPermission(),
        turn=("turn:192.0.2.9:3478?transport=udp", "turns:turn.example.org:443?transport=tcp"),
    )
    (server,) = make(who, "room", 1000.5)
    assert list(server.urls) == ["turn:192.0.2.9:3478?transport=udp", "turns:turn.example.org:443?transport=tcp"]
    assert server.username == f"{1000 + LONGEST_TURN_CREDENTIAL}:room,10.0.0.7_40000,fd00--7_40000:anna:tab"
    assert server.credential == turn_password(secret.key("turn-credential"), server.username)
    assert make(Identity("anna"), "room", 0) == []


def test_the_load_is_the_share_of_the_processors_or_the_fullness() -> None:
    clock, used = Clock(), [0.0]
    full = [0.0]
    load = Load(clock, 4, lambda: full[0], lambda: used[0])
    assert load.now() == 0
    clock.advance(1)
    used[0] = 2.0
    assert load.now() == 0.5
    clock.advance(1)
    full[0] = 0.25
    assert load.now() == 0.25
    clock.advance(1)
    used[0] = 100
    assert load.now() == 1


def test_the_state_shows_who_sends_what_to_whom() -> None:
    world = World()
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    bert.connect()
    sid = anna.publish("cam", "video")
    world.advance()
    bert.answer()
    state = dump(world.rooms, world.media)
    people = state["rooms"]["standup"]["participants"]
    assert people["anna"]["tracks"][sid] == {
        "mime": "video/VP8",
        "muted": False,
        "subscribers": 1,
        "flows": True,
        "needed": 2,
    }
    assert people["bert"]["subscriptions"] == {sid: {"bound": True, "starved": False}}
