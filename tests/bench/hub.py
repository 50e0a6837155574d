"""What the hub's requests cost: CPU time of the server by request, and latency, beside a bare Klein route."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from socket import SOCK_DGRAM
from statistics import median
from threading import local
from time import monotonic, sleep
from typing import Any

from tests.bench.report import Conditions, aligned, surroundings
from tests.support.mariadb import MariaDb
from tests.support.processes import SECRET, Daemon, free_port, page

AT_ONCE = 4
"""Requests under way, each on a connection that stays."""
LIMIT = 2.5
"""Times the bare route; asked for."""
STATEMENTS = {"sign in": 13, "create": 6, "list": 4, "join": 8}
"""What each asks of the database: tests/unit/apiserver/test_statements.py counts them (somebody new signs in here)."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Of one kind of request."""

    name: str
    count: int
    cpu: float
    """Seconds of the server, by request."""
    seconds: list[float]
    wall: float

    @property
    def p99(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


class Client:
    """Requests to one server, on one connection for each thread."""

    def __init__(self, port: int, pid: int) -> None:
        self._port = port
        self._pid = pid
        self._threads = ThreadPoolExecutor(AT_ONCE)
        self._local = local()

    def ask(self, method: str, path: str, body: Any = None, cookie: str = "", source: str = "10.0.0.1") -> Any:
        """The answer's JSON and the cookie that came with it; fails when it is no success."""
        headers = {"Origin": f"http://localhost:{self._port}", "Cookie": cookie, "X-Forwarded-For": source}
        data = json.dumps(body) if body is not None else None
        if data is not None:
            headers["Content-Type"] = "application/json"
        return self.send(method, path, data, headers)

    def send(self, method: str, path: str, data: str | None, headers: dict[str, str]) -> Any:
        """The same, with headers of the caller's."""
        if not hasattr(self._local, "connection"):
            self._local.connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection: HTTPConnection = self._local.connection
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500].decode(errors='replace')}")
        return (json.loads(text) if text else None), (answer.getheader("Set-Cookie") or "").partition(";")[0]

    def cost(self, name: str, requests: Sequence[Callable[[], object]]) -> Cost:
        """Do all of them, `AT_ONCE` at a time."""

        def timed(request: Callable[[], object]) -> float:
            begun = monotonic()
            request()
            return monotonic() - begun

        cpu, begun = self._cpu(), monotonic()
        seconds = list(self._threads.map(timed, requests))
        wall = monotonic() - begun
        return Cost(name, len(requests), (self._cpu() - cpu) / len(requests), seconds, wall)

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss(self) -> int:
        """Bytes."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self._pid}/status").read_text())
        assert found
        return int(found[1]) * 1024


@contextmanager
def bare_server(*database: str) -> Iterator[Client]:
    """`tests.bench.bare`, answering."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.bare", str(port), *database])
    try:
        end = monotonic() + 60
        while page(f"http://127.0.0.1:{port}/")[0] != 200:
            if monotonic() > end or process.poll() is not None:
                raise RuntimeError("the bare route does not answer")
            sleep(0.1)
        yield Client(port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def hub(folder: Path, settings: dict[str, object]) -> Iterator[Client]:
    """A hub, answering; its people come from many addresses, as behind a proxy."""
    (folder / "secret").write_text(SECRET)
    port = free_port()
    common: dict[str, object] = {
        "domainaddress": f"localhost:{port}",
        "publicUrl": f"http://localhost:{port}",
        "plainHttp": f"127.0.0.1:{port}",
        "stateDirectory": str(folder),
        "trustedProxy": ["127.0.0.0/8"],
        "demo": True,
    }
    daemon = Daemon("apiserver", folder, {**common, **settings})
    sfu_port = free_port()
    sfu_settings: dict[str, object] = {
        "domainaddress": f"localhost:{sfu_port}",
        "publicUrl": f"http://localhost:{sfu_port}",
        "plainHttp": f"127.0.0.1:{sfu_port}",
        "stateDirectory": str(folder / "sfu"),
        "mediaPort": free_port(SOCK_DGRAM),
        "mediaAddress": ["127.0.0.1"],
        "apiserver": f"http://localhost:{port}",
    }
    sfu = Daemon("sfuserver", folder, sfu_settings)
    try:
        daemon.start()
        daemon.wait_until_ready()
        sfu.start()
        sfu.wait_for("registered with the hub", 60.0)
        yield Client(port, daemon.pid)
    finally:
        for each in (sfu, daemon):
            each.stop()


def warm(client: Client, count: int) -> None:
    client.cost("warm", [lambda: client.ask("GET", "/")] * count)


def measure_statements(client: Client, count: int) -> dict[str, float]:
    """Seconds of CPU of a bare route that asks as many statements in one transaction, by kind of request."""

    def ask(times: int) -> Callable[[], None]:
        return lambda: client.ask("GET", f"/{times}")

    return {name: client.cost(name, [ask(times)] * count).cpu for name, times in STATEMENTS.items()}


def measure_bare(client: Client, count: int) -> Cost:
    warm(client, count // 4)
    return client.cost("bare route, one query", [lambda: client.ask("GET", "/")] * count)


def measure_hub(client: Client, count: int) -> list[Cost]:
    """Sign-in, create, list, join."""
    people = [f"person{number}@example.com" for number in range(count)]
    codes: dict[str, str] = {}
    for number, email in enumerate(people):
        client.ask("POST", "/api/v1/sign-in/codes", {"email": email}, source=_source(number))
        if number % 40 == 39 or number == count - 1:
            for mail in client.ask("GET", "/api/v1/demo/mails")[0]["mails"]:
                if found := re.search(r"^ +(\d{6})$", mail["text"], re.MULTILINE):
                    codes.setdefault(mail["to"], found[1])
    cookies: dict[int, str] = {}

    def sign_in(number: int) -> None:
        body = {"email": people[number], "code": codes[people[number]]}
        cookies[number] = client.ask("POST", "/api/v1/sign-in", body, source=_source(number))[1]

    def create(number: int) -> None:
        body = {"kind": "scheduled", "title": "Plans", "begin_at": "2031-11-23T14:00:00Z", "zone": "Europe/Berlin"}
        body["end_at"] = "2031-11-23T15:00:00Z"
        client.ask("POST", "/api/v1/meetings", body, cookies[number % 50], _source(number))

    def look(number: int) -> None:
        client.ask("GET", "/api/v1/meetings?when=upcoming", cookie=cookies[number], source=_source(number))

    codes_of: dict[int, str] = {}

    def join(number: int) -> None:
        path = f"/api/v1/meetings/{codes_of[number % 50]}/join"
        client.ask("POST", path, {"device": f"{number:08}"}, cookies[number % 50], _source(number))

    costs = [client.cost("sign in", [_call(sign_in, n) for n in range(count)])]
    costs.append(client.cost("create", [_call(create, n) for n in range(count)]))
    costs.append(client.cost("list", [_call(look, n) for n in range(count)]))
    for number in range(50):
        body = {"kind": "instant"}
        codes_of[number] = client.ask("POST", "/api/v1/meetings", body, cookies[number], _source(number))[0]["code"]
    costs.append(client.cost("join", [_call(join, n) for n in range(count)]))
    return costs


def _call(function: Callable[[int], None], number: int) -> Callable[[], None]:
    return lambda: function(number)


def _source(number: int) -> str:
    return f"10.{number >> 8 & 255}.{number & 255}.7"


def measure(count: int) -> tuple[list[str], bool]:
    """The tables' lines, and whether all is within the limit."""
    lines: list[str] = []
    within = True
    for kind in ("SQLite", "MariaDB"):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            settings: dict[str, object] = {}
            where = ["sqlite", str(folder / "bare.sqlite")]
            if kind == "MariaDB":
                server = stack.enter_context(MariaDb())
                where = ["mariadb", str(server.port)]
                settings = server.settings("Bench")
            limits = []
            with bare_server(*where) as client:
                limits = [measure_bare(client, count) for _ in range(3)]
            with hub(folder, settings) as client:
                empty = client.rss()
                costs = measure_hub(client, count)
                full = client.rss()
            with bare_server(*(["sqlite", str(folder / "again.sqlite")] if kind == "SQLite" else where)) as client:
                limits.append(measure_bare(client, count))
                often = measure_statements(client, count)
        limit = median(each.cpu for each in limits)
        bare = Cost(limits[0].name, count, limit, [s for each in limits for s in each.seconds], limits[0].wall)
        within &= all(each.cpu <= LIMIT * limit for each in costs)
        rows = [
            (
                each.name,
                f"{each.cpu * 1000:.2f}",
                f"{each.cpu / limit:.2f}",
                f"{each.cpu / often[each.name]:.2f}" if each.name in often else "",
                f"{1 / each.cpu:.0f}",
                f"{median(each.seconds) * 1000:.1f}",
                f"{each.p99 * 1000:.1f}",
            )
            for each in (bare, *costs)
        ]
        head = (kind, "CPU ms", "× bare", "× statements", "a second of CPU", "p50 ms", "p99 ms")
        lines += [*aligned(head, rows), "", f"The hub's memory: {empty >> 20} MiB, {full >> 20} MiB afterwards.", ""]
    return lines, within


def kept(page: Path) -> str:
    """What people have written below the figures."""
    _, mark, rest = page.read_text().partition("\n## ")
    return mark + rest


PAGE = Path(__file__).parents[2] / "docs" / "performance-hub.md"


def main() -> None:
    """`python -m tests.bench.hub [--count N]`; the exit status says whether all was within the limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hub", description="What the hub's requests cost.")
    parser.add_argument("--count", type=int, default=400, help="requests of each kind")
    options = parser.parse_args()
    before = Conditions.now()
    lines, within = measure(options.count)
    text = "\n".join(lines)
    print(text)
    head = [
        "# What the hub's requests cost",
        "",
        f"Written by `python -m tests.bench.hub`: {options.count} requests of each kind, {AT_ONCE} at once over",
        "connections that stay. CPU is that of the server's process. The bare route is Klein, one row by its key, and",
        f"JSON; asked for is {LIMIT} × of it. Beside it stands a second limit: a bare route that asks as many",
        "statements as the request does, of one row by its key each, in one transaction. A join has to find the",
        "meeting, somebody's place, the servers and their load, and write down who came: that is not one query.",
        "",
    ]
    PAGE.write_text("\n".join([*head, text, surroundings(before, Conditions.now()), kept(PAGE)]))
    raise SystemExit(0 if within else 1)


if __name__ == "__main__":
    main()
