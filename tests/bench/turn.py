"""What relaying costs: our turnserver, coturn's and a bare loop, in turns; kept in docs/performance-turn.md.

python -m tests.bench.turn [--rounds N] [--seconds S] [--allocations N] [--only ROW]. The README says how to read it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meeting.daemon.secret import Secret, turn_credential
from meeting.stun import Class, Message, Method, long_term_key
from tests.bench.forwarding import RUST, build, parse
from tests.bench.report import Conditions, aligned, surroundings
from tests.support.processes import SECRET, free_port

PAGE = RUST.parent / "docs" / "performance-turn.md"
HOST, REALM = "127.0.0.1", "meeting"
SERVER_CORE, LOAD_CORE = "0", "1"
NICE = "-10"
RELAY_PORTS = (20_000, 29_999)
LIFETIME = 3600
STARTING = 30.0
COTURN = "turnserver"
OURS, THEIRS, BARE = "meeting", "coturn", "bare loop"
SERVERS = (OURS, THEIRS, BARE)


@dataclass(frozen=True)
class Row:
    """A shape of traffic: packets a second of each client in each direction, in bursts."""

    name: str
    size: int
    burst: int
    rate: int
    goals: Mapping[str, float]
    """The most our CPU may be of another's."""
    protocol: str = "turn"
    clients: int = 50


ROWS = (
    Row("spread, 1,100 bytes", 1100, 1, 200, {THEIRS: 0.9}),
    Row("spread, 100 bytes", 100, 1, 200, {THEIRS: 0.9}),
    Row("bursts of 16, 1,100 bytes", 1100, 16, 800, {THEIRS: 0.5, BARE: 1.3}),
    Row("by TCP, spread, 1,100 bytes", 1100, 1, 200, {THEIRS: 0.7}, "tcp"),
)
FLOOD = {"sources": 400, "rate": 20_000, "seconds": 2}


@dataclass(frozen=True)
class Server:
    """A running one, and who may use it."""

    name: str
    address: str
    pid: int
    peer: str
    credentials: Mapping[str, str]


