"""What each request does to an allocation, and each refusal (RFC 8656)."""

import pytest
from zope.interface.verify import verifyObject

from meeting.dataplane.interfaces import IRelay, IRelayAllocation
from meeting.dataplane.values import RelayClient
from meeting.stun import AttributeType, Class, Message, Method
from meeting.turnserver.permissions import OLD_CHANNELS
from meeting.turnserver.quotas import Quotas
from tests.support.turn import (
    CLIENT,
    NOW,
    UDP,
    Client,
    FakeRelay,
    FakeSocket,
    Server,
    channel,
    code_of,
    lifetime,
    peer,
    username,
)

FAMILY = AttributeType.REQUESTED_ADDRESS_FAMILY
IPV4, IPV6 = (FAMILY, b"\1\0\0\0"), (FAMILY, b"\2\0\0\0")


def test_the_fakes_are_what_they_stand_for() -> None:
    assert verifyObject(IRelay, FakeRelay())
    assert verifyObject(IRelayAllocation, FakeSocket([], 1, 2))


# --- Allocate


def test_an_allocation_is_made_and_told() -> None:
    server = Server()
    answer = server.ask(Client(), Method.ALLOCATE, UDP)
    assert answer.has_integrity()
    [relayed] = answer.addresses(AttributeType.XOR_RELAYED_ADDRESS)
    [mapped] = answer.addresses(AttributeType.XOR_MAPPED_ADDRESS)
    assert (str(relayed), str(mapped)) == ("8.8.4.4:50002", "198.18.0.1:50000")
    assert answer.get(AttributeType.LIFETIME) == (600).to_bytes(4)
    assert answer.get(AttributeType.SOFTWARE) is None
    assert server.relay.diary == [("allocate", 1, CLIENT, 600, False, "any")]


@pytest.mark.parametrize(
    ("asked", "given"),
    [(0, 600), (1, 600), (599, 600), (600, 600), (1800, 1800), (3600, 3600), (3601, 3600), (2**32 - 1, 3600)],
)
def test_lifetimes_are_ten_minutes_to_an_hour(asked: int, given: int) -> None:
    server, client = Server(), Client()
    assert server.ask(client, Method.ALLOCATE, UDP, lifetime(asked)).get(AttributeType.LIFETIME) == given.to_bytes(4)
    if asked:
        assert server.ask(client, Method.REFRESH, lifetime(asked)).get(AttributeType.LIFETIME) == given.to_bytes(4)


def test_no_allocation_outlives_its_credential() -> None:
    server = Server()
    client = Client(username(lifetime=700))
    assert server.ask(client, Method.ALLOCATE, UDP, lifetime(3600)).get(AttributeType.LIFETIME) == (700).to_bytes(4)
    server.now += 500
    assert server.ask(client, Method.REFRESH, lifetime(3600)).get(AttributeType.LIFETIME) == (200).to_bytes(4)
    server.now += 200
    assert server.code(client, Method.REFRESH) == 401
    server.machine.expire(server.now)
    assert len(server.machine) == 0
    assert server.relay.diary[-1] == ("close", 1)


def test_a_repeated_request_gets_the_same_allocation_and_another_is_a_mismatch() -> None:
    server, client = Server(), Client()
    first = server.ask(client, Method.ALLOCATE, UDP, transaction=b"transaction!")
    again = server.ask(client, Method.ALLOCATE, UDP, transaction=b"transaction!")
    assert again == first
    assert len(server.relay.diary) == 1
    assert server.code(client, Method.ALLOCATE, UDP) == 437


