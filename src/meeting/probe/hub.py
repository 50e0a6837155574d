"""Asking the hub for a place in a meeting, as a guest with the link (docs/protocols/http-api.md)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import treq
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from meeting.daemon.errors import MeetingError

LARGEST_ANSWER = 65_536
ANSWER_WITHIN = 10.0
"""Seconds for one answer of the hub."""
WAIT = 2.0
"""Seconds to the next question when the hub does not say."""
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
    root, code = parts(link)
    body = json.dumps({"device": "".join(secrets.choice(ALPHABET) for _ in range(8)), "name": name}).encode()
    give_up = reactor.seconds() + patience
    while True:
        asking = Deferred.fromCoroutine(_post(agent, f"{root}/api/v1/meetings/{code}/join", body, root))
        try:
            status, answer, wait = await asking.addTimeout(ANSWER_WITHIN, reactor)
        except TimeoutError:
            raise CannotJoin(f"{root} did not answer within {ANSWER_WITHIN:g} s") from None
        if status == 200:
            try:
                return Place(url=str(answer["url"]), token=str(answer["token"]), identity=str(answer["identity"]))
            except KeyError as missing:
                raise CannotJoin(f"the hub's answer has no {missing}; is it another version?") from None
        if status == 202:  # it has no cookie to be known by again, and would stand there once more with each question
            raise CannotJoin("the meeting has a lobby, a lock or a passcode: switch them off while the probe is inside")
        if status != 503 or reactor.seconds() + wait > give_up:
            raise CannotJoin(f"the hub answered {status}: {answer.get('detail') or answer.get('title')}")
        await deferLater(reactor, wait)


def parts(link: str) -> tuple[str, str]:
    """The hub's address and the meeting's code. Raises CannotJoin when `link` is not a meeting's."""
    parts = urlsplit(link)
    segments = parts.path.strip("/").split("/")
    if parts.scheme not in ("http", "https") or not parts.netloc or len(segments) != 2 or segments[0] != "m":
        raise CannotJoin(f"not a meeting's link: {link} (they look like https://meet.example.com/m/abc-defg-hij)")
    return f"{parts.scheme}://{parts.netloc}", segments[1]


async def _post(agent: IAgent, url: str, body: bytes, origin: str) -> tuple[int, dict[str, Any], float]:
    """Status, members of the JSON answer, and the seconds that the hub asks to wait."""
    headers = Headers({"Content-Type": ["application/json"], "Origin": [origin]})
    text = b""

    def collect(data: bytes) -> None:
        nonlocal text
        text += data
        if len(text) > LARGEST_ANSWER:
            raise CannotJoin("the hub's answer is too long")

    try:
        response = await treq.request("POST", url, data=body, headers=headers, agent=agent)
        await treq.collect(response, collect)
    except (CannotJoin, CancelledError):
        raise
    except Exception as error:
        raise CannotJoin(f"{origin} cannot be reached: {_reason(error)}") from error
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CannotJoin(f"the hub answered {response.code} without JSON; is this a meeting's link?") from error
    wait = (response.headers.getRawHeaders("Retry-After") or [""])[0]
    return response.code, answer if isinstance(answer, dict) else {}, float(wait) if wait.isdecimal() else WAIT


def _reason(error: BaseException) -> str:
    """The innermost reason: Twisted wraps connection failures in lists of failures."""
    reasons = getattr(error, "reasons", None)
    return _reason(reasons[0].value) if reasons else str(error) or type(error).__name__