def load(binary: Path, mode: str, **options: object) -> dict[str, float]:
    """Run the load generator to its end."""
    arguments = [f"{name}={value}" for name, value in options.items()]
    result = subprocess.run(
        ["taskset", "-c", LOAD_CORE, str(binary), mode, *arguments], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise RuntimeError(f"the load generator failed: {result.stderr}")
    return parse(result.stdout)


def answers(address: tuple[str, int]) -> bool:
    """Whether a Binding request is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        probe.connect(address)
        try:
            probe.send(Message(Class.REQUEST, Method.BINDING, bytes(12)).build())
            return bool(probe.recv(2048))
        except OSError:
            return False


@contextmanager
def running(name: str, arguments: Sequence[str], address: tuple[str, int] | None, folder: Path) -> Iterator[int]:
    """The process, alone on its core, until the end of the block; its number. `address`: where it answers first."""
    command = ["nice", "-n", NICE, "taskset", "-c", SERVER_CORE, *arguments]
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        try:
            end = time.monotonic() + STARTING
            while address is not None and not answers(address):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{name} did not start: {log.read_text()[-2000:]}")
                time.sleep(0.05)
            yield process.pid
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def credentials(user: str, password: str) -> dict[str, str]:
    key = long_term_key(user, REALM, password).hex()
    return {"user": user, "realm": REALM, "key": key}


@contextmanager
def ours(port: int, peer: str, folder: Path) -> Iterator[Server]:
    """Our turnserver, with its limits out of the way."""
    secret = folder / "secret"
    secret.write_text(SECRET)
    first, last = RELAY_PORTS
    arguments = [
        *(str(Path(sys.executable).parent / "meeting"), "turnserver", "--secretFile", str(secret), "--ip", HOST),
        *("--port", str(port), "--relayPorts", f"{first}-{last}", "--apiserver", f"http://{HOST}:9"),
        *("--status", f"{HOST}:{free_port()}", "--threads", "1", "--userQuota", "20000", "--logLevel", "warn"),
    ]
    user = turn_credential(Secret(SECRET), "room", "ana", int(time.time()) + LIFETIME, [peer])
    with running(OURS, arguments, (HOST, port), folder) as pid:
        yield Server(OURS, f"{HOST}:{port}", pid, peer, credentials(user.username, user.password))


@contextmanager
def coturn(port: int, peer: str, folder: Path) -> Iterator[Server]:
    """Debian's, with time-limited credentials like ours."""
    first, last = RELAY_PORTS
    path = shutil.which(COTURN)
    if path is None:
        raise RuntimeError("coturn is missing: apt-get install --no-install-recommends coturn")
    arguments = [
        *(path, "-n", "--no-tls", "--no-dtls", "--no-cli", "--no-multicast-peers", "--allow-loopback-peers"),
        *("--use-auth-secret", "--static-auth-secret", SECRET, "-r", REALM, "-L", HOST, "-E", HOST, "-p", str(port)),
        *("--min-port", str(first), "--max-port", str(last), "--relay-threads", "1", "--log-file", "stdout"),
        *("--pidfile", str(folder / "coturn.pid"), "--userdb", str(folder / "coturn.db")),
    ]
    user = f"{int(time.time()) + LIFETIME}:ana"
    password = base64.b64encode(hmac.digest(SECRET.encode(), user.encode(), hashlib.sha1)).decode()
    with running(THEIRS, arguments, (HOST, port), folder) as pid:
        yield Server(THEIRS, f"{HOST}:{port}", pid, peer, credentials(user, password))


@contextmanager
def bare(binary: Path, port: int, peer: str, folder: Path) -> Iterator[Server]:
    """The loop."""
    arguments = [str(binary), "bare", f"server={HOST}:{port}", f"peer={peer}"]
    with running("bare", arguments, None, folder) as pid:
        # It listens at once, and answers nobody.
        time.sleep(0.2)
        yield Server(BARE, f"{HOST}:{port}", pid, peer, {})


@contextmanager
def server(name: str, binary: Path) -> Iterator[Server]:
    """A fresh one of this kind."""
    port, peer = free_port(socket.SOCK_DGRAM), f"{HOST}:{free_port(socket.SOCK_DGRAM)}"
    with tempfile.TemporaryDirectory() as folder:
        if name == OURS:
            chosen = ours(port, peer, Path(folder))
        elif name == THEIRS:
            chosen = coturn(port, peer, Path(folder))
        else:
            chosen = bare(binary, port, peer, Path(folder))
        with chosen as each:
            yield each


def flow(binary: Path, name: str, row: Row, seconds: float) -> dict[str, float]:
    """One round of media."""
    with server(name, binary) as each:
        return load(
            binary,
            "flow",
            protocol="bare" if name == BARE else row.protocol,
            server=each.address,
            peer=each.peer,
            pid=each.pid,
            clients=row.clients,
            size=row.size,
            burst=row.burst,
            rate=row.rate,
            seconds=seconds,
            **each.credentials,
        )


def allocate(binary: Path, name: str, count: int) -> dict[str, float]:
    """One round of allocations."""
    with server(name, binary) as each:
        return load(
            binary, "allocate", server=each.address, peer=each.peer, pid=each.pid, count=count, **each.credentials
        )


def flood(binary: Path, name: str) -> dict[str, float]:
    """One round of strangers."""
    with server(name, binary) as each:
        return load(binary, "flood", server=each.address, pid=each.pid, **FLOOD)


Rounds = dict[str, list[dict[str, float]]]


def microseconds(each: Mapping[str, float]) -> float:
    """CPU of a packet."""
    return each["cpu_ns"] / 1e3 / max(1.0, each["relayed"])


def median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def ratios(rounds: Rounds, other: str, figure: str | None = None) -> list[float]:
    """Of the rounds: ours by another's."""

    def value(each: Mapping[str, float]) -> float:
        return microseconds(each) if figure is None else each[figure]

    return [value(a) / value(b) for a, b in zip(rounds[OURS], rounds[other], strict=True)]


def flow_table(results: Sequence[tuple[Row, Rounds]]) -> list[str]:
    """The rows of media."""
    lines = []
    for row, rounds in results:
        for name, measured in rounds.items():
            lost = 1 - sum(r["received"] for r in measured) / max(1.0, sum(r["sent"] for r in measured))
            lines.append(
                (
                    f"{row.name}: {name}",
                    f"{statistics.median(map(microseconds, measured)):.2f}",
                    f"{statistics.median(r['p50_us'] for r in measured):.0f}",
                    f"{statistics.median(r['p99_us'] for r in measured):.0f}",
                    f"{lost:.2%}",
                )
            )
    return aligned(("relaying", "CPU µs/packet", "p50 µs", "p99 µs", "lost"), lines)


def ratio_table(results: Sequence[tuple[Row, Rounds]], allocations: Rounds, floods: Rounds, count: int) -> list[str]:
    """What is promised, and what is."""
    lines = []
    for row, rounds in results:
        for other in rounds.keys() - {OURS}:
            goal = row.goals.get(other)
            lines.append(
                (f"{row.name}, by {other}", median(ratios(rounds, other)), "" if goal is None else f"≤ {goal}")
            )
    if floods:
        lines.append(("a stranger's request, by coturn", median(ratios(floods, THEIRS, "cpu_ns")), "≤ 1.2"))
        for name, measured in floods.items():
            sent = sum(r["sent"] for r in measured)
            answered = sum(r["answered"] for r in measured) / sent
            took = statistics.median(r["cpu_ns"] / r["sent"] for r in measured) / 1e3
            lines.append((f"a stranger's request, {name}: CPU ({answered:.0%} answered)", f"{took:.1f} µs", ""))
    for name, measured in allocations.items():
        goals = ("≤ 400 µs", "≤ 4 kB") if name == OURS else ("", "")
        made = statistics.median(r["made_ns"] / count / 1e3 for r in measured)
        renewed = statistics.median(r["renewed_ns"] / count / 1e3 for r in measured)
        ended = statistics.median(r["ended_ns"] / count / 1e3 for r in measured)
        memory = statistics.median(r["memory"] / count / 1e3 for r in measured)
        lines.append((f"an allocation, {name}: CPU of its four requests", f"{made:.0f} µs", goals[0]))
        lines.append((f"an allocation, {name}: CPU of renewing it", f"{renewed:.0f} µs", ""))
        lines.append((f"an allocation, {name}: CPU of giving it back", f"{ended:.0f} µs", ""))
        lines.append((f"an allocation, {name}: memory", f"{memory:.1f} kB", goals[1]))
    return aligned(("what", "figure", "goal"), lines)


TEXT = """\
# What relaying costs

Written by `python -m tests.bench.turn`; [how it measures](../tests/bench/README.md). Compare ratios:
microseconds are the machine's.

{tables}

{surroundings}"""


def measure(options: argparse.Namespace) -> None:
    print("building the load generator (minutes, the first time)", flush=True)
    binary = build().with_name("meeting-turn-load")
    before = Conditions.now()
    rows = [row for row in ROWS if options.only in row.name]
    results: list[tuple[Row, Rounds]] = []
    for row in rows:
        names = [name for name in SERVERS if name != BARE or row.protocol != "tcp"]
        rounds: Rounds = {name: [] for name in names}
        for number in range(options.rounds):
            # Each begins once as often as it can.
            for name in names[number % len(names) :] + names[: number % len(names)]:
                rounds[name].append(flow(binary, name, row, options.seconds))
            print(f"  {row.name}: {', '.join(f'{n} {microseconds(r[-1]):.2f}' for n, r in rounds.items())}", flush=True)
        results.append((row, rounds))
    asked: dict[str, Rounds] = {"allocations": {}, "floods": {}}
    for number in range(options.rounds):
        for name in (OURS, THEIRS) if number % 2 else (THEIRS, OURS):
            if options.only in "allocations":
                found = allocate(binary, name, options.allocations)
                asked["allocations"].setdefault(name, []).append(found)
                print(f"  an allocation, {name}: {found['made_ns'] / options.allocations / 1e3:.0f} µs", flush=True)
            if options.only in "floods":
                found = flood(binary, name)
                asked["floods"].setdefault(name, []).append(found)
                print(f"  a stranger, {name}: {found['cpu_ns'] / found['sent'] / 1e3:.2f} µs", flush=True)
    tables = [
        f"50 clients, each with a channel, both ways, {options.rounds} rounds of {options.seconds:g} s, in turns:",
        "",
        *flow_table(results),
        "",
        f"CPU of ours by that of others, median of the rounds (least to most); {options.allocations} allocations:",
        "",
        *ratio_table(results, asked["allocations"], asked["floods"], options.allocations),
    ]
    text = "\n".join(tables)
    print(f"\n{text}", flush=True)
    if not options.only:
        PAGE.write_text(TEXT.format(tables=text, surroundings=surroundings(before, Conditions.now())))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.turn", description="What relaying costs.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--allocations", type=int, default=3000)
    parser.add_argument("--only", default="", help="rows with this in their name; the page is left as it is")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
