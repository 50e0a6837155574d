"""Minutes on real WebSockets: two who write, and those who must not, or cannot keep up."""

import socket
from base64 import b64encode
from functools import partial

import pytest

from tests.integration.minutes.hubs import Hub, connect, is_in_step, until
from tests.support.deadlines import deadline
from tests.unit.minutes.yclient import Client


@deadline(60)
async def test_two_write_together_and_a_third_reads_it_later(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    code = hub.instant(ada)
    one, two = await connect(hub, code, ada, Client(1)), await connect(hub, code, ada, Client(2))
    one.write("from one")
    two.write("from two")
    await until(lambda: "from two" in one.yjs.text and "from one" in two.yjs.text)
    await until(lambda: one.yjs.durable == one.sent and two.yjs.durable == two.sent)
    for writer in (one, two):
        writer.sendClose(1000)
        await writer.closed
    assert sorted(hub.minutes(code, ada).splitlines()) == ["from one", "from two"]
    three = await connect(hub, code, ada, Client(3))
    await until(lambda: "from one" in three.yjs.text)
    three.sendClose(1000)
    await three.closed


@deadline(60)
async def test_strangers_are_refused_and_disturb_nobody(hub: Hub) -> None:
    ada, eve = hub.sign_in("ada@example.com"), hub.sign_in("eve@example.com")
    code = hub.instant(ada)
    writer = await connect(hub, code, ada, Client(1))
    for cookie, origin in ((eve, hub.origin), ("", hub.origin), (ada, "https://evil.example")):
        with pytest.raises(ConnectionError, match=r"40[13]"):
            await connect(hub, code, cookie, Client(9), origin=origin)
    writer.write("undisturbed")
    await until(lambda: writer.yjs.durable == writer.sent)
    writer.sendClose(1000)
    await writer.closed


@deadline(60)
async def test_rude_frames_end_their_connection_only(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    code = hub.instant(ada)
    writer = await connect(hub, code, ada, Client(1))
    for number, (frame, is_binary, status) in enumerate(
        [
            (b"\x00\x02\x03\xff\xff\xff", True, 4400),
            (b"hello", False, 3003),
            (b"\x00" * ((1 << 20) + 100), True, 1009),
            (b"\xff" * 40, True, 4400),
        ]
    ):
        rude = await connect(hub, code, ada, Client(50 + number))
        await until(partial(is_in_step, rude))
        rude.sendMessage(frame, isBinary=is_binary)
        assert await rude.closed == status
    writer.write("undisturbed")
    await until(lambda: writer.yjs.durable == writer.sent)
    writer.sendClose(1000)
    await writer.closed


@deadline(120)
async def test_a_reader_that_does_not_read_is_cut_off(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    code = hub.instant(ada)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    slow.connect(("127.0.0.1", hub.port))
    lines = [
        f"GET /api/v1/meetings/{code}/minutes/sync/{code} HTTP/1.1",
        f"Host: localhost:{hub.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {b64encode(bytes(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        f"Origin: {hub.origin}",
        f"Cookie: {ada}",
    ]
    with slow:
        slow.sendall("\r\n".join([*lines, "", ""]).encode())
        slow.settimeout(20)
        assert slow.recv(12) == b"HTTP/1.1 101"
        writer = await connect(hub, code, ada, Client(1))
        # More than sockets (of both sides) and the hub hold for somebody.
        for _ in range(14):
            writer.write("x" * 900_000)
            await until(lambda: writer.yjs.durable == writer.sent)
        received = 0
        with pytest.raises(ConnectionResetError):
            while True:
                piece = slow.recv(1 << 20)
                received += len(piece)
                assert piece, "it was closed as if all had been sent"
    assert received < 14 * 900_000
    writer.write("goes on")
    await until(lambda: writer.yjs.durable == writer.sent)
    writer.sendClose(1000)
    await writer.closed


@deadline(60)
async def test_a_hub_that_stops_says_try_again(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    code = hub.instant(ada)
    writer = await connect(hub, code, ada, Client(1))
    writer.write("kept")
    await until(lambda: writer.yjs.durable == writer.sent)
    hub.daemon.terminate()
    assert await writer.closed == 4503
    assert hub.daemon.wait() == 0
