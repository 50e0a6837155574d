"""The servers under test, as processes, and what can be seen of them from outside."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time

from meeting.daemon.secret import AccessClaims, Secret, mint_access_token
from tests.support.processes import SECRET, Daemon, free_port

AWAY, DEPARTURE = 3, 2
"""Seconds: the sfuserver's awayTimeout and departureTimeout."""


@dataclass(frozen=True)
class Seen:
    """The sfuserver at one moment."""

    rooms: int
    links: int
    rss: int
    """Bytes."""
    descriptors: int
    trouble: int
    panics: int
    lost: int
    """Events the data plane had to drop."""

    @property
    def empty(self) -> bool:
        return self.rooms == self.links == 0


class Servers:
    """A hub, which hears of everything, and the sfuserver."""

    def __init__(self, hub: Daemon, sfu: Daemon, address: str) -> None:
        self.sfu = sfu
        self.address = address
        """host:port of signalling."""
        self._all = (hub, sfu)

    def look(self) -> Seen:
        process = Path(f"/proc/{self.sfu.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        state = json.loads(self.sfu.page("/state")[1])
        counters = state["data_plane"]["counters"]
        return Seen(
            rooms=len(state["rooms"]),
            links=max(state["links"], len(state["data_plane"]["links"])),
            rss=int(status["VmRSS"].split()[0]) * 1024,
            descriptors=len(list((process / "fd").iterdir())),
            trouble=int(self._metric('meeting_sfu_happenings_total{what="trouble"}')),
            panics=counters["panics"],
            lost=counters["events_dropped"],
        )

    def _metric(self, name: str) -> float:
        for line in self.sfu.page("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def errors(self) -> list[str]:
        """Error lines of both logs. What is not JSON was not logged but blurted out, so it counts."""
        found = []
        for server in self._all:
            for line in server.text.splitlines():
                try:
                    level = json.loads(line)["level"]
                except (ValueError, KeyError, TypeError):
                    level = "error"
                if level in ("error", "critical"):
                    found.append(f"{server.name}: {line}")
        return found


def token(identity: str, room: str) -> str:
    grants = {"roomJoin": True, "canPublish": True, "canSubscribe": True, "canPublishData": True}
    claims = AccessClaims(identity=identity, name=identity, room=room, grants=grants, expires_at=int(time()) + 3600)
    return mint_access_token(Secret(SECRET), claims)


@contextmanager
def running(folder: Path) -> Iterator[Servers]:
    """Both, ready; ended by SIGTERM afterwards."""
    (folder / "secret").write_text(SECRET)
    ports = {"apiserver": free_port(), "sfuserver": free_port()}
    web: dict[str, dict[str, object]] = {
        name: {
            "domainaddress": f"localhost:{port}",
            "publicUrl": f"http://localhost:{port}",
            "plainHttp": f"127.0.0.1:{port}",
            "stateDirectory": str(folder / name),
        }
        for name, port in ports.items()
    }
    mail = {"mailServer": ["127.0.0.1"], "mailFrom": ["meeting@example.com"]}
    hub = Daemon("apiserver", folder, {**web["apiserver"], **mail})
    settings = {
        **web["sfuserver"],
        "mediaPort": free_port(socket.SOCK_DGRAM),
        "mediaAddress": ["127.0.0.1"],
        "apiserver": f"http://127.0.0.1:{ports['apiserver']}",
        "awayTimeout": AWAY,
        "departureTimeout": DEPARTURE,
    }
    sfu = Daemon("sfuserver", folder, settings)
    try:
        # The hub first, and last to go, so that nobody complains of its absence.
        for server in (hub, sfu):
            server.start()
            server.wait_until_ready()
        yield Servers(hub, sfu, f"127.0.0.1:{ports['sfuserver']}")
    finally:
        sfu.stop()
        hub.stop()
