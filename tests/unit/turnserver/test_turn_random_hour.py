"""An hour of random clients from a seed: the Python machine decides, the relay's own table must do the same.

`MEETING_TURN_HOURS` makes it longer (`make soak`).
"""

import os
import random
from collections.abc import Collection
from ipaddress import ip_address
from itertools import count

import pytest
from zope.interface import implementer

from meeting.dataplane._native import RelayTable
from meeting.dataplane.interfaces import IRelay, IRelayAllocation, IRelayListener
from meeting.dataplane.values import RelayClient, RelayCounters, RelayPort
from meeting.stun import AttributeType, Message, Method, encode_xor_address
from meeting.stun.addresses import Address
from meeting.turnserver.allocations import Allocations
from meeting.turnserver.authentication import Authentication
from meeting.turnserver.peers import Peers
from meeting.turnserver.quotas import Quotas
from tests.support.turn import NOW, SECRET, UDP, Client, channel, code_of, lifetime, username

HOURS = float(os.environ.get("MEETING_TURN_HOURS", "1"))
PEERS = [Address(ip_address(host), port) for host in ("9.9.9.9", "8.8.8.8", "2001:4860::1") for port in (7, 8)]
FORBIDDEN = Address(ip_address("10.0.0.1"), 7)
BOTH = (AttributeType.ADDITIONAL_ADDRESS_FAMILY, b"\2\0\0\0")
PAIR = (AttributeType.EVEN_PORT, b"\x80")
MOBILE = (AttributeType.MOBILITY_TICKET, b"")


@implementer(IRelayAllocation)
class Socket:
    """An allocation of the real table."""

    def __init__(self, relay: "TableRelay", id: int, port: int) -> None:
        self._relay = relay
        self.id = id
        self.port = port

    def refresh(self, seconds: float) -> None:
        self._relay.table.refresh(self._relay.now, self.id, round(seconds * 1000))

    def permit(self, host: str, seconds: float, *, ports: Collection[int] | None = None) -> None:
        allowed = None if ports is None else sorted(ports)
        self._relay.table.permit(self._relay.now, self.id, host, allowed, round(seconds * 1000))

    def bind(self, channel: int, host: str, port: int, seconds: float) -> None:
        self._relay.table.bind(self._relay.now, self.id, channel, host, port, round(seconds * 1000))

    def dial(self, host: str, port: int) -> int:
        raise AssertionError("nobody asks for TCP")

    def move(self, client: RelayClient) -> bool:
        return self._relay.table.hand_over(self.id, client)

    def close(self) -> None:
        self._relay.table.delete(self._relay.now, self.id)


@implementer(IRelay)
class TableRelay:
    """The relay's table without its sockets, on virtual time."""

    def __init__(self) -> None:
        self.table = RelayTable()
        self.now = 0
        self.addresses: list[tuple[str, int]] = []
        self.kept: set[int] = set()
        self._ids = count(1)

    def start(self, listener: IRelayListener) -> None:
        """Nothing runs."""

    def allocate(
        self,
        client: RelayClient,
        seconds: float,
        *,
        ipv6: bool = False,
        wanted: RelayPort = "any",
        kept: int | None = None,
        tcp: bool = False,
    ) -> IRelayAllocation:
        id = next(self._ids)
        port = 2 * id if kept is None else kept
        if kept is not None:
            self.kept.remove(kept)
        if wanted == "pair":
            self.kept.add(port + 1)
        self.table.allocate(self.now, client, id, ipv6, round(seconds * 1000))
        return Socket(self, id, port)

    def is_stream(self, client: RelayClient) -> bool:
        return False

    def join(self, connection: int, client: RelayClient) -> bool:
        return False

    def hang_up(self, connection: int, client: RelayClient) -> None:
        """There are none."""

    def forget_kept(self, port: int, *, ipv6: bool = False) -> None:
        self.kept.remove(port)

    def set_certificate(self, chain: bytes, key: bytes) -> None:
        """Nobody comes by TLS."""

    def answer(self, client: RelayClient, data: bytes) -> None:
        """Nobody listens."""

    def counters(self) -> RelayCounters:
        return RelayCounters({}, {})

    async def close(self) -> None:
        """Nothing is open."""


