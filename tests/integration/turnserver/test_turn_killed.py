"""A turnserver that is killed: what its clients had is gone with it, and they get it again from the next one."""

import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.interfaces import IReactorUDP

from meeting.stun import AttributeType, Message, Method
from tests.support.deadlines import deadline
from tests.support.processes import SECRET, Daemon, free_port
from tests.support.turn import channel, code_of, lifetime
from tests.support.turnserver import HOST, RELAY_PORTS, TestClient, credential, echo, probe_until_answered

STALE_NONCE, MISMATCH = 438, 437
NUMBER = 0x4000


async def relays(client: TestClient, peer: int, words: bytes) -> bool:
    """Whether what is sent through a new allocation's channel comes back."""
    answer = await client.allocate()
    assert code_of(answer) == 200
    assert code_of(await client.ask(Method.CHANNEL_BIND, channel(NUMBER), client.peer(HOST, peer))) == 200
    message = NUMBER.to_bytes(2) + len(words).to_bytes(2) + words
    client.send(message)
    return await client.hear() == message


def with_nonce_of(client: TestClient, answer: Message) -> None:
    client.nonce = answer.get(AttributeType.NONCE) or b""


@pytest.fixture
def daemon(tmp_path: Path) -> Any:
    (tmp_path / "secret").write_text(SECRET)
    settings = {
        "ip": [HOST],
        "port": free_port(socket.SOCK_DGRAM),
        "relayPorts": RELAY_PORTS,
        "apiserver": f"http://{HOST}:9",
    }
    started = Daemon("turnserver", tmp_path, settings)
    started.server = (HOST, settings["port"])  # type: ignore[attr-defined]
    started.start()
    yield started
    started.stop()


@deadline(120)
async def test_after_kill_9_a_client_hears_that_all_is_gone_and_relays_again_from_the_same_socket(daemon: Any) -> None:
    from twisted.internet import reactor

    await probe_until_answered(*daemon.server)
    async with echo() as (_, peer):
        user = TestClient(daemon.server, credential(servers=[peer]))
        port: Any = IReactorUDP(reactor).listenUDP(0, user, HOST, 9000)
        try:
            assert await relays(user, peer, b"before")
            daemon.kill()
            daemon.start()
            await probe_until_answered(*daemon.server)
            # Its nonce was the dead one's; with the new one's, there is nothing to refresh.
            answer = await user.ask(Method.REFRESH, lifetime(600))
            assert code_of(answer) == STALE_NONCE
            with_nonce_of(user, answer)
            assert code_of(await user.ask(Method.REFRESH, lifetime(600))) == MISMATCH
            assert await relays(user, peer, b"afterwards")
        finally:
            await port.stopListening()
