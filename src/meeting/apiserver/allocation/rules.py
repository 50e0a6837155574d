"""Which server is alive, which one is chosen, and what an allocateserver may answer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

#: A server that misses this many heartbeats is gone for those who choose, …
MISSED = 3
#: … and a meeting gets another one when its own has been gone for this long.
PATIENCE = timedelta(seconds=10)

#: The state of a server that said good-bye; the others are its own words.
STOPPED = "stopped"

#: Seconds after which a client asks again, unless the allocateserver says otherwise (at most LONGEST_WAIT).
WAIT = 2
LONGEST_WAIT = 60

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?):([0-9]{1,5})")


class BadAnswer(Exception):
    """What an allocateserver answered cannot be used; the text says why, for the log."""


@dataclass(frozen=True)
class Server:
    """A server as its last heartbeat describes it."""

    kind: str
    address: str
    url: str
    instance: str
    state: str
    load: float
    started_at: datetime
    beat_at: datetime

    def is_alive(self, now: datetime, interval: timedelta) -> bool:
        """Whether it has been heard within the last heartbeats."""
        return self.state != STOPPED and now - self.beat_at <= interval * MISSED

    def is_lost(self, now: datetime) -> bool:
        """Whether a meeting should no longer wait for it."""
        return self.state == STOPPED or now - self.beat_at > PATIENCE


@dataclass(frozen=True)
class Servers:
    """The addresses (host:port) that serve a meeting; an empty `turn`: none."""

    sfu: str
    turn: str


def is_address(text: object) -> bool:
    """Whether this is host:port, an IPv6 host in brackets."""
    match = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    return match is not None and 0 < int(match[1]) < 65536


def least_loaded(servers: Iterable[Server], kind: str, now: datetime, interval: timedelta) -> Server | None:
    """The ready server of a kind with the least load; ties by address."""
    ready = [s for s in servers if s.kind == kind and s.state == "ready" and s.is_alive(now, interval)]
    return min(ready, key=lambda s: (s.load, s.address), default=None)


def parse_servers(answer: object) -> Servers:
    """The decoded answer to Kind=SFUTURN. Raises BadAnswer."""
    turn = isinstance(answer, dict) and answer.get("turn")
    return Servers(_address(answer, "sfu"), _address(answer, "turn") if turn else "")


def parse_file_server(answer: object) -> str:
    """The decoded answer to Kind=FS. Raises BadAnswer."""
    return _address(answer, "fs")


def retry_after(header: str | None) -> int:
    """Seconds to wait by an answer's Retry-After (RFC 9110 section 10.2.3; a date counts as none), within our
    bounds.
    """
    if header is None or not (header.isascii() and header.isdigit()):
        return WAIT
    return max(1, min(int(header[:6]), LONGEST_WAIT))


def _address(answer: object, key: str) -> str:
    if not isinstance(answer, dict):
        raise BadAnswer("the answer is not a JSON object")
    if not is_address(answer.get(key)):
        raise BadAnswer(f"{key!r} in the answer is not host:port")
    return str(answer[key])
