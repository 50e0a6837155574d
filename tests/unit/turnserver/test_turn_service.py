"""The daemon put together with a relay that is not there, on a clock turned by hand."""

from ipaddress import ip_address
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.python import usage
from zope.interface.verify import verifyObject

from meeting.daemon.converters import HostPort
from meeting.daemon.errors import ConfigurationError
from meeting.daemon.registration import MOST_ROOMS, HeartbeatAnswer
from meeting.dataplane.interfaces import IRelayListener
from meeting.stun import Message, Method
from meeting.turnserver.hub import Word
from meeting.turnserver.options import Options
from meeting.turnserver.service import TurnServer, turn_urls
from tests.support.logs import captured_events, text_of
from tests.support.turn import CLIENT, NOW, UDP, Client, FakeRelay, Server, code_of, username

NEEDED = ["--secret", "correct horse battery staple", "--apiserver", "hub.test:443"]


class NoEnvironment(Options):
    environment = {}


def options(*arguments: str) -> Options:
    parsed = NoEnvironment()
    parsed.parseOptions([*NEEDED, *arguments])
    return parsed


class World:
    """A turnserver, its relay and its clock."""

    def __init__(self, *arguments: str) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.reactor.advance(NOW)
        self.relay = FakeRelay()
        self.made_with: dict[str, Any] = {}
        self.server = TurnServer(options(*(arguments or ("--ip", "8.8.4.4"))), self.reactor, self._make_relay)

    def _make_relay(self, reactor: Any, **arguments: Any) -> FakeRelay:
        self.made_with = arguments
        return self.relay

    def ask(self, client: Client, method: Method, *attributes: tuple[int, bytes]) -> int:
        """The code of the answer that left through the relay."""
        assert self.relay.listener is not None
        self.relay.listener.request(CLIENT, client.build(method, *attributes))
        to, data = self.relay.answers.pop()
        assert to == CLIENT
        return code_of(Message.parse(data))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--ip is needed"),
        (("--ip", "host.test"), "write an IP address"),
        (("--ip", "0.0.0.0"), "an address that others can reach"),
        (("--ip", "8.8.4.4", "--ip", "8.8.8.8"), "one IPv4 and one IPv6 address at most"),
        (("--ip", "8.8.4.4", "--bind", "fd00::1"), "--ip has none of that family"),
        (("--ip", "8.8.4.4", "--port", "50000"), "--port lies within --relayPorts"),
        (("--ip", "8.8.4.4", "--domainaddress", "turn.test:3478"), "TLS needs another port"),
        (("--ip", "8.8.4.4", "--cert", "a.pem", "--certkey", "a.key"), "--cert is for TLS"),
        (("--ip", "8.8.4.4", "--domainaddress", "turn.bbc.co.uk:443"), "write --acmeAgree"),
        (("--ip", "8.8.4.4", "--dtlsPort", "5349"), "--dtlsPort needs a name and a certificate"),
        (
            ("--ip", "8.8.4.4", "--domainaddress", "turn.test:443", "--acmeDirectory", "none", "--dtlsPort", "3478"),
            "DTLS needs another port",
        ),
        (("--ip", "8.8.4.4", "--halfOpen", "0"), "more than 0"),
        (("--ip", "8.8.4.4", "--realm", "far too long"), "1 to 8 printable"),
        (("--ip", "8.8.4.4", "--relayPorts", "9-1"), "the first port"),
    ],
)
def test_options_that_cannot_be_are_told_in_one_line(arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(usage.UsageError, match=complaint) as error:
        options(*arguments)
    assert "\n" not in str(error.value)


def test_every_way_to_it_is_told_the_cheapest_first() -> None:
    addresses = [ip_address("8.8.4.4"), ip_address("2a00:1450::1")]
    assert turn_urls(addresses, 3478, None) == [
        "turn:8.8.4.4:3478?transport=udp",
        "turn:[2a00:1450::1]:3478?transport=udp",
        "turn:8.8.4.4:3478?transport=tcp",
        "turn:[2a00:1450::1]:3478?transport=tcp",
    ]
    assert turn_urls(addresses[:1], 3478, HostPort("turn.test", 443))[-1] == "turns:turn.test:443?transport=tcp"


def test_what_a_lost_connection_had_is_free_again() -> None:
    world = World()
    world.server.startService()
    assert world.ask(Client(), Method.ALLOCATE, UDP) == 200
    assert world.relay.listener is not None
    world.relay.listener.gone(CLIENT)
    assert len(world.server.allocations) == 0
    assert world.relay.diary[-1] == ("close", 1)
    world.relay.listener.gone(CLIENT)


def test_it_listens_where_it_is_bound_and_tells_what_it_is_reached_by() -> None:
    world = World("--ip", "8.8.4.4", "--ip", "2a00:1450::1", "--bind", "10.0.0.5", "--threads", "3", "--port", "3479")
    assert world.made_with["listen"] == [("10.0.0.5", 3479), ("::", 3479)]
    assert world.made_with["streams"] == [("10.0.0.5", 3479, False), ("::", 3479, False)]
    assert world.made_with["relay"] == ["10.0.0.5", "::"]
    assert (world.made_with["workers"], world.made_with["ports"]) == (3, (49152, 65535))
    for own in ("8.8.4.4", "10.0.0.5", "2a00:1450::1", "127.0.0.1"):
        assert world.server.peers.ports(ip_address(own), {}) == frozenset()


def test_an_address_of_this_machine_is_bound_and_one_that_is_forwarded_to_it_is_not() -> None:
    assert World("--ip", "127.0.0.1").made_with["relay"] == ["127.0.0.1"]
    assert World("--ip", "8.8.4.4").made_with["listen"] == [("0.0.0.0", 3478)]


def test_nothing_runs_before_the_start_and_nothing_after_the_stop() -> None:
    world = World()
    assert world.relay.listener is None
    assert world.reactor.getDelayedCalls() == []
    world.server.startService()
    assert verifyObject(IRelayListener, world.relay.listener)
    world.server.stopService()
    assert world.relay.listener is None
    assert world.reactor.getDelayedCalls() == []


def test_requests_are_answered_by_the_clock_and_the_expired_is_swept() -> None:
    world, client = World(), Client()
    world.server.startService()
    assert world.ask(client, Method.ALLOCATE, UDP) == 200
    world.reactor.pump([1.0] * 599)
    assert len(world.server.allocations) == 1
    world.reactor.pump([1.0] * 2)
    assert len(world.server.allocations) == 0
    assert world.relay.diary[-1] == ("close", 1)
    assert world.ask(client, Method.REFRESH) == 437
    world.server.stopService()


def test_a_relay_that_cannot_start_stops_the_daemon_with_its_reason() -> None:
    world = World()

    def refuse(listener: IRelayListener) -> None:
        raise OSError(98, "Address already in use")

    world.relay.start = refuse  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="Address already in use"):
        world.server.startService()


