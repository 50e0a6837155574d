"""Data through a real turnserver, with aioice's client and coturn's."""

import asyncio
import re
import shutil
from collections.abc import Sequence
from typing import Any

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint
from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue

from meeting.stun import Address, AttributeType, Class, Message, Method, encode_xor_address
from meeting.stun.addresses import IPV6
from meeting.turnserver.service import TurnServer
from tests.support.deadlines import deadline
from tests.support.turn import channel, code_of
from tests.support.turnserver import HOST, RELAY_PORTS, client, credential, echo, echo_pair, turnserver

UCLIENT = shutil.which("turnutils_uclient")


class Heard(asyncio.DatagramProtocol):
    """What came through the relay."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.lost = asyncio.Event()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.queue.put_nowait(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


async def through_aioice(
    server: TurnServer, user: tuple[str, str], peer: tuple[str, int], way: int = 0, **how: Any
) -> tuple[Any, list[bytes]]:
    """The relayed address, and what came back for a hundred packets to the peer."""

    async def relay() -> tuple[Any, list[bytes]]:
        transport, protocol = await create_turn_endpoint(
            Heard, server_addr=server.relay.addresses[way], username=user[0], password=user[1], **how
        )
        assert isinstance(protocol, Heard)
        back = []
        for number in range(100):
            transport.sendto(b"packet %d" % number, peer)
            back.append(await asyncio.wait_for(protocol.queue.get(), 5))
        relayed = transport.get_extra_info("sockname")
        transport.close()
        await asyncio.wait_for(protocol.lost.wait(), 5)
        return relayed, back

    return await Deferred.fromFuture(asyncio.ensure_future(relay()))


@deadline(30)
async def test_aioice_relays_through_it() -> None:
    async with turnserver() as server, echo() as (peer, port):
        relayed, back = await through_aioice(server, credential(servers=[port]), (HOST, port))
        assert back == [b"packet %d" % number for number in range(100)]
        first, last = map(int, RELAY_PORTS.split("-"))
        assert relayed[0] == HOST and first <= relayed[1] <= last
        assert set(peer.sources) == {tuple(relayed)}
        assert server.relay.counters().totals["to_peers"] == 100
        assert len(server.allocations) == 0, "the client ended it"


@pytest.mark.parametrize("refused", ["password", "expired"])
@deadline(30)
async def test_aioice_is_refused_without_a_good_credential(refused: str) -> None:
    async with turnserver() as server, echo() as (_, port):
        user = credential(-1) if refused == "expired" else (credential()[0], "not the password")
        with pytest.raises(TransactionFailed) as failure:
            await through_aioice(server, user, (HOST, port))
        assert "401" in str(failure.value)
        _, back = await through_aioice(server, credential(servers=[port]), (HOST, port))
        assert len(back) == 100


@deadline(30)
async def test_ipv6_is_relayed_by_indications_and_channels() -> None:
    six = "::1"
    family = (AttributeType.REQUESTED_ADDRESS_FAMILY, bytes((IPV6, 0, 0, 0)))
    async with (
        turnserver("--ip", HOST, "--ip", six) as server,
        echo(host=six) as (_, port),
        client(server, credential(servers=[f"[{six}]:{port}"]), host=six) as user,
    ):
        await user.challenge()
        answer = await user.ask(Method.ALLOCATE, (AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0"), family)
        [relayed] = answer.addresses(AttributeType.XOR_RELAYED_ADDRESS)
        assert str(relayed.ip) == six
        assert (await user.ask(Method.CREATE_PERMISSION, user.peer(six, port))).message_class is Class.SUCCESS
        to = (AttributeType.XOR_PEER_ADDRESS, encode_xor_address(Address(relayed.ip, port), bytes(12)))
        data = (AttributeType.DATA, b"by indication")
        user.send(Message(Class.INDICATION, Method.SEND, bytes(12), (to, data)).build())
        back = Message.parse(await user.hear())
        assert (back.method, back.get(AttributeType.DATA)) == (Method.DATA, b"by indication")
        assert back.addresses(AttributeType.XOR_PEER_ADDRESS) == [Address(relayed.ip, port)]
        bound = await user.ask(Method.CHANNEL_BIND, channel(0x4000), user.peer(six, port))
        assert bound.message_class is Class.SUCCESS
        user.send(bytes.fromhex("4000000a") + b"by channel")
        assert await user.hear() == bytes.fromhex("4000000a") + b"by channel"


async def uclient(server: TurnServer, *arguments: str, way: int = 0) -> tuple[str, int]:
    """coturn's client: what it printed, and its exit status."""
    assert UCLIENT is not None, "turnutils_uclient is missing: apt-get install --no-install-recommends coturn"
    port = str(server.relay.addresses[way][1])
    out, error, status = await getProcessOutputAndValue(UCLIENT, [*arguments, "-c", "-p", port, HOST])
    return (out + error).decode(errors="replace"), status


def totals(printed: str) -> tuple[int, int]:
    """Packets sent and received by coturn's client."""
    found = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", printed)
    assert found, printed
    sent, received = found[-1]
    return int(sent), int(received)


@pytest.mark.parametrize(
    "mode", [(), ("-s",), ("-n", "50", "-m", "8"), ("-l", "1400")], ids=["channels", "indications", "many", "large"]
)
@deadline(60)
async def test_coturns_client_loses_nothing(mode: Sequence[str]) -> None:
    async with turnserver("--oldChannels") as server, echo_pair() as (peer, port):
        # Its second session sends to the next port.
        user, password = credential(servers=[port, port + 1])
        common = ("-u", user, "-w", password, "-e", HOST, "-r", str(port))
        printed, status = await uclient(server, *common, *mode)
        sent, received = totals(printed)
        assert status == 0, printed
        assert sent == received > 0
        assert all(source[0] == HOST for source in peer.sources)


@deadline(60)
async def test_coturns_client_is_refused_with_a_wrong_password() -> None:
    async with turnserver() as server, echo() as (_, port):
        common = ("-u", credential()[0], "-w", "wrong", "-e", HOST, "-r", str(port))
        printed, status = await uclient(server, *common)
        assert status != 0
        assert "Cannot complete Allocation" in printed
        assert server.allocations.answers["ALLOCATE", 401] > 0
        assert len(server.allocations) == 0


@deadline(30)
async def test_one_allocation_of_both_families_relays_to_peers_of_both() -> None:
    both = AttributeType.ADDITIONAL_ADDRESS_FAMILY, b"\2\0\0\0"
    async with (
        turnserver("--ip", HOST, "--ip", "::1") as server,
        echo() as (four, four_port),
        echo(host="::1") as (six, six_port),
        client(server, credential(servers=[four_port, f"[::1]:{six_port}"])) as user,
    ):
        await user.challenge()
        answer = await user.ask(Method.ALLOCATE, (AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0"), both)
        relayed = [(str(address.ip), address.port) for address in answer.addresses(AttributeType.XOR_RELAYED_ADDRESS)]
        for number, (host, port) in enumerate(((HOST, four_port), ("::1", six_port)), 0x4000):
            bound = await user.ask(Method.CHANNEL_BIND, channel(number), user.peer(host, port))
            assert code_of(bound) == 200
            message = number.to_bytes(2) + b"\0\5hello"
            user.send(message)
            assert await user.hear() == message
        assert [peer.sources[0][:2] for peer in (four, six)] == relayed
        ended = await user.ask(Method.REFRESH, (AttributeType.LIFETIME, bytes(4)))
        assert code_of(ended) == 200 and len(server.allocations) == 0
