"""coturn's client with our server and with coturn's own: what works or is refused there, is here.

Left out: -Z (both families) asks by the attribute 0x8032 of a draft, where RFC 8656 has 0x8000, and -P (passive TCP)
loses half of its packets with coturn itself.
"""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure

from tests.support.certificates import write_certificates
from tests.support.deadlines import deadline
from tests.support.processes import free_ports
from tests.support.turnserver import HOST, credential, echo_pair, free_udp_port, probe_until_answered, turnserver

UCLIENT, COTURN = shutil.which("turnutils_uclient"), shutil.which("turnserver")
MISSING = "coturn is missing: apt-get install --no-install-recommends coturn"
#: Relay ports few enough to be named in a credential: with two relays of one server each is the other's peer.
FEW = 16
COTURNS = 80


@dataclass(frozen=True)
class Row:
    """Arguments of coturn's client, and whether they lead to anything, with either server."""

    name: str
    arguments: tuple[str, ...]
    works: bool = True
    user: str = "good"
    host: str = HOST
    """Of the peer."""


ROWS = [
    Row("channels", ("-c",)),
    Row("indications", ("-c", "-s")),
    Row("many packets", ("-c", "-n", "50", "-m", "4")),
    Row("not to be cut up", ("-c", "-g")),
    Row("not to be cut up by indications", ("-c", "-s", "-g")),
    Row("large packets", ("-c", "-l", "1400")),
    Row("two ports in a row", ()),
    Row("two ports in a row by indications", ("-s",)),
    Row("an IPv4 relay address by name", ("-c", "-X")),
    Row("an IPv6 relay address", ("-c", "-x"), host="::1"),
    Row("client to client", ("-c", "-y")),
    Row("client to client by indications", ("-c", "-y", "-s")),
    Row("TCP between clients", ("-T",)),
    Row("TCP between many clients", ("-T", "-n", "50", "-m", "4")),
    Row("by TCP", ("-t", "-c")),
    Row("by TLS", ("-t", "-S", "-c")),
    Row("by DTLS", ("-S", "-c")),
    Row("by DTLS with indications", ("-S", "-c", "-s")),
    Row("mobility", ("-c", "-M")),
    Row("more requests than needed", ("-c", "-G")),
    Row("a wrong password", ("-c",), works=False, user="wrong"),
    Row("an expired credential", ("-c",), works=False, user="expired"),
]


class Coturn(ProcessProtocol):
    """The running server."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()
        self.said = b""

    def outReceived(self, data: bytes) -> None:
        self.said += data

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(None)


@asynccontextmanager
async def coturn(users: list[tuple[str, str]], directory: Path) -> AsyncIterator[int]:
    """Its port, for TLS and DTLS as well, with server.pem and server.key of `directory`.

    What it denies by default on loopback is allowed: here it is the yardstick of what is useful.
    """
    from twisted.internet import reactor

    assert COTURN is not None, MISSING
    port, relayed = free_udp_port(), free_ports(COTURNS)
    process = Coturn()
    arguments = [
        *(
            "-n",
            "--no-cli",
            "--cert",
            str(directory / "server.pem"),
            "--pkey",
            str(directory / "server.key"),
            "--lt-cred-mech",
            "-r",
            "meeting",
            "--mobility",
        ),
        *("--allow-loopback-peers", "-L", HOST, "-L", "::1", "-E", HOST, "-E", "::1", "-p", str(port)),
        *(
            "--min-port",
            str(relayed[0]),
            "--max-port",
            str(relayed[-1]),
            "--log-file",
            "stdout",
            "--pidfile",
            str(directory / "pid"),
        ),
        *("--userdb", str(directory / "db")),
        *(f"--user={name}:{password}" for name, password in users),
    ]
    running = IReactorProcess(reactor).spawnProcess(process, COTURN, [COTURN, *arguments], path=str(directory))
    try:
        await probe_until_answered(HOST, port)
        yield port
    finally:
        running.signalProcess("KILL")
        await process.ended


async def uclient(port: int, row: Row, user: tuple[str, str], peer_port: int) -> tuple[bool, str]:
    """Whether everything sent came back, and what it printed."""
    assert UCLIENT is not None, MISSING
    name, password = user
    common = ["-u", name, "-w", password, "-e", row.host, "-r", str(peer_port), "-p", str(port)]
    out, error, status = await getProcessOutputAndValue(UCLIENT, [*row.arguments, *common, HOST])
    printed = (out + error).decode(errors="replace")
    found = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", printed)
    whole = bool(found) and found[-1][0] == found[-1][1] != "0"
    return status == 0 and whole, printed


def place(arguments: tuple[str, ...], *, secured: bool) -> int:
    """Which of our addresses these arguments come to, over IPv4. Each way has one of both families."""
    ways = ["udp", "dtls", "tcp", "tls"] if secured else ["udp", "tcp"]
    stream, secure = bool({"-t", "-T"} & set(arguments)), "-S" in arguments
    way = ("tls" if secure else "tcp") if stream else "dtls" if secure else "udp"
    return 2 * ways.index(way)


@deadline(90)
async def test_what_works_with_coturn_works_with_us_and_what_is_refused_is_refused(tmp_path: Path) -> None:
    # coturn knows names from a list, so it gets one of its own; an expired one it has never heard of.
    plain = ("ana", "secret")
    theirs = {"good": plain, "wrong": ("ana", "no"), "expired": ("old", "secret")}
    few = free_ports(FEW)
    write_certificates(tmp_path, "turn.test")
    certificate = tmp_path / "server.pem", tmp_path / "server.key"
    ours = ("--oldChannels", "--tcpRelay", "--ip", HOST, "--ip", "::1")
    async with (
        turnserver(*ours, "--dtlsPort", str(free_udp_port()), certificate=certificate) as server,
        turnserver(*ours, "--relayPorts", f"{few[0]}-{few[-1]}") as narrow,
        coturn([plain], tmp_path) as coturn_port,
        echo_pair() as (_, four),
        echo_pair("::1") as (_, six),
    ):

        async def compare(row: Row) -> str:
            """Empty, or what was different."""
            peer_port, bracketed = (six, "[::1]") if ":" in row.host else (four, HOST)
            named = [f"{bracketed}:{peer_port}", f"{bracketed}:{peer_port + 1}"]
            among_us = bool({"-y", "-T", "-P"} & set(row.arguments))
            if among_us:
                named = [f"{HOST}:{port}" for port in few]
            good = credential(identity=row.name, servers=named)
            users = {"good": good, "wrong": (good[0], "no"), "expired": credential(-1, servers=named)}
            addresses = (narrow if among_us else server).relay.addresses
            port = addresses[place(row.arguments, secured=not among_us)][1]
            results = await gatherResults(
                [
                    Deferred.fromCoroutine(uclient(port, row, users[row.user], peer_port)),
                    Deferred.fromCoroutine(uclient(coturn_port, row, theirs[row.user], peer_port)),
                ],
                consumeErrors=True,
            )
            return "".join(
                f"{row.name}, {who}: {printed}"
                for who, (works, printed) in zip(("ours", "coturn"), results, strict=True)
                if works != row.works
            )

        # They mostly wait, each for its own packets.
        differences = await gatherResults([Deferred.fromCoroutine(compare(row)) for row in ROWS], consumeErrors=True)
        assert not any(differences), "\n".join(differences)