def test_a_5_tuple_is_free_again_when_its_allocation_has_run_out() -> None:
    server = Server()
    client = server.allocated()
    server.now += 599.9
    assert server.code(client, Method.ALLOCATE, UDP) == 437
    server.now += 0.1
    assert server.code(client, Method.ALLOCATE, UDP) == 200
    assert [entry[0] for entry in server.relay.diary] == ["close", "allocate"]


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ((), 400),
        (((AttributeType.REQUESTED_TRANSPORT, b"\x11"),), 400),
        (((AttributeType.REQUESTED_TRANSPORT, b"\x06\0\0\0"),), 442),
        (((AttributeType.REQUESTED_TRANSPORT, b"\x63\0\0\0"),), 442),
        ((UDP, (AttributeType.LIFETIME, b"\0")), 400),
        ((UDP, (FAMILY, b"\3\0\0\0")), 440),
        ((UDP, (FAMILY, b"\1")), 400),
        ((UDP, (0x7FFF, b"")), 420),
        ((UDP, (0x7FFF, b"")), 420),
        ((UDP, (AttributeType.EVEN_PORT, b"")), 400),
        ((UDP, (AttributeType.RESERVATION_TOKEN, bytes(8))), 508),
        ((UDP, (AttributeType.RESERVATION_TOKEN, bytes(8)), (AttributeType.EVEN_PORT, b"\0")), 400),
        ((UDP, (AttributeType.RESERVATION_TOKEN, bytes(8)), IPV4), 400),
        ((UDP, (AttributeType.ADDITIONAL_ADDRESS_FAMILY, b"\1\0\0\0")), 400),
        ((UDP, (AttributeType.ADDITIONAL_ADDRESS_FAMILY, b"\2\0\0\0"), IPV4), 400),
    ],
)
def test_an_allocation_that_cannot_be_is_refused(attributes: tuple[tuple[int, bytes], ...], code: int) -> None:
    server = Server()
    assert server.code(Client(), Method.ALLOCATE, *attributes) == code
    assert server.relay.diary == []
    assert len(server.machine) == 0


def test_what_is_unknown_is_named() -> None:
    answer = Server().ask(Client(), Method.ALLOCATE, UDP, (0x7FFE, b""), (0x7FFF, b""))
    assert answer.get(AttributeType.UNKNOWN_ATTRIBUTES) == b"\x7f\xfe\x7f\xff"


def test_an_even_port_and_the_families() -> None:
    server = Server()
    server.ask(Client(), Method.ALLOCATE, UDP, (AttributeType.EVEN_PORT, b"\0"))
    assert server.relay.diary[-1] == ("allocate", 1, CLIENT, 600, False, "even")
    six = server.ask(Client(address=CLIENT._replace(port=2)), Method.ALLOCATE, UDP, IPV6)
    assert str(six.addresses(AttributeType.XOR_RELAYED_ADDRESS)[0].ip) == "2001:4860::9"
    assert Server(ipv6=False).code(Client(), Method.ALLOCATE, UDP, IPV6) == 440


def test_no_port_is_insufficient_capacity_and_leaves_nothing() -> None:
    server = Server(ports=1)
    server.allocated()
    other = Client(address=CLIENT._replace(port=2))
    assert server.code(other, Method.ALLOCATE, UDP) == 508
    assert len(server.machine) == 1


# --- quotas


@pytest.mark.parametrize(
    ("quotas", "user", "host", "code"),
    [
        (Quotas(per_user=2), username(), "198.18.0.2", 486),
        (Quotas(per_user=2), username(lifetime=90_000), "198.18.0.2", 486),
        (Quotas(per_room=2), username("bob"), "198.18.0.2", 486),
        (Quotas(per_source=2), username("bob", "room2"), "198.18.0.1", 486),
        (Quotas(total=2), username("bob", "room2"), "198.18.0.2", 508),
    ],
)
def test_quotas_hold_and_what_ends_is_given_back(quotas: Quotas, user: str, host: str, code: int) -> None:
    server = Server(quotas)
    holders = [server.allocated(Client(address=CLIENT._replace(port=port))) for port in (1, 2)]
    late = Client(user, RelayClient(0, 0, host, 9))
    assert server.code(late, Method.ALLOCATE, UDP) == code
    assert server.code(holders[0], Method.REFRESH, lifetime(0)) == 200
    assert server.code(late, Method.ALLOCATE, UDP) == 200


def test_a_refused_allocation_costs_no_quota() -> None:
    server = Server(Quotas(total=1), ports=0)
    for _ in range(3):
        assert server.code(Client(), Method.ALLOCATE, UDP) == 508
    assert len(server.machine) == 0


# --- credentials