def test_trouble_in_the_threads_is_loud() -> None:
    world = World()
    world.server.startService()
    assert world.relay.listener is not None
    with captured_events() as events:
        world.relay.listener.trouble("panic in turn-0: index out of bounds")
    assert "panic in turn-0" in text_of(events)
    world.server.stopService()


def test_all_rooms_come_round_to_be_asked_about_and_what_is_over_ends() -> None:
    server = Server()
    for number in range(MOST_ROOMS + 5):
        server.allocated(Client(username(room=f"room{number:03}"), CLIENT._replace(port=1 + number)))
    word = Word(server.machine)
    asked = [*word.some_rooms(), *word.some_rooms()]
    assert len(asked) == len(set(asked)) == MOST_ROOMS + 5
    word.hear(HeartbeatAnswer(over=["room001", "room204", "nobody's"]))
    assert len(server.machine) == MOST_ROOMS + 3
    assert "room001" not in server.machine.rooms()


def test_clients_are_sent_to_another_server_of_their_family() -> None:
    word = Word(Server().machine)
    assert word.elsewhere(1) is None
    word.hear(HeartbeatAnswer(others=["turn.example.com:3478", "[2001:db8::7]:3478", "192.0.2.7:3479"]))
    assert str(word.elsewhere(1)) == "192.0.2.7:3479"
    assert str(word.elsewhere(2)) == "[2001:db8::7]:3478"


def test_a_server_that_stops_lets_those_go_on_who_are_there_and_takes_nobody_new() -> None:
    world = World("--ip", "8.8.4.4", "--drain", "60s")
    world.server.startService()
    assert world.ask(Client(), Method.ALLOCATE, UDP) == 200
    stopped = world.server.stopService()
    assert world.ask(Client(), Method.REFRESH) == 200
    listener = world.relay.listener
    assert listener is not None
    listener.request(CLIENT._replace(port=9), Client().build(Method.ALLOCATE, UDP))
    assert code_of(Message.parse(world.relay.answers.pop()[1])) == 508
    world.reactor.pump([1.0] * 59)
    assert not stopped.called
    world.reactor.pump([1.0] * 2)
    assert stopped.called
    assert world.relay.listener is None


def test_a_server_without_allocations_stops_at_once() -> None:
    world = World("--ip", "8.8.4.4", "--drain", "60s")
    world.server.startService()
    assert world.server.stopService().called
