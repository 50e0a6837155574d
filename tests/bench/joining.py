"""A late join: how soon a client has media, and what one join and leave costs the server; and a whole crowd of them.

The server is a process of its own. Somebody with a camera and a microphone is in the room already. One client is
LiveKit's Python SDK in this process, which decodes; the other is lean, so that what is measured is the server. CPU time
is read from the system, thread by thread, so that Python and the media thread are told apart.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time

from meeting.daemon.secret import AccessClaims, Secret, mint_access_token
from tests.bench import lean
from tests.support.processes import SECRET, Daemon, free_port
from tests.support.sdk_person import SdkPerson

PATIENCE = 60.0
"""Seconds for any one step."""
IDLE = 3.0
"""Seconds over which the server's CPU without joins is measured."""
ROOM = "bench"


@dataclass
class Joins:
    """What all joins together measured."""

    times: dict[str, list[float]] = field(default_factory=dict)
    """joined, picture, sound, connected, media → seconds since the WebSocket was asked for, one a join."""
    python_cpu: float = 0.0
    """Seconds for one join and leave, of all threads but the media thread, beyond what the server does without them."""
    media_cpu: float = 0.0

    @property
    def count(self) -> int:
        return len(self.times["joined"])


@dataclass(frozen=True)
class Crowd:
    """Many who join at once."""

    present: int
    times: list[float]
    """Seconds until each had its first media packet, from when the first WebSocket was asked for."""
    python_cpu: float
    """Seconds in all, until the last had it; of all threads but the media thread."""
    media_cpu: float
    messages: int
    """That those who were there before got, in all."""


@dataclass(frozen=True)
class Cpu:
    """CPU seconds of a process since it began."""

    python: float
    media: float
    at: float
    """Wall clock, monotonic."""


def cpu_of(process: int) -> Cpu:
    """From /proc/…/schedstat, whose first number is nanoseconds on a processor."""
    python = media = 0.0
    for thread in Path(f"/proc/{process}/task").iterdir():
        seconds = int((thread / "schedstat").read_text().split()[0]) / 1e9
        if (thread / "comm").read_text().strip() == "media":
            media += seconds
        else:
            python += seconds
    return Cpu(python, media, monotonic())


def token(identity: str) -> str:
    grants = {"roomJoin": True, "canPublish": True, "canSubscribe": True, "canPublishData": True}
    claims = AccessClaims(identity=identity, name=identity, room=ROOM, grants=grants, expires_at=int(time()) + 3600)
    return mint_access_token(Secret(SECRET), claims)


def start_server(folder: Path) -> tuple[Daemon, str]:
    """An sfuserver without a hub, and its WebSocket address."""
    (folder / "secret").write_text(SECRET)
    http = free_port()
    settings: dict[str, object] = {
        "domainaddress": f"localhost:{http}",
        "publicUrl": f"http://localhost:{http}",
        "plainHttp": f"127.0.0.1:{http}",
        "stateDirectory": str(folder / "sfuserver"),
        "mediaPort": free_port(socket.SOCK_DGRAM),
        "mediaAddress": ["127.0.0.1"],
        "apiserver": "http://127.0.0.1:9",
    }
    server = Daemon("sfuserver", folder, settings)
    server.start()
    return server, f"ws://127.0.0.1:{http}"


@asynccontextmanager
async def room(*, picture: bool) -> AsyncIterator[tuple[int, str, SdkPerson]]:
    """A server's process id, its address, and the one who is there and publishes."""
    with tempfile.TemporaryDirectory() as name:
        server, url = start_server(Path(name))
        try:
            server.wait_until_ready()
            publisher = SdkPerson("publisher")
            await publisher.join(url, token("publisher"))
            await publisher.publish(picture=picture)
            yield server.pid, url, publisher
            await publisher.leave()
        finally:
            server.stop()


async def measure_sdk(joins: int) -> Joins:
    """One after another: join, wait for picture and sound, leave, wait until the other heard of it."""
    async with room(picture=True) as (process, url, publisher):

        async def one(identity: str) -> dict[str, float]:
            late = SdkPerson(identity)
            await late.join(url, token(identity))
            await late.first_frame.wait()
            await late.first_sound.wait()
            await late.leave()
            await publisher.misses(identity)
            return late.times

        return await _one_after_another(process, joins, one)


