"""A whole hub in memory: its real HTTP server, its real database, a clock turned by hand, no socket and no thread.

A request goes in as bytes and its answer is there when the call returns, because the database's threads are replaced by
doing the work at once. The same hub over another engine runs the same tests (tests/integration).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport, StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from meeting.apiserver.options import Options
from meeting.apiserver.service import ApiServer
from meeting.daemon.secret import Secret, sign_request
from meeting.daemon.web import site
from tests.support import http
from tests.support.declared import Declared

SECRET = "a secret of the tests, long enough"
HOST = "meet.example.com"
ORIGIN = f"https://{HOST}"
#: Monday, 23 November 2026, 12:00 UTC.
NOON = 1_795_435_200.0
INSTANCE = "0123456789abcdef0123456789abcdef"


class InstantReactor(Clock):
    """A clock that is also where threads bring their results: at once."""

    def __init__(self, now: float = NOON) -> None:
        super().__init__()
        self.rightNow = now

    def callFromThread(self, work: Callable[..., object], *args: object, **kwargs: object) -> None:
        work(*args, **kwargs)


class InstantThreads:
    """Threads that do their work at once, in the thread that asks."""

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object] | None, func: Callable[..., object], *args: object, **kw: object
    ) -> None:
        assert onResult is not None
        try:
            result = func(*args, **kw)
        except BaseException:
            onResult(False, Failure())
        else:
            onResult(True, result)


@dataclass
class Outside:
    """One request that the hub made, as its other side saw it."""

    method: str
    url: str
    headers: Headers
    answered: Deferred[IResponse]
    body: bytes = b""

    def answer(self, code: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Answer it."""
        self.answered.callback(cast(IResponse, _Response(code, body, headers or {})))