@pytest.mark.parametrize(
    "client",
    [
        Client(password="wrong"),
        Client(username(lifetime=0)),
        Client(username(lifetime=-1)),
        Client("no colons at all".replace(" ", ":"), password="x"),
        Client(f"{int(NOW) + 60}x:room:ana", password="x"),
        Client("١٨٠٠٠٠٠٩٩٩:room:ana", password="x"),
    ],
)
def test_wrong_and_expired_credentials_get_a_challenge_and_nothing_else(client: Client) -> None:
    server = Server()
    for method in (Method.ALLOCATE, Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND):
        answer = server.ask(client, method, UDP)
        assert code_of(answer) == 401
        assert not answer.has_integrity()
        assert answer.get(AttributeType.REALM) == b"meeting"
        assert answer.get(AttributeType.NONCE) == b"nonce12chars"
    assert server.relay.diary == []


def test_somebody_elses_allocation_is_out_of_reach() -> None:
    server = Server()
    server.allocated(Client(username("ana")))
    thief = Client(username("eve"))
    for method in (Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND):
        assert server.code(thief, method, UDP) == 441
    assert server.code(thief, Method.ALLOCATE, UDP) == 437
    assert server.relay.diary == []


def test_a_renewed_credential_of_the_same_participant_goes_on() -> None:
    server = Server()
    server.allocated(Client(username(lifetime=700)))
    renewed = Client(username(lifetime=7000))
    answer = server.ask(renewed, Method.REFRESH, lifetime(3600))
    assert answer.get(AttributeType.LIFETIME) == (3600).to_bytes(4)
    assert server.relay.diary == [("refresh", 1, 3600)]


# --- Refresh


def test_a_refresh_of_zero_ends_it_and_the_next_finds_nothing() -> None:
    server = Server()
    client = server.allocated()
    assert server.ask(client, Method.REFRESH, lifetime(0)).get(AttributeType.LIFETIME) == bytes(4)
    assert server.relay.diary == [("close", 1)]
    assert server.code(client, Method.REFRESH, lifetime(0)) == 437
    assert server.code(client, Method.CREATE_PERMISSION, peer("9.9.9.9:1")) == 437
    assert server.code(client, Method.CHANNEL_BIND, peer("9.9.9.9:1"), channel(0x4000)) == 437


def test_a_refresh_for_another_family_is_refused() -> None:
    server = Server()
    client = server.allocated()
    assert server.code(client, Method.REFRESH, IPV6) == 443
    assert server.code(client, Method.REFRESH, IPV4) == 200


# --- permissions and channels


def test_permissions_are_given_for_all_peers_or_none() -> None:
    server = Server()
    client = server.allocated()
    assert server.code(client, Method.CREATE_PERMISSION, peer("9.9.9.9:1"), peer("8.8.8.8:2")) == 200
    assert server.relay.diary == [("permit", 1, "9.9.9.9", 300, None), ("permit", 1, "8.8.8.8", 300, None)]
    server.relay.diary.clear()
    assert server.code(client, Method.CREATE_PERMISSION, peer("1.1.1.1:1"), peer("10.0.0.1:2")) == 403
    assert server.code(client, Method.CREATE_PERMISSION, peer("1.1.1.1:1"), peer("[2001:4860::1]:2")) == 443
    assert server.code(client, Method.CREATE_PERMISSION) == 400
    assert server.code(client, Method.CREATE_PERMISSION, (AttributeType.XOR_PEER_ADDRESS, b"junk")) == 400
    assert server.relay.diary == []


def test_a_channel_is_bound_with_its_permission_and_renewed() -> None:
    server = Server()
    client = server.allocated()
    for _ in range(2):
        assert server.code(client, Method.CHANNEL_BIND, channel(0x4001), peer("9.9.9.9:7")) == 200
    expected = [("permit", 1, "9.9.9.9", 300, None), ("bind", 1, 0x4001, "9.9.9.9", 7, 600)]
    assert server.relay.diary == expected * 2


@pytest.mark.parametrize("number", [0, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF])
def test_channel_numbers_outside_the_range_are_refused(number: int) -> None:
    server = Server()
    client = server.allocated()
    assert server.code(client, Method.CHANNEL_BIND, channel(number), peer("9.9.9.9:7")) == 400


def test_clients_of_the_older_rfc_may_be_given_their_range() -> None:
    server = Server(channels=OLD_CHANNELS)
    client = server.allocated()
    assert server.code(client, Method.CHANNEL_BIND, channel(0x7FFF), peer("9.9.9.9:7")) == 200
    assert server.code(client, Method.CHANNEL_BIND, channel(0x8000), peer("9.9.9.9:8")) == 400