class World:
    """The machine, the table, clients that do what they like, and the time (milliseconds since NOW)."""

    def __init__(self, seed: int, hours: float) -> None:
        self.random = random.Random(seed)
        self.end = round(hours * 3_600_000)
        self.relay = TableRelay()
        external = {1: ip_address("8.8.4.4"), 2: ip_address("2001:4860::9")}
        quotas = Quotas(per_user=6, per_room=12, total=20, permissions=4, channels=3)
        peers = Peers(own=external.values())
        authentication = Authentication([SECRET.key("turn-credential")], "meeting")
        self.machine = Allocations(authentication, peers, self.relay, external, quotas)
        self.clients = [self.client(number) for number in range(30)]
        self.tickets: dict[int, bytes] = {}
        self.tokens: list[bytes] = []
        self.codes: set[tuple[str, int]] = set()

    def client(self, number: int) -> Client:
        """Thirty places, five people, three rooms; some credentials end during the hour."""
        identity, room = f"p{number % 5}", f"room{number % 3}"
        ends = (90_000, 1500)[number % 2]
        return Client(username(identity, room, ends), RelayClient(0, 0, f"198.18.0.{number}", 5000))

    @property
    def now(self) -> float:
        return NOW + self.relay.now / 1000

    def ask(self, number: int, method: Method, *attributes: tuple[int, bytes | Address]) -> Message:
        client = self.clients[number]
        transaction = self.random.randbytes(12)
        masked = [
            (kind, encode_xor_address(value, transaction)) if isinstance(value, Address) else (kind, value)
            for kind, value in attributes
        ]
        data = self.machine.receive(self.now, client.address, client.build(method, *masked, transaction=transaction))
        assert data is not None
        answer = Message.parse(data)
        self.codes.add((method.name, code_of(answer)))
        return answer

    def peer(self) -> tuple[int, Address]:
        return AttributeType.XOR_PEER_ADDRESS, self.random.choice([*PEERS, FORBIDDEN])

    def step(self) -> None:
        number = self.random.randrange(len(self.clients))
        match self.random.randrange(12):
            case 0 | 1 | 2:
                extras = [each for each in (BOTH, PAIR, MOBILE) if self.random.random() < 0.3]
                if self.tokens and self.random.random() < 0.2:
                    extras = [(AttributeType.RESERVATION_TOKEN, self.random.choice(self.tokens))]
                answer = self.ask(number, Method.ALLOCATE, UDP, lifetime(self.random.randrange(4000)), *extras)
                self.remember(number, answer)
            case 3 | 4:
                self.ask(number, Method.REFRESH, lifetime(self.random.choice((0, 0, 700, 3600))))
            case 5 if self.tickets:
                owner, ticket = self.random.choice(sorted(self.tickets.items()))
                mine = [each for each in range(30) if each % 15 == owner % 15]
                here = self.random.choice([*mine, number])
                answer = self.ask(here, Method.REFRESH, (AttributeType.MOBILITY_TICKET, ticket))
                self.remember(here, answer)
            case 6 | 7:
                self.ask(number, Method.CREATE_PERMISSION, self.peer())
            case 8 | 9 | 10:
                self.ask(number, Method.CHANNEL_BIND, channel(0x4000 + self.random.randrange(4)), self.peer())
            case _:
                self.machine.end_rooms([f"room{self.random.randrange(3)}"] if self.random.random() < 0.1 else [])

    def remember(self, number: int, answer: Message) -> None:
        ticket, token = (answer.get(kind) for kind in (AttributeType.MOBILITY_TICKET, AttributeType.RESERVATION_TOKEN))
        if ticket:
            self.tickets[number] = ticket
        if token:
            self.tokens = [*self.tokens[-3:], token]

    def compare(self) -> None:
        """Every client, channel and peer: what the machine has allowed is what the table lets through."""
        state = {each["client"]: each for each in self.machine.state(self.now)}
        for client in self.clients:
            allowed = state.get(f"{client.address.host}:5000", {"permissions": [], "channels": {}, "relayed": []})
            families = {6 if "[" in address else 4 for address in allowed["relayed"]}
            for number in range(0x4000, 0x4004):
                through = self.relay.table.through_channel(self.relay.now, client.address, number)
                bound = allowed["channels"].get(number)
                passes = bound is not None and bound.rpartition(":")[0].strip("[]") in allowed["permissions"]
                found = None if through is None else str(Address(ip_address(through[1]), through[2]))
                assert found == (bound if passes else None)
            for peer in PEERS:
                through = self.relay.table.through_indication(self.relay.now, client.address, str(peer.ip), peer.port)
                permitted = str(peer.ip) in allowed["permissions"] and peer.ip.version in families
                assert (through is not None) == permitted
                if through is None:
                    continue
                back = self.relay.table.heard_from_peer(self.relay.now, through[0], str(peer.ip), peer.port)
                bound_as = [number for number, bound in allowed["channels"].items() if bound == str(peer)]
                assert back == (client.address.host, 5000, bound_as[0] if bound_as else 0)

    def run(self) -> None:
        while self.relay.now < self.end:
            self.relay.now += self.random.choice((0, 1, 700, 5_000, 30_000))
            self.step()
            if self.random.random() < 0.3:
                self.machine.expire(self.now)
                self.relay.table.sweep(self.relay.now)
            if self.random.random() < 0.2:
                self.compare()
        self.relay.now += 4_000_000
        self.machine.expire(self.now)
        self.relay.table.sweep(self.relay.now)


