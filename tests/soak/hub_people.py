"""People of the hub as a load: they sign in, schedule, join, write, and remember what they were promised."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from secrets import token_hex
from time import monotonic
from typing import Any

import treq
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import deferLater
from twisted.web.client import HTTPConnectionPool

from tests.integration.minutes.hubs import Writer, connect
from tests.support.mailbox import Mailbox
from tests.unit.minutes.yclient import Client

PATIENCE = 45.0
"""Seconds in which a person gets what they ask for, on a machine that has other things to do."""
PAUSE = 0.3
"""Seconds between two tries."""


@dataclass
class Tally:
    """Every request, and what came of it."""

    begun: float = field(default_factory=monotonic)
    requests: int = 0
    repeated: int = 0
    """Whose connection died without an answer, so that they were made a second time at once."""
    errors: list[tuple[float, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    promised_meetings: dict[str, str] = field(default_factory=dict)
    """Code → owner."""
    promised_invitations: set[str] = field(default_factory=set)
    promised_chat: dict[str, set[str]] = field(default_factory=dict)
    promised_lines: dict[str, set[str]] = field(default_factory=dict)

    def failed(self, what: str) -> None:
        self.errors.append((monotonic() - self.begun, what))


@dataclass(frozen=True)
class Place:
    """Where the hub is, as `connect` wants it: the load balancer."""

    port: int

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"


class Hub:
    """Requests through the load balancer, each on a connection of its own.

    All that is asked here may be asked twice (a GET, an Idempotency-Key, an id of the client's), so what got no answer
    is asked once more at once, as a load balancer does. What fails then, or is answered with 5xx, is an error that
    somebody sees, and so is a key that a hub took along when it died; it is counted, and tried again after a pause.
    """

    def __init__(self, place: Place, tally: Tally, reactor: Any) -> None:
        self.place = place
        self.tally = tally
        self.reactor = reactor
        self._pool = HTTPConnectionPool(reactor, persistent=False)

    async def ask(
        self, method: str, path: str, body: Any = None, *, cookie: str = "", source: str
    ) -> tuple[int, Any, str]:
        """Status, JSON, and the cookie that was set. A failed try counts as an error, and is made again."""
        headers: dict[bytes | str, bytes | str] = {
            "Origin": self.place.origin,
            "Cookie": cookie,
            "X-Forwarded-For": source,
        }
        if method == "POST":
            headers["Idempotency-Key"] = token_hex(16)  # however often it is tried, it is done once
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        begun = monotonic()
        is_repeated = False
        while True:
            self.tally.requests += 1
            try:
                response = await treq.request(
                    method,
                    f"http://127.0.0.1:{self.place.port}{path}",
                    headers=headers,
                    data=data,
                    pool=self._pool,
                    timeout=20,
                )
                text = await treq.content(response)
                status = response.code
                problem = json.loads(text).get("type", "") if status == 409 else ""
                if status < 500 and not problem.endswith("idempotency-key-in-use"):  # whose hub died, say: wait for it
                    self.tally.seconds.append(monotonic() - begun)
                    cookies = response.headers.getRawHeaders("Set-Cookie") or [""]
                    return status, json.loads(text) if text else None, cookies[0].partition(";")[0]
                self.tally.failed(f"{method} {path}: {status} {text[:200].decode(errors='replace')}")
            except Exception as error:  # whatever a connection can die of
                if not is_repeated:
                    is_repeated = True
                    self.tally.repeated += 1
                    continue
                self.tally.failed(f"{method} {path}: {error!r}"[:300])
            if monotonic() - begun > PATIENCE:
                raise AssertionError(f"{method} {path} was not answered within {PATIENCE} s")
            await deferLater(self.reactor, PAUSE)


class Person:
    """One of them."""

    def __init__(self, number: int, hub: Hub, mailbox: Mailbox, seed: str, pause: float) -> None:
        """`pause`: seconds from one thing they do to the next, on average."""
        self.email = f"person{number}@example.com"
        self._number = number
        self._hub = hub
        self._mailbox = mailbox
        self._chance = Random(f"{seed}/{number}")
        self._source = f"10.{number >> 8 & 255}.{number & 255}.7"
        self._pause = pause
        self._cookie = ""

    async def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, answer, cookie = await self._hub.ask(method, path, body, cookie=self._cookie, source=self._source)
        if cookie:
            self._cookie = cookie
        return status, answer

    async def _rest(self) -> None:
        await deferLater(self._hub.reactor, self._chance.uniform(0, 2 * self._pause))

    async def sign_in(self) -> None:
        """With the code from the mail; with another one when the answer to a good code was lost."""
        status = 0
        while status != 200:
            before = len(self._mailbox.texts_to(self.email))
            status, answer = await self._ask("POST", "/api/v1/sign-in/codes", {"email": self.email})
            assert status == 202, answer
            end = monotonic() + PATIENCE
            while len(texts := self._mailbox.texts_to(self.email)) == before:
                assert monotonic() < end, f"no code came to {self.email}"
                await deferLater(self._hub.reactor, 0.1)
            code = re.search(r"^ +(\d{6})$", texts[-1], re.MULTILINE)
            assert code
            status, answer = await self._ask("POST", "/api/v1/sign-in", {"email": self.email, "code": code[1]})
            if status != 200:
                self._hub.tally.failed(f"a code was not taken: {answer}")

    async def day(self, until: float, common: str) -> None:
        """Schedule, list, join, chat and write in the meeting `common` until then (monotonic)."""
        await self._join(common)  # from then on its minutes and chat are theirs too
        minutes = Minutes(self._hub, common, self._cookie, self._number)
        await minutes.open()
        try:
            for round in count():
                if monotonic() > until:
                    break
                await self._act(round, common, minutes)
                await self._rest()
        finally:
            await minutes.finish()
            self._hub.tally.promised_lines.setdefault(common, set()).update(minutes.acknowledged())

    async def _act(self, round: int, common: str, minutes: Minutes) -> None:
        minutes.write(f"line {round} of {self._number}")
        what = self._chance.choice((self._schedule, self._list, self._join, self._chat))
        await what(common)

    async def _schedule(self, common: str) -> None:
        invited = f"{token_hex(8)}@example.org"
        body = {
            "kind": "scheduled",
            "title": f"Meeting of {self._number}",
            "begin_at": "2031-11-23T14:00:00Z",
            "end_at": "2031-11-23T15:00:00Z",
            "zone": "Europe/Berlin",
            "invitees": [invited],
        }
        status, meeting = await self._ask("POST", "/api/v1/meetings", body)
        assert status == 201, meeting
        assert meeting["code"] not in self._hub.tally.promised_meetings
        self._hub.tally.promised_meetings[meeting["code"]] = self.email
        self._hub.tally.promised_invitations.add(invited)

    async def _list(self, common: str) -> None:
        status, answer = await self._ask("GET", "/api/v1/meetings?when=upcoming")
        assert status == 200, answer

    async def _join(self, common: str) -> None:
        status, answer = await self._ask("POST", f"/api/v1/meetings/{common}/join", {"device": "abcd1234"})
        assert status == 200, answer

    async def _chat(self, common: str) -> None:
        id = token_hex(16)
        status, answer = await self._ask("POST", f"/api/v1/meetings/{common}/chat", {"id": id, "text": "Hello"})
        assert status in (200, 201), answer
        self._hub.tally.promised_chat.setdefault(common, set()).add(id)

    async def instant(self) -> str:
        """The code of one's instant meeting."""
        _, meeting = await self._ask("POST", "/api/v1/meetings", {"kind": "instant"})
        return str(meeting["code"])

    async def kept(self, common: str) -> tuple[str, set[str]]:
        """The text of the minutes, and the ids of the chat's messages."""
        _, minutes = await self._ask("GET", f"/api/v1/meetings/{common}/minutes")
        chat: set[str] = set()
        page: str | None = f"/api/v1/meetings/{common}/chat?limit=200"
        while page is not None:
            _, found = await self._ask("GET", page)
            chat |= {message["id"] for message in found["messages"]}
            page = found["next"]
        return minutes["text"], chat


class Minutes:
    """Somebody's copy of the minutes, which connects again whenever it is thrown out."""

    def __init__(self, hub: Hub, code: str, cookie: str, number: int) -> None:
        self._hub = hub
        self._code = code
        self._cookie = cookie
        self.yjs = Client(number)
        self._writer: Writer | None = None
        self._is_over = False
        self._written: list[str] = []
        self._safe: set[str] = set()
        self._marks: list[tuple[Writer, int, str]] = []
        self.times_opened = 0

    async def open(self) -> None:
        """Connect, by whichever replica takes it."""
        end = monotonic() + PATIENCE
        while True:
            try:
                writer = await connect(self._hub.place, self._code, self._cookie, self.yjs)  # type: ignore[arg-type]
                break
            except (ConnectionError, ConnectionLost) as error:
                self._hub.tally.requests += 1
                self._hub.tally.failed(f"minutes: {error!r}"[:200])
                assert monotonic() < end, f"the minutes could not be opened: {error!r}"
                await deferLater(self._hub.reactor, PAUSE)
        self._writer = writer
        self.times_opened += 1
        writer.closed.addCallback(self._closed, writer)

    def _closed(self, code: int, writer: Writer) -> None:
        self._note(writer)
        if not self._is_over:
            self._writer = None
            Deferred.fromCoroutine(self.open())

    def _note(self, writer: Writer) -> None:
        """What this connection has acknowledged is safe."""
        self._safe |= {text for at, last, text in self._marks if at is writer and last <= self.yjs.durable}
        self._marks = [mark for mark in self._marks if mark[0] is not writer]

    def write(self, text: str) -> None:
        """A paragraph."""
        self._written.append(text)
        if self._writer is not None and self._writer.may_send and self.yjs.durable >= 1:
            self._writer.write(text)
            self._marks.append((self._writer, self._writer.sent, text))
        else:
            self.yjs.write(text)  # it goes with the next connection's first message

    def acknowledged(self) -> set[str]:
        """What the hub has said is durable."""
        return self._safe

    async def finish(self) -> None:
        """Wait until all that was written is durable, and leave."""
        await self._until(
            lambda: (w := self._writer) is not None and w.may_send and 1 <= self.yjs.durable == w.sent,
            "what was written was never acknowledged",
        )
        self._safe |= set(self._written)
        self._is_over = True
        assert self._writer is not None
        self._writer.sendClose(1000)
        await self._writer.closed

    async def _until(self, condition: Callable[[], bool], complaint: str) -> None:
        end = monotonic() + PATIENCE
        while not condition():
            assert monotonic() < end, complaint
            await deferLater(self._hub.reactor, 0.05)
