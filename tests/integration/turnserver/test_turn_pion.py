"""pion's client, as most servers written in Go have it: by UDP, TCP and TLS, and its TCP allocation."""

import asyncio
from pathlib import Path

import pytest
from twisted.internet.utils import getProcessOutputAndValue

from tests.support.certificates import write_certificates
from tests.support.deadlines import deadline
from tests.support.turn_stream import asynchronously
from tests.support.turnserver import HOST, credential, echo, turnserver

CLIENT = Path(__file__).parents[3] / ".cache" / "bin" / "pion-turn"
MISSING = "pion's client is not built: tools/pion (needs Go)"
WAYS = {"udp": 0, "tcp": 1, "tls": 2}


async def pion(way: str, server: int, peer: int, user: tuple[str, str], *trust: str) -> tuple[str, int]:
    """What it printed, and its exit status."""
    assert CLIENT.exists(), MISSING
    arguments = [way, f"{HOST}:{server}", f"{HOST}:{peer}", *user, *trust]
    out, error, status = await getProcessOutputAndValue(str(CLIENT), arguments)
    return (out + error).decode(errors="replace").strip(), status


@pytest.mark.parametrize("way", WAYS)
@deadline(60)
async def test_pion_relays_by(way: str, tmp_path: Path) -> None:
    write_certificates(tmp_path, "turn.test")
    certificate = (tmp_path / "server.pem", tmp_path / "server.key")
    trust = (str(tmp_path / "ca.pem"), "turn.test") if way == "tls" else ()
    async with turnserver(certificate=certificate) as server, echo() as (_, port):
        address = server.relay.addresses[WAYS[way]]
        assert await pion(way, address[1], port, credential(servers=[port]), *trust) == ("100", 0)


@deadline(60)
async def test_pion_reaches_a_peer_by_tcp() -> None:
    async def send_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async with turnserver("--tcpRelay") as server:
        listening = await asynchronously(asyncio.start_server(send_back, HOST, 0))
        port = listening.sockets[0].getsockname()[1]
        address = server.relay.addresses[WAYS["tcp"]]
        assert await pion("tcp-relay", address[1], port, credential(servers=[port])) == (str(16 << 14), 0)
        listening.close()


@deadline(30)
async def test_pion_without_a_good_credential_hears_no() -> None:
    async with turnserver() as server, echo() as (_, port):
        user = (credential()[0], "not the password")
        printed, status = await pion("udp", server.relay.addresses[0][1], port, user)
        assert status == 1
        assert "401" in printed