@pytest.mark.parametrize("seed", range(6))
def test_an_hour_of_random_clients_leaves_machine_and_relay_in_agreement_and_nothing_behind(seed: int) -> None:
    world = World(seed, HOURS)
    world.run()
    assert (len(world.machine), len(world.relay.table), world.relay.kept) == (0, 0, set())
    assert world.machine.state(world.now) == []
    succeeded = {method for method, code in world.codes if code == 200}
    assert succeeded == {"ALLOCATE", "REFRESH", "CREATE_PERMISSION", "CHANNEL_BIND"}
    assert {("ALLOCATE", 437), ("CREATE_PERMISSION", 403), ("CHANNEL_BIND", 403), ("REFRESH", 437)} <= world.codes
    # Whoever comes now finds room: no quota has leaked.
    fresh = [
        Client(username(f"p{number % 5}", f"room{number % 3}", 900_000), each.address)
        for number, each in enumerate(world.clients)
    ]
    world.clients = fresh
    codes = [code_of(world.ask(number, Method.ALLOCATE, UDP)) for number in range(20)]
    assert codes == [200] * 20


def test_ten_thousand_allocations_live_exactly_as_long_as_they_are_told() -> None:
    relay = TableRelay()
    quotas = Quotas(per_user=10_000, per_room=10_000, per_source=10_000, total=10_000)
    authentication = Authentication([SECRET.key("turn-credential")], "meeting")
    machine = Allocations(authentication, Peers(), relay, {1: ip_address("8.8.4.4")}, quotas)
    user = Client()
    places = [RelayClient(0, 0, "198.18.0.1", port) for port in range(1, 10_001)]

    def ask(place: RelayClient, method: Method, seconds: int) -> int:
        data = machine.receive(NOW + relay.now / 1000, place, user.build(method, UDP, lifetime(seconds)))
        assert data is not None
        return code_of(Message.parse(data))

    def held() -> tuple[int, int]:
        machine.expire(NOW + relay.now / 1000)
        relay.table.sweep(relay.now)
        return len(machine), len(relay.table)

    assert {ask(place, Method.ALLOCATE, 600 + place.port % 100) for place in places} == {200}
    assert ask(RelayClient(0, 0, "198.18.0.1", 20_000), Method.ALLOCATE, 600) == 486
    assert held() == (10_000, 10_000)
    # Half of them are renewed when five minutes have gone: they last half an hour from then.
    relay.now = 300_000
    assert {ask(place, Method.REFRESH, 1800) for place in places[5000:]} == {200}
    for second in range(600, 700, 9):
        relay.now = second * 1000 - 1
        assert held() == (5000 + 50 * (700 - second),) * 2
        relay.now += 1
        assert held() == (5000 + 50 * (699 - second),) * 2
    relay.now = 2_100_000 - 1
    assert held() == (5000, 5000)
    relay.now += 1
    assert held() == (0, 0)
    assert ask(places[0], Method.REFRESH, 600) == 437
    assert ask(places[0], Method.ALLOCATE, 600) == 200