@implementer(IResponse)
class _Response:
    version = (b"HTTP", 1, 1)
    phrase = b""
    request = None
    previousResponse = None

    def __init__(self, code: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.code = code
        self.headers = Headers({name: [value] for name, value in headers.items()})
        self.length = len(body)
        self._body = body

    def deliverBody(self, protocol: Protocol) -> None:
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(self._body)
        protocol.connectionLost(Failure(ResponseDone()))

    def setPreviousResponse(self, response: IResponse) -> None:
        """There are no redirects."""


@implementer(IAgent)
class FakeAgent:
    """The world outside the hub. Keeps a diary; answers at once what `answers` holds for a URL without its query, or
    what the service of that URL makes of the body.
    """

    def __init__(self) -> None:
        self.diary: list[Outside] = []
        self.services: dict[str, Callable[[bytes], tuple[int, bytes]]] = {}
        self.answers: dict[str, tuple[int, bytes] | tuple[int, bytes, Mapping[str, str]]] = {}

    @property
    def open(self) -> list[Outside]:
        """The requests that have not been answered."""
        return [asked for asked in self.diary if not asked.answered.called]

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        sent = StringTransport()
        if bodyProducer is not None:
            bodyProducer.startProducing(sent)
        asked = Outside(method.decode(), uri.decode(), headers or Headers(), Deferred(), sent.value())
        self.diary.append(asked)
        found = self.answers.get(asked.url.partition("?")[0])
        service = self.services.get(asked.url.partition("?")[0])
        if found is not None:
            asked.answer(*found)
        elif service is not None:
            # treq's producer needs a running reactor to hand out what it holds.
            body: bytes = cast(Any, bodyProducer)._inputFile.getvalue()
            asked.answer(*service(body))
        return asked.answered


class Answer(http.Answer):
    """An HTTP answer, which may be a problem."""

    @property
    def problem(self) -> str:
        """The last part of the problem's type; it must be one."""
        assert self.headers["Content-Type"] == "application/problem+json", (self.status, self.body)
        return str(self.json["type"]).rpartition(":")[2]


class Hub:
    """An apiserver, spoken to by HTTP."""

    def __init__(self, arguments: list[str], threads: InstantThreads | None = None) -> None:
        self.clock = InstantReactor()
        self.agent = FakeAgent()
        options = Options()
        options.parseOptions(["--secret", SECRET, "--domainaddress", f"{HOST}:443", *arguments])
        self.server = ApiServer(options, self.clock, agent=self.agent, threads=threads or InstantThreads())
        self.site = site(self.server.resource, self.clock, log_access=False)
        self.secret = Secret(SECRET)
        self._connections: list[http.Connection] = []
        self._declared = Declared(self.server.api.routes)

    def start(self) -> "Hub":
        self.server.startService()
        assert self.server.database.ready, self.server.database.trouble
        return self

    def stop(self) -> None:
        stopped = self.server.stopService()
        assert stopped.called
        for connection in self._connections:
            if not connection.is_closed:
                connection.transport.loseConnection()
        assert not self.clock.getDelayedCalls(), self.clock.getDelayedCalls()

    def sql(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a transaction and give back what it returns."""
        results: list[Any] = []
        Deferred.fromCoroutine(self.server.database.run(function, *args)).addBoth(results.append)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def send(self, raw: bytes, source: str = "192.0.2.1") -> StringTransportWithDisconnection:
        """Bytes into a new connection; what comes back is in the transport."""
        return self._connect(raw, source).transport

    def _connect(self, raw: bytes, source: str) -> http.Connection:
        connection = http.Connection(self.site, source)
        self._connections.append(connection)
        connection.send(raw)
        return connection

    def begin(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], source: str = "192.0.2.1"
    ) -> Callable[[], Answer]:
        """Send a request; what is returned gives the answer, once it is there."""
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        raw = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
        connection = self._connect(raw, source)

        def answer() -> Answer:
            found = connection.answer(method)
            complaint = self._declared.complaint(method, path, found.status)
            assert complaint is None, complaint
            return Answer(found.status, found.headers, found.body)

        return answer

    def request(self, method: str, path: str, *, json_body: Any = None, **more: Any) -> Answer:
        """One request as a daemon or a stranger makes it: no cookie, no Origin."""
        self.clock.advance(0.001)  # time passes, if only a little: what is newest can be told
        headers = {"Host": HOST, **more.pop("headers", {})}
        body = more.pop("body", b"")
        if json_body is not None:
            body = json.dumps(json_body).encode()
            headers.setdefault("Content-Type", "application/json")
        return self.begin(method, path, body, headers, **more)()

    def daemon(self, method: str, path: str, body: Any, kind: str = "sfu", secret: Secret | None = None) -> Answer:
        """A signed request."""
        data = json.dumps(body).encode()
        signature = sign_request(secret or self.secret, kind, method, path, data, self.clock.seconds())
        return self.request(
            method, path, body=data, headers={"Authorization": signature, "Content-Type": "application/json"}
        )

    def beat(self, kind: str, address: str, *, load: float = 0.0, **more: Any) -> Answer:
        """A heartbeat of a server."""
        scheme = "turn:" if kind == "turn" else "https://"
        beat: dict[str, Any] = {
            "kind": kind,
            "address": address,
            "url": scheme + address,
            "instance": INSTANCE,
            "version": "0.1.0",
        }
        beat |= {"state": "ready", "load": load, "media": [], "details": {}, **more}
        return self.daemon("POST", "/api/v1/daemons/heartbeat", beat, kind)

    def browser(self, source: str = "192.0.2.1") -> "Browser":
        return Browser(self, source)

    def mails(self) -> list[dict[str, str]]:
        """The demo's mailbox, newest first."""
        mails: list[dict[str, str]] = self.request("GET", "/api/v1/demo/mails").json["mails"]
        return mails

    def code_for(self, email: str) -> str:
        """The code in the newest mail to an address."""
        text = next(mail["text"] for mail in self.mails() if mail["to"] == email)
        found = re.search(r"^ +(\d{6})$", text, re.MULTILINE)
        assert found
        return found[1]

    def sign_in(self, email: str, source: str = "192.0.2.1") -> "Browser":
        """A browser in which somebody has just signed in."""
        browser = self.browser(source)
        assert browser.post("/api/v1/sign-in/codes", {"email": email}).status == 202
        assert browser.post("/api/v1/sign-in", {"email": email, "code": self.code_for(email)}).status == 200
        return browser


@dataclass
class Browser:
    """A browser on a page of the hub: it has cookies and says where its requests come from."""

    hub: Hub
    source: str = "192.0.2.1"
    cookies: dict[str, str] = field(default_factory=dict)
    origin: str | None = ORIGIN

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.origin is not None and method != "GET":
            headers["Origin"] = self.origin
        answer = self.hub.request(method, path, json_body=body, headers=headers, source=self.source)
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.request("POST", path, body)

    def patch(self, path: str, body: Any) -> Answer:
        return self.request("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.request("DELETE", path)

    def instant(self) -> dict[str, Any]:
        """One's instant meeting."""
        meeting: dict[str, Any] = self.post("/api/v1/meetings", {"kind": "instant"}).json
        return meeting

    def schedule(self, **more: Any) -> dict[str, Any]:
        """A meeting from 14:00 to 15:00 UTC."""
        body = {"kind": "scheduled", "title": "Plans", "begin_at": "2026-11-23T14:00:00Z"}
        body |= {"end_at": "2026-11-23T15:00:00Z", "zone": "Europe/Berlin", **more}
        answer = self.post("/api/v1/meetings", body)
        assert answer.status == 201, answer.body
        meeting: dict[str, Any] = answer.json
        return meeting


#: The fixture `make_hub`: a started hub with further options.
MakeHub = Callable[..., Hub]


def sqlite_hub(directory: Path, *arguments: str) -> Hub:
    """A demo's hub over SQLite in a directory; not started."""
    return Hub(["--demo", "--stateDirectory", str(directory), *arguments])


def empty_tables(transaction: Connection) -> None:
    """Forget everything, keep the schema."""
    from meeting.apiserver.migrations import schema

    for table in reversed(schema().sorted_tables):
        transaction.execute(table.delete())
