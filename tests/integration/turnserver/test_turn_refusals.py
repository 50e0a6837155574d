"""Every "no" over real sockets, and that nobody else is disturbed by it."""

from ipaddress import ip_address

import pytest

from meeting.stun import AttributeType, Class, Message, Method, encode_xor_address
from meeting.stun.addresses import Address
from tests.support.deadlines import deadline
from tests.support.turn import channel, code_of
from tests.support.turnserver import HOST, client, credential, echo, free_udp_port, turnserver

MALFORMED = [
    b"",
    b"\0",
    b"\xff" * 1200,
    bytes(20),
    bytes.fromhex("000300002112a442"),
    bytes.fromhex("000300042112a442") + bytes(12),
    bytes.fromhex("000300082112a442") + bytes(12) + bytes.fromhex("0006ffff00000000"),
    bytes.fromhex("4000ffff") + b"short",
    bytes.fromhex("40000004") + b"none",
    b"GET / HTTP/1.1\r\n\r\n",
]


@deadline(30)
async def test_the_malformed_get_silence_and_the_others_service() -> None:
    async with turnserver() as server, client(server) as stranger:
        for data in MALFORMED:
            stranger.send(data)
        # Answers come in order: had any of these been answered, is_served would have got that.
        assert await stranger.is_served()
        dropped = server.relay.counters().dropped
        assert dropped["malformed"] + dropped["no_allocation"] >= len(MALFORMED)


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (HOST, 403),
        ("10.0.0.1", 403),
        ("192.168.1.1", 403),
        ("169.254.169.254", 403),
        ("0.0.0.0", 403),
        ("224.0.0.1", 403),
        ("255.255.255.255", 403),
        ("::1", 443),
        ("::ffff:127.0.0.1", 443),
        ("64:ff9b::7f00:1", 443),
        ("2002:7f00:1::", 443),
    ],
)
@deadline(30)
async def test_a_peer_that_may_not_be_reached_is_refused(host: str, code: int) -> None:
    servers = [free_udp_port()] if host != HOST else []
    async with turnserver() as server, client(server, credential(servers=servers)) as user, echo() as (peer, port):
        assert (await user.allocate()).message_class is Class.SUCCESS
        assert code_of(await user.ask(Method.CREATE_PERMISSION, user.peer(host, port))) == code
        assert code_of(await user.ask(Method.CHANNEL_BIND, channel(0x4000), user.peer(host, port))) == code
        # Neither by indication nor by channel number does anything get out.
        address = encode_xor_address(Address(ip_address(host), port), bytes(12))
        data = ((AttributeType.XOR_PEER_ADDRESS, address), (AttributeType.DATA, b"data"))
        user.send(Message(Class.INDICATION, Method.SEND, bytes(12), data).build())
        user.send(bytes.fromhex("40000004") + b"data")
        assert await user.is_served()
        assert peer.sources == []
        assert server.relay.counters().totals["to_peers"] == 0


@deadline(30)
async def test_another_port_of_a_servers_address_is_not_reached() -> None:
    async with (
        turnserver() as server,
        echo() as (peer, port),
        echo() as (other, other_port),
        client(server, credential(servers=[port])) as user,
    ):
        await user.allocate()
        assert code_of(await user.ask(Method.CREATE_PERMISSION, user.peer(HOST, other_port))) == 200
        for each in (other_port, port):
            address = encode_xor_address(Address(ip_address(HOST), each), bytes(12))
            data = ((AttributeType.XOR_PEER_ADDRESS, address), (AttributeType.DATA, b"data"))
            user.send(Message(Class.INDICATION, Method.SEND, bytes(12), data).build())
        echoed = Message.parse(await user.hear())
        assert (echoed.method, echoed.get(AttributeType.DATA)) == (Method.DATA, b"data")
        assert len(peer.sources) == 1
        assert other.sources == []
        assert server.relay.counters().dropped["no_permission"] == 1


@deadline(30)
async def test_a_nonce_is_good_for_its_client_alone() -> None:
    async with turnserver() as server, client(server) as owner, client(server) as thief:
        await owner.challenge()
        thief.nonce = owner.nonce
        answer = await thief.ask(Method.ALLOCATE, (AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0"))
        assert code_of(answer) == 438
        assert answer.get(AttributeType.NONCE) not in (None, owner.nonce)
        assert len(server.allocations) == 0
        assert (await owner.allocate()).message_class is Class.SUCCESS


@pytest.mark.parametrize("wrong", ["password", "expired", "name"])
@deadline(30)
async def test_wrong_credentials_are_refused_and_the_next_client_is_served(wrong: str) -> None:
    name, password = credential()
    user = {"password": (name, "no"), "expired": credential(-1), "name": (name + "x", password)}[wrong]
    async with turnserver() as server, client(server, user) as stranger, client(server) as friend:
        assert code_of(await stranger.allocate()) == 401
        assert len(server.allocations) == 0
        assert (await friend.allocate()).message_class is Class.SUCCESS


@deadline(30)
async def test_a_flood_of_strangers_is_answered_within_its_limit_and_twice_its_bytes() -> None:
    async with turnserver("--threads", "1") as server, client(server) as stranger:
        request = Message(
            Class.REQUEST, Method.ALLOCATE, bytes(12), ((AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0"),)
        ).build()
        for _ in range(500):
            stranger.send(request)
        answer = await stranger.hear()
        assert len(answer) <= 2 * len(request)
        counters = server.relay.counters()
        while counters.totals["challenges"] + counters.dropped["challenge_limit"] < 500:
            await stranger.hear()
            counters = server.relay.counters()
        assert 200 <= counters.totals["challenges"] <= 300
        assert len(server.allocations) == 0
