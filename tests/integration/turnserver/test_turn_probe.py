"""The probe: what strangers and hostile clients try, row by row, with what the server must answer.

Before anybody is known no answer may be more than twice as long as what was sent. `SILENCE` is no answer at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from meeting.stun import Address, AttributeType, Class, Message, Method, encode_xor_address
from tests.support.deadlines import deadline
from tests.support.turn import channel, code_of, lifetime
from tests.support.turnserver import HOST, TestClient, client, credential, turnserver

SILENCE = 0
TRANSACTION = b"transaction!"
UDP = (AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0")
FAMILY = AttributeType.REQUESTED_ADDRESS_FAMILY
ADDITIONAL = AttributeType.ADDITIONAL_ADDRESS_FAMILY


def request(method: int, *attributes: tuple[int, bytes], kind: Class = Class.REQUEST) -> bytes:
    return Message(kind, method, TRANSACTION, attributes).build()


def forged(data: bytes) -> bytes:
    whole = Message(Class.REQUEST, Method.BINDING, TRANSACTION).build(with_fingerprint=True)
    return whole[:-1] + bytes((whole[-1] ^ data[0],))


CREDENTIALS = (
    (AttributeType.USERNAME, b"9999999999:room1:eve"),
    (AttributeType.REALM, b"meeting"),
    (AttributeType.NONCE, b"f//499k954d6OL34oL9FSTvy64sA"),
)

#: What a stranger sends, and the code of the answer.
STRANGERS: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", SILENCE),
    "one byte": (b"\0", SILENCE),
    "noise": (b"\xff" * 1200, SILENCE),
    "zeros": (bytes(20), SILENCE),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", SILENCE),
    "TLS": (bytes.fromhex("160301010001000000") + bytes(64), SILENCE),
    "RTP": (bytes.fromhex("80600001000000010000000a") + bytes(100), SILENCE),
    "a header cut short": (request(Method.ALLOCATE, UDP)[:19], SILENCE),
    "a message cut short": (request(Method.ALLOCATE, UDP)[:24], SILENCE),
    "a longer length than there are bytes": (bytes.fromhex("000300042112a442") + TRANSACTION, SILENCE),
    "a length that is no multiple of four": (bytes.fromhex("000300032112a442") + TRANSACTION + b"abc", SILENCE),
    "an attribute that reaches over the end": (
        bytes.fromhex("000300082112a442") + TRANSACTION + bytes.fromhex("0006ffff00000000"),
        SILENCE,
    ),
    "another cookie": (b"\0\3\0\0" + bytes(4) + TRANSACTION, SILENCE),
    "an old STUN request (RFC 3489)": (b"\0\1\0\0" + bytes(16), SILENCE),
    "a forged fingerprint": (forged(b"\1"), SILENCE),
    "something behind the fingerprint": (
        bytes.fromhex("000100102112a442") + TRANSACTION + bytes.fromhex("8028000400000000") * 2,
        SILENCE,
    ),
    "a Binding answer nobody asked for": (request(Method.BINDING, kind=Class.SUCCESS), SILENCE),
    "an Allocate error nobody asked for": (request(Method.ALLOCATE, kind=Class.ERROR), SILENCE),
    "a Data indication": (request(Method.DATA, kind=Class.INDICATION), SILENCE),
    "an Allocate indication": (request(Method.ALLOCATE, UDP, kind=Class.INDICATION), SILENCE),
    "a Binding indication": (request(Method.BINDING, kind=Class.INDICATION), SILENCE),
    "an unknown method": (request(0x70, UDP), SILENCE),
    "a Send request": (request(Method.SEND, UDP), SILENCE),
    "a Send indication without allocation": (
        request(
            Method.SEND,
            (AttributeType.XOR_PEER_ADDRESS, encode_xor_address(Address(ip_address("9.9.9.9"), 7), TRANSACTION)),
            (AttributeType.DATA, b"data"),
            kind=Class.INDICATION,
        ),
        SILENCE,
    ),
    "ChannelData without allocation": (bytes.fromhex("40000004") + b"data", SILENCE),
    "ChannelData that is longer than it is": (bytes.fromhex("4000ffff") + b"short", SILENCE),
    "a reserved channel": (bytes.fromhex("50000004") + b"data", SILENCE),
    "Allocate without anything": (request(Method.ALLOCATE), SILENCE),
    "Binding": (request(Method.BINDING), 200),
    "Binding with something unknown that must be understood": (request(Method.BINDING, (3, b"\0\0\0\6")), 420),
    "Binding with something unknown that need not": (request(Method.BINDING, (0xC001, b"abcd")), 200),
    "Allocate": (request(Method.ALLOCATE, UDP), 401),
    "Allocate over TCP": (request(Method.ALLOCATE, (AttributeType.REQUESTED_TRANSPORT, b"\6\0\0\0")), 401),
    "Refresh": (request(Method.REFRESH, lifetime(0)), 401),
    "CreatePermission": (request(Method.CREATE_PERMISSION, (AttributeType.XOR_PEER_ADDRESS, bytes(8))), 401),
    "ChannelBind": (request(Method.CHANNEL_BIND, channel(0x4000)), 401),
    "Connect": (request(Method.CONNECT, (AttributeType.XOR_PEER_ADDRESS, bytes(8))), 401),
    "ConnectionBind": (request(Method.CONNECTION_BIND, (AttributeType.CONNECTION_ID, bytes(4))), 401),
    "a ConnectionAttempt": (
        request(Method.CONNECTION_ATTEMPT, (AttributeType.CONNECTION_ID, bytes(4)), kind=Class.INDICATION),
        SILENCE,
    ),
    "a user name without integrity": (request(Method.ALLOCATE, UDP, *CREDENTIALS), 401),
    "integrity without a user name": (Message(Class.REQUEST, Method.ALLOCATE, TRANSACTION, [UDP]).build(b"key"), 400),
    "integrity without a nonce": (
        Message(Class.REQUEST, Method.ALLOCATE, TRANSACTION, [UDP, *CREDENTIALS[:2]]).build(b"key"),
        400,
    ),
    "a nonce of another server": (
        Message(Class.REQUEST, Method.ALLOCATE, TRANSACTION, [UDP, *CREDENTIALS]).build(b"key"),
        438,
    ),
    "an empty nonce": (
        Message(Class.REQUEST, Method.ALLOCATE, TRANSACTION, [UDP, *CREDENTIALS[:2], (AttributeType.NONCE, b"")]).build(
            b"key"
        ),
        438,
    ),
    "a nonce of nothing but the cookie": (
        Message(
            Class.REQUEST,
            Method.ALLOCATE,
            TRANSACTION,
            [UDP, *CREDENTIALS[:2], (AttributeType.NONCE, b"obMatJos2gAAA")],
        ).build(b"key", hash="sha256"),
        438,
    ),
}


@deadline(60)
async def test_strangers_get_what_they_should_and_never_more_than_twice_what_they_sent() -> None:
    async with turnserver() as server:
        sent = got = 0
        for name, (data, code) in STRANGERS.items():
            async with client(server) as stranger:
                stranger.send(data)
                # Answers come in order: what comes before that to our own question is the server's answer, if any.
                stranger.send(Message(Class.REQUEST, Method.BINDING, b"the question").build())
                answers = [await stranger.hear()]
                while Message.parse(answers[-1]).transaction != b"the question":
                    answers.append(await stranger.hear())
            size = sum(map(len, answers[:-1]))
            found = code_of(Message.parse(answers[0])) if len(answers) > 1 else SILENCE
            assert found == code, name
            assert size <= 2 * len(data), f"{name}: {size} bytes for {len(data)}"
            assert len(answers) <= 2, name
            if len(answers) > 1:
                told = Message.parse(answers[0])
                assert told.get(AttributeType.SOFTWARE) is None, name
            sent, got = sent + len(data), got + size
        assert len(server.allocations) == 0
        assert got <= sent


def peers() -> Iterator[tuple[str, int]]:
    """Peers that no relay may reach, however they are written, and the code of the refusal."""
    for host in (
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254"),
        *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
        *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    ):
        yield host, 403
    for host in (
        *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::a00:1", "64:ff9b:1::7f00:1", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:a00:1::1"),
        *("2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "2606:4700::5efe:a00:1", "fc00::1", "fd12::1"),
        *("fe80::1", "fec0::1", "ff02::1", "ff0e::1", "100::1", "3fff::1", "4000::1"),
    ):
        yield host, 403


@dataclass(frozen=True)
class Row:
    """A request of a client that has an allocation (or has none), and the code it must get."""

    name: str
    method: Method
    attributes: tuple[tuple[int, bytes], ...]
    code: int


PEER = (AttributeType.XOR_PEER_ADDRESS, "9.9.9.9")


def attribute(kind: int, text: str) -> tuple[int, bytes]:
    """Hex."""
    return kind, bytes.fromhex(text)


#: On a 5-tuple without allocation; none of them makes one.
WITHOUT = [
    Row("no transport", Method.ALLOCATE, (), 400),
    Row("a transport cut short", Method.ALLOCATE, (attribute(0x19, "11"),), 400),
    Row("transport 99", Method.ALLOCATE, (attribute(0x19, "63000000"),), 442),
    Row("a family of its own", Method.ALLOCATE, (UDP, (FAMILY, b"\3\0\0\0")), 440),
    Row("a family cut short", Method.ALLOCATE, (UDP, (FAMILY, b"\1")), 400),
    Row("additionally IPv4", Method.ALLOCATE, (UDP, (ADDITIONAL, b"\1\0\0\0")), 400),
    Row("a family and another", Method.ALLOCATE, (UDP, (FAMILY, b"\1\0\0\0"), (ADDITIONAL, b"\2\0\0\0")), 400),
    Row("a lifetime cut short", Method.ALLOCATE, (UDP, (AttributeType.LIFETIME, b"\0")), 400),
    Row("an even port without its flag", Method.ALLOCATE, (UDP, (AttributeType.EVEN_PORT, b"")), 400),
    Row("two ports and two families", Method.ALLOCATE, (UDP, attribute(0x18, "80"), (ADDITIONAL, b"\2\0\0\0")), 400),
    Row("a token that nobody gave", Method.ALLOCATE, (UDP, (AttributeType.RESERVATION_TOKEN, bytes(8))), 508),
    Row("a token cut short", Method.ALLOCATE, (UDP, (AttributeType.RESERVATION_TOKEN, bytes(4))), 400),
    Row("a token and a port", Method.ALLOCATE, (UDP, attribute(0x22, "00" * 8), attribute(0x18, "00")), 400),
    Row("a ticket of its own", Method.ALLOCATE, (UDP, attribute(0x8030, "00" * 16)), 400),
    Row("something unknown", Method.ALLOCATE, (UDP, (0x7FFF, b"")), 420),
    Row("refresh of nothing", Method.REFRESH, (lifetime(600),), 437),
    Row("end of nothing", Method.REFRESH, (lifetime(0),), 437),
    Row("a ticket that nobody gave", Method.REFRESH, (attribute(0x8030, "00" * 16),), 400),
    Row("permission for nothing", Method.CREATE_PERMISSION, (), 437),
    Row("channel of nothing", Method.CHANNEL_BIND, (channel(0x4000),), 437),
]

#: With an IPv4 and an IPv6 relay address.
WITH = [
    Row("a second allocation", Method.ALLOCATE, (UDP,), 437),
    Row("no peer", Method.CREATE_PERMISSION, (), 400),
    Row("a peer cut short", Method.CREATE_PERMISSION, (attribute(0x12, "0001"),), 400),
    Row("a peer of no family", Method.CREATE_PERMISSION, (attribute(0x12, "0003000000000000"),), 400),
    Row("a channel without peer", Method.CHANNEL_BIND, (channel(0x4000),), 400),
    *(
        Row(f"channel {number:#x}", Method.CHANNEL_BIND, (channel(number), (0x12, b"")), 400)
        for number in (0, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF)
    ),
    Row("a channel number cut short", Method.CHANNEL_BIND, (attribute(0x0C, "4000"), (0x12, b"")), 400),
    Row("a refresh of no family", Method.REFRESH, ((FAMILY, b"\3\0\0\0"),), 440),
    Row("an unknown attribute", Method.REFRESH, ((0x7FFE, b"abcd"),), 420),
    Row("the longest lifetime", Method.REFRESH, (lifetime(2**32 - 1),), 200),
]


async def asked(user: TestClient, row: Row) -> int:
    """An empty XOR-PEER-ADDRESS stands for a peer that could be reached."""
    attributes = [user.peer("9.9.9.9", 7) if each == (0x12, b"") else each for each in row.attributes]
    return code_of(await user.ask(row.method, *attributes))


@deadline(60)
async def test_clients_that_ask_for_what_cannot_be_hear_why() -> None:
    async with turnserver("--ip", HOST, "--ip", "::1") as server, client(server) as user:
        await user.challenge()
        for row in WITHOUT:
            assert await asked(user, row) == row.code, row.name
        assert len(server.allocations) == 0
        both = await user.ask(Method.ALLOCATE, UDP, (ADDITIONAL, b"\2\0\0\0"))
        assert len(both.addresses(AttributeType.XOR_RELAYED_ADDRESS)) == 2
        for row in WITH:
            assert await asked(user, row) == row.code, row.name
        refreshed = await user.ask(Method.REFRESH, lifetime(2**32 - 1))
        assert int.from_bytes(refreshed.get(AttributeType.LIFETIME) or b"") <= 600, "not longer than the credential"


@deadline(60)
async def test_no_peer_is_reached_that_is_not_public_however_it_is_written() -> None:
    async with turnserver("--ip", HOST, "--ip", "::1") as server, client(server) as user:
        await user.challenge()
        await user.ask(Method.ALLOCATE, UDP, (ADDITIONAL, b"\2\0\0\0"))
        own = [(HOST, server.relay.addresses[0][1]), ("::1", server.relay.addresses[1][1])]
        rows = [*((host, 7, code) for host, code in peers()), *((host, port, 403) for host, port in own)]
        assert len(rows) + len(STRANGERS) + len(WITHOUT) + len(WITH) >= 60
        for host, port, code in rows:
            permission = await user.ask(Method.CREATE_PERMISSION, user.peer(host, port))
            bound = await user.ask(Method.CHANNEL_BIND, channel(0x4000), user.peer(host, port))
            assert (code_of(permission), code_of(bound)) == (code, code), host
            for attributes in (permission.attributes, bound.attributes):
                assert {kind for kind, _ in attributes} == {AttributeType.ERROR_CODE}, host
        assert server.relay.counters().totals["to_peers"] == 0


@pytest.mark.parametrize("what", ["nonce", "user", "password", "expired"])
@deadline(30)
async def test_what_is_anothers_or_over_is_refused(what: str) -> None:
    async with turnserver() as server, client(server) as owner:
        await owner.allocate()
        user = credential(-1) if what == "expired" else credential(identity="eve")
        if what == "password":
            user = (user[0], "no")
        async with client(server, user) as thief:
            await thief.challenge()
            if what == "nonce":
                thief.nonce = owner.nonce
            if what == "user":
                # The same 5-tuple, another name.
                owner.user, owner.key = thief.user, thief.key
                assert code_of(await owner.ask(Method.REFRESH, lifetime(0))) == 441
            else:
                code = code_of(await thief.ask(Method.ALLOCATE, UDP))
                assert code == {"nonce": 438, "password": 401, "expired": 401}[what]
        assert len(server.allocations) == 1