def test_a_channel_is_for_one_peer_and_a_peer_has_one_channel() -> None:
    server = Server()
    client = server.allocated()
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4000), peer("9.9.9.9:7")) == 200
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4000), peer("9.9.9.9:8")) == 400
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4001), peer("9.9.9.9:7")) == 400
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4001), peer("9.9.9.9:8"), peer("9.9.9.9:9")) == 400
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4001)) == 400
    assert server.code(client, Method.CHANNEL_BIND, peer("9.9.9.9:8")) == 400
    assert server.code(client, Method.REFRESH, lifetime(3600)) == 200
    server.now += 600
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4001), peer("9.9.9.9:7")) == 200


def test_permissions_and_channels_are_capped_and_the_expired_make_room() -> None:
    server = Server(Quotas(permissions=3, channels=2))
    client = server.allocated()
    for number in (1, 2):
        assert server.code(client, Method.CHANNEL_BIND, channel(0x4000 + number), peer(f"9.9.9.{number}:7")) == 200
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4003), peer("9.9.9.3:7")) == 508
    assert server.code(client, Method.CREATE_PERMISSION, peer("9.9.9.3:7")) == 200
    assert server.code(client, Method.CREATE_PERMISSION, peer("9.9.9.4:7")) == 508
    assert server.code(client, Method.CREATE_PERMISSION, peer("9.9.9.1:7")) == 200
    server.now += 300
    assert server.code(client, Method.CREATE_PERMISSION, *(peer(f"9.9.9.{host}:7") for host in (4, 5, 6))) == 200


def test_an_sfuserver_on_a_private_address_is_reached_by_its_ports_alone() -> None:
    server = Server()
    servers = ["10.0.0.7:40000", "10.0.0.7:40002", "8.8.4.4:40000", "[fd00::7]:40000"]
    client = server.allocated(Client(username(servers=servers)))
    assert server.code(client, Method.CREATE_PERMISSION, peer("10.0.0.7:1")) == 200
    assert server.relay.diary == [("permit", 1, "10.0.0.7", 300, frozenset({40000, 40002}))]
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4000), peer("10.0.0.7:40000")) == 200
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4001), peer("10.0.0.7:53")) == 403
    assert server.code(client, Method.CREATE_PERMISSION, peer("10.0.0.8:40000")) == 403
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4001), peer("8.8.4.4:40000")) == 200
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4002), peer("8.8.4.4:3478")) == 403


def test_the_sfuserver_of_another_meeting_is_out_of_reach() -> None:
    server = Server()
    server.allocated(Client(username(servers=["10.0.0.7:40000"])))
    other = server.allocated(Client(username(room="room2"), CLIENT._replace(port=2)))
    assert server.code(other, Method.CHANNEL_BIND, channel(0x4000), peer("10.0.0.7:40000")) == 403


# --- the rest


def test_what_is_no_request_of_ours_gets_no_answer() -> None:
    server = Server()
    for data in (
        b"",
        b"junk",
        Message(Class.REQUEST, Method.BINDING, bytes(12)).build(),
        Message(Class.INDICATION, Method.ALLOCATE, bytes(12)).build(),
        Message(Class.SUCCESS, Method.ALLOCATE, bytes(12)).build(),
        Message(Class.REQUEST, 0x70, bytes(12)).build(),
    ):
        assert server.machine.receive(NOW, CLIENT, data) is None
    assert server.machine.answers == {}


def test_the_state_tells_everything_but_the_keys() -> None:
    server = Server()
    client = server.allocated()
    server.ask(client, Method.CHANNEL_BIND, channel(0x4000), peer("9.9.9.9:7"))
    assert server.machine.state(NOW) == [
        {
            "client": "198.18.0.1:50000",
            "relayed": ["8.8.4.4:50002"],
            "room": "room1",
            "identity": "ana",
            "seconds": 600,
            "permissions": ["9.9.9.9"],
            "connections": [],
            "channels": {0x4000: "9.9.9.9:7"},
        }
    ]
    assert server.machine.answers == {("ALLOCATE", 200): 1, ("CHANNEL_BIND", 200): 1}
