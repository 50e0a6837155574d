"""Datagrams that are not to be cut up, and what a client hears of those that did not arrive (RFC 8656 §11.2, §11.5)."""

import os
import sys
from pathlib import Path

from twisted.internet.utils import getProcessOutputAndValue

from meeting.stun import AttributeType, Class, Message, Method, decode_xor_address
from tests.support.deadlines import deadline
from tests.support.turnserver import HOST, TestClient, client, credential, echo, free_udp_port, turnserver

MTU = 1300
"""Of the loopback that narrow.py runs on."""


def indicate(client: TestClient, port: int, data: bytes, *attributes: tuple[int, bytes]) -> None:
    """A Send indication."""
    to = client.peer(HOST, port)
    transaction = (client.transactions + 1).to_bytes(12)
    client.send(
        Message(Class.INDICATION, Method.SEND, transaction, [to, *attributes, (AttributeType.DATA, data)]).build()
    )


async def permitted(client: TestClient, port: int) -> None:
    """An allocation, and permission for a port of HOST."""
    await client.allocate()
    answer = await client.ask(Method.CREATE_PERMISSION, client.peer(HOST, port))
    assert answer.message_class is Class.SUCCESS


@deadline(30)
async def test_a_closed_port_is_told_and_hinders_nobody_else() -> None:
    closed = free_udp_port()
    async with (
        turnserver() as server,
        echo() as (_, port),
        client(server, credential(servers=[port, closed])) as sender,
    ):
        await permitted(sender, port)
        for _ in range(5):
            indicate(sender, closed, b"nobody hears it")
            told = Message.parse(await sender.hear())
            assert (told.message_class, told.method) == (Class.INDICATION, Method.DATA)
            where = told.get(AttributeType.XOR_PEER_ADDRESS)
            assert where is not None
            assert str(decode_xor_address(where, told.transaction)) == f"{HOST}:{closed}"
            # Destination unreachable (3): port unreachable (3).
            assert told.get(AttributeType.ICMP) == bytes((0, 0, 3 << 1, 3, 0, 0, 0, 0))
            assert told.get(AttributeType.DATA) is None
            indicate(sender, port, b"somebody hears it")
            back = Message.parse(await sender.hear())
            assert back.get(AttributeType.DATA) == b"somebody hears it"


@deadline(60)
async def test_who_asks_for_it_has_datagrams_sent_whole_or_not_at_all() -> None:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    narrow = f'ip link set lo up mtu {MTU} && exec "$@"'
    inside = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(Path(__file__).with_name("narrow.py")),
    ]
    out, error, status = await getProcessOutputAndValue(
        "unshare", ["--net", *user, "sh", "-c", narrow, "sh", *inside], env=os.environ
    )
    assert status == 0, (out + error).decode(errors="replace")
