"""Which server is alive, which one is chosen, and what an allocateserver may answer."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meeting.daemon.errors import PleaseWait

#: A server that misses this many heartbeats is gone for those who choose, …
MISSED = 3
#: … and a meeting gets another one when its own has been gone for this long.
PATIENCE = timedelta(seconds=10)

#: The state of a server that said good-bye; the others are its own words.
STOPPED = "stopped"

#: Seconds after which a client asks again, unless the allocateserver says otherwise (at most LONGEST_WAIT).
WAIT = 2
LONGEST_WAIT = 60

#: A server that was found unfit is looked at again after this time.
LOOK_AGAIN = timedelta(seconds=5)

#: What participants hear of any of it; the reason is for those who can do something about it.
PREPARING = "The servers for this meeting are being prepared."

#: Nobody comes back to an instant meeting for whose servers we have asked in vain for so long: the next join asks.
ASKING_FOR_INSTANT = timedelta(minutes=15)
#: How long a scheduled meeting may go on beyond its end before its servers are given back.
OVERTIME = timedelta(minutes=30)
_FIRST_BACK_OFF = timedelta(seconds=5)
_LONGEST_BACK_OFF = timedelta(minutes=10)

_TURN_URI = re.compile(r"turns?:([^?]{1,262})(?:\?transport=(?:udp|tcp))?")
_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?):([0-9]{1,5})")


class BadAnswer(Exception):
    """What an allocateserver answered cannot be used; the text says why, for the log."""


class NotServed(PleaseWait):
    """A meeting has no servers yet. What participants read does not tell why; `reason` does, in words."""

    def __init__(self, outcome: str, reason: str, retry_after: float = WAIT) -> None:
        """`outcome`: one word, for metrics and for programs."""
        super().__init__(retry_after, PREPARING)
        self.outcome = outcome
        self.reason = reason

    def told(self) -> PleaseWait:
        """The same for the host, or an administrator."""
        return PleaseWait(self.retry_after, f"{PREPARING} {self.reason}", extra={"reason": self.outcome})


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
    #: An administrator has said that it gets no new meetings.
    drained: bool = False
    #: Where media goes: of an sfuserver address:port, of a turnserver URIs.
    media: tuple[str, ...] = ()

    def is_alive(self, now: datetime, interval: timedelta) -> bool:
        """Whether it has been heard within the last heartbeats."""
        return self.state != STOPPED and now - self.beat_at <= interval * MISSED

    def is_lost(self, now: datetime) -> bool:
        """Whether a meeting should no longer wait for it."""
        return self.state == STOPPED or now - self.beat_at > PATIENCE


@dataclass(frozen=True)
class Check:
    """What came of asking one instance of an sfuserver for a proof that it knows the secret. `trouble` "": it does."""

    instance: str
    outcome: str
    trouble: str
    checked_at: datetime

    def holds(self, instance: str, now: datetime) -> bool:
        """Whether this is still worth something: good news until the server starts again, bad news for seconds."""
        return self.instance == instance and (not self.outcome or now - self.checked_at < LOOK_AGAIN)


@dataclass(frozen=True)
class Servers:
    """The addresses (host:port) that serve a meeting; an empty `turn`: none."""

    sfu: str
    turn: str


def is_address(text: object) -> bool:
    """Whether this is host:port, an IPv6 host in brackets."""
    match = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    return match is not None and 0 < int(match[1]) < 65536


def are_places(kind: str, media: Sequence[str]) -> bool:
    """Whether this is where media goes for a server of this kind: of a turnserver URIs (RFC 7065), else addresses."""
    if kind != "turn":
        return all(is_address(each) for each in media)
    ways = [_TURN_URI.fullmatch(each) for each in media]
    return all(way is not None and is_address(way[1]) for way in ways)


def back_off(attempts: int, said: float) -> timedelta:
    """When to ask again after `attempts` refusals in a row, the last of which asked for `said` seconds."""
    doubled = _FIRST_BACK_OFF * (1 << min(attempts - 1, 20))
    return max(min(doubled, _LONGEST_BACK_OFF), timedelta(seconds=said))


def absence(address: str, found: Server | None, now: datetime) -> NotServed | None:
    """Why an sfuserver that the allocateserver named cannot be given to anybody: it is not there."""
    if found is None:
        return NotServed(
            "unregistered",
            f"{address} has never registered with this hub: is it started, is this hub its --apiserver, and is its "
            "--secret ours?",
        )
    if found.state == STOPPED:
        return NotServed("unregistered", f"{address} has stopped.")
    if found.is_lost(now):
        return NotServed("unregistered", f"{address} was last heard {(now - found.beat_at).total_seconds():.0f} s ago.")
    return None


def least_loaded(servers: Iterable[Server], kind: str, now: datetime, interval: timedelta) -> Server | None:
    """The ready server of a kind with the least load; ties by address."""
    ready = [
        s for s in servers if s.kind == kind and s.state == "ready" and not s.drained and s.is_alive(now, interval)
    ]
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
