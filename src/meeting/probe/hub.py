"""Asking the hub for a place in a meeting, as a guest with the link (docs/protocols/http-api.md)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import treq
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from meeting.daemon.errors import MeetingError

LARGEST_ANSWER = 65_536
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class CannotJoin(MeetingError):
    """The hub did not let the probe into the meeting."""

    problem = "cannot-join"
    title = "Cannot join"


@dataclass(frozen=True)
class Place:
    """Where to connect, and the token that opens the door."""

    url: str  # ws(s)://host:port
    token: str
    identity: str


async def take_a_place(agent: IAgent, reactor: IReactorTime, link: str, name: str, *, patience: float = 60.0) -> Place:
    """Joins the meeting of `link` (`https://host/m/<code>`) as the guest `name`.

    Waits while the hub asks to ("please wait a moment"), at most `patience` seconds. Raises CannotJoin with the
    hub's own words.
    """
    root, code = _parts(link)
    body = json.dumps({"device": "".join(secrets.choice(ALPHABET) for _ in range(8)), "name": name}).encode()
    give_up = reactor.seconds() + patience
    while True:
        status, answer = await _post(agent, f"{root}/api/meetings/{code}/join", body, root)
        if status == 200:
            return Place(url=answer["url"], token=answer["token"], identity=answer["identity"])
        wait = float(answer.get("retry_after", 2))
        if status != 503 or reactor.seconds() + wait > give_up:
            raise CannotJoin(f"the hub answered {status}: {answer.get('detail') or answer.get('title')}")
        await _later(reactor, wait)


def _parts(link: str) -> tuple[str, str]:
    parts = urlsplit(link)
    segments = parts.path.strip("/").split("/")
    if parts.scheme not in ("http", "https") or len(segments) != 2 or segments[0] != "m":
        raise CannotJoin(f"not a meeting's link: {link} (they look like https://meet.example.com/m/abc-defg-hij)")
    return f"{parts.scheme}://{parts.netloc}", segments[1]


async def _post(agent: IAgent, url: str, body: bytes, origin: str) -> tuple[int, dict[str, Any]]:
    headers = Headers({"Content-Type": ["application/json"], "Origin": [origin]})
    response = await treq.request("POST", url, data=body, headers=headers, agent=agent, timeout=10)
    text = await response.content()
    if len(text) > LARGEST_ANSWER:
        raise CannotJoin("the hub's answer is too long")
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise CannotJoin(f"the hub answered {response.code} without JSON; is this a meeting's link?") from error
    return response.code, answer if isinstance(answer, dict) else {}


def _later(reactor: Any, seconds: float) -> Deferred[None]:
    waiting: Deferred[None] = Deferred()
    reactor.callLater(seconds, waiting.callback, None)
    return waiting
