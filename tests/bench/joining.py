"""A late join: how soon a native client sees and hears, and what one join and leave costs the server.

The server is a process of its own; the client is LiveKit's Python SDK in this one. Somebody with a camera and a
microphone is in the room already. CPU time is read from the system, thread by thread, so that Python and the media
thread are told apart.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time

from meeting.daemon.secret import AccessClaims, Secret, mint_access_token
from tests.support.processes import SECRET, Daemon, free_port
from tests.support.sdk_person import SdkPerson

PATIENCE = 30.0
"""Seconds for any one step."""
IDLE = 3.0
"""Seconds over which the server's CPU without joins is measured."""
ROOM = "bench"


@dataclass
class Joins:
    """What all joins together measured."""

    times: dict[str, list[float]] = field(default_factory=dict)
    """joined, picture, sound → seconds since the WebSocket was asked for, one a join."""
    python_cpu: float = 0.0
    """Seconds for one join and leave, of all threads but the media thread, beyond what the server does without them."""
    media_cpu: float = 0.0

    @property
    def count(self) -> int:
        return len(self.times["joined"])


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


async def measure_joins(joins: int) -> Joins:
    """One after another: join, wait for picture and sound, leave, wait until the others heard of it."""
    with tempfile.TemporaryDirectory() as name:
        server, url = start_server(Path(name))
        try:
            server.wait_until_ready()
            return await _join_and_leave(server.pid, url, joins)
        finally:
            server.stop()


async def _join_and_leave(process: int, url: str, joins: int) -> Joins:
    publisher = SdkPerson("publisher")
    await publisher.join(url, token("publisher"))
    await publisher.publish()
    result = Joins()
    await _one(publisher, url, "warm-up")
    before = cpu_of(process)
    await asyncio.sleep(IDLE)
    idle = cpu_of(process)
    for number in range(joins):
        times = await _one(publisher, url, f"late{number}")
        for what, seconds in times.items():
            result.times.setdefault(what, []).append(seconds)
    after = cpu_of(process)
    await publisher.leave()
    share = (after.at - idle.at) / (idle.at - before.at)
    result.python_cpu = (after.python - idle.python - share * (idle.python - before.python)) / joins
    result.media_cpu = (after.media - idle.media - share * (idle.media - before.media)) / joins
    return result


async def _one(publisher: SdkPerson, url: str, identity: str) -> dict[str, float]:
    late = SdkPerson(identity)
    async with asyncio.timeout(PATIENCE):
        await late.join(url, token(identity))
        await late.first_frame.wait()
        await late.first_sound.wait()
        await late.leave()
        while identity not in publisher.left:
            publisher.changed.clear()
            await publisher.changed.wait()
    return late.times


def rows(joins: Joins) -> list[tuple[str, str]]:
    """For the table: what, and how much."""

    def milliseconds(what: str) -> str:
        values = sorted(joins.times[what])
        return f"{statistics.median(values) * 1000:.0f} ms (slowest {values[-1] * 1000:.0f})"

    return [
        ("WebSocket asked for → joined", milliseconds("joined")),
        ("… → first picture decoded", milliseconds("picture")),
        ("… → first sound played", milliseconds("sound")),
        ("CPU of one join and leave, Python", f"{joins.python_cpu * 1000:.1f} ms"),
        ("CPU of one join and leave, media thread", f"{joins.media_cpu * 1000:.1f} ms"),
    ]