async def measure_lean(binary: Path, joins: int) -> Joins:
    """The same with a client that decodes nothing; it waits for the first packet of media, and leaves at once."""
    async with room(picture=True) as (process, url, _), lean.peers(binary) as peers:

        async def one(identity: str) -> dict[str, float]:
            late = lean.join(url, token(identity), identity, peers)
            await late.until("media")
            await late.leave()
            return late.times

        return await _one_after_another(process, joins, one)


async def _one_after_another(process: int, joins: int, one: Callable[[str], Awaitable[dict[str, float]]]) -> Joins:
    result = Joins()
    await one("warm-up")
    before = cpu_of(process)
    await asyncio.sleep(IDLE)
    idle = cpu_of(process)
    for number in range(joins):
        async with asyncio.timeout(PATIENCE):
            times = await one(f"late{number}")
        for what, seconds in times.items():
            result.times.setdefault(what, []).append(seconds)
    after = cpu_of(process)
    share = (after.at - idle.at) / (idle.at - before.at)
    result.python_cpu = (after.python - idle.python - share * (idle.python - before.python)) / joins
    result.media_cpu = (after.media - idle.media - share * (idle.media - before.media)) / joins
    return result


async def measure_crowd(binary: Path, present: int, arriving: int) -> Crowd:
    """So many are there, one of them speaks; so many more come at the same moment."""
    async with room(picture=False) as (process, url, _), lean.peers(binary) as peers:

        async def enter(names: list[str]) -> tuple[float, list[lean.LeanPerson]]:
            tokens = [token(name) for name in names]
            began = monotonic()
            people = [lean.join(url, text, name, peers) for name, text in zip(names, tokens, strict=True)]
            async with asyncio.timeout(PATIENCE):
                for person in people:
                    await person.until("media")
            return began, people

        _, there = await enter([f"there{number}" for number in range(present - 1)])
        await asyncio.sleep(IDLE)
        heard, before = sum(person.messages for person in there), cpu_of(process)
        began, late = await enter([f"late{number}" for number in range(arriving)])
        after = cpu_of(process)
        return Crowd(
            present,
            [person.began + person.times["media"] - began for person in late],
            after.python - before.python,
            after.media - before.media,
            sum(person.messages for person in there) - heard,
        )


def _milliseconds(values: list[float]) -> str:
    return f"{statistics.median(values) * 1000:.0f} ms (slowest {max(values) * 1000:.0f})"


def lean_rows(joins: Joins) -> list[tuple[str, str, str]]:
    """For the table: what, how much, and the goal."""
    both = joins.python_cpu + joins.media_cpu
    return [
        ("WebSocket asked for → joined", _milliseconds(joins.times["joined"]), ""),
        ("… → ICE and DTLS done", _milliseconds(joins.times["connected"]), ""),
        ("… → first packet of media opened", _milliseconds(joins.times["media"]), "60 ms"),
        ("CPU of one join and leave", f"{both * 1000:.1f} ms", "8 ms"),
        ("… of it Python", f"{joins.python_cpu * 1000:.1f} ms", ""),
        ("… of it the media thread", f"{joins.media_cpu * 1000:.1f} ms", ""),
    ]


def crowd_rows(crowd: Crowd) -> list[tuple[str, str, str]]:
    """For the table."""
    count, last = len(crowd.times), max(crowd.times)
    return [
        (f"{count} at once into a room of {crowd.present} → the last has media", f"{last:.1f} s", "10 s"),
        ("… → half of them have", f"{statistics.median(crowd.times):.1f} s", ""),
        ("… Python, for each who joins", f"{crowd.python_cpu / count * 1000:.1f} ms", ""),
        ("… the media thread, for each who joins", f"{crowd.media_cpu / count * 1000:.1f} ms", ""),
        ("… messages to each who was there", f"{crowd.messages / (crowd.present - 1):.0f}", ""),
    ]


def sdk_rows(joins: Joins) -> list[tuple[str, str]]:
    """For the table."""
    return [
        ("WebSocket asked for → joined", _milliseconds(joins.times["joined"])),
        ("… → first picture decoded", _milliseconds(joins.times["picture"])),
        ("… → first sound played", _milliseconds(joins.times["sound"])),
        ("CPU of one join and leave, Python", f"{joins.python_cpu * 1000:.1f} ms"),
        ("CPU of one join and leave, media thread", f"{joins.media_cpu * 1000:.1f} ms"),
    ]
