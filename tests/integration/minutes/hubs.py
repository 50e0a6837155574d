"""A hub as a process, people signed in at it, and Yjs clients on real WebSockets."""

import json
import re
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.support.processes import SECRET, Daemon, free_port
from tests.unit.minutes.yclient import Client


class Hub:
    """`meeting apiserver --config …` over SQLite, in demo mode so that the mails can be read."""

    def __init__(self, directory: Path, **settings: object) -> None:
        (directory / "secret").write_text(SECRET)
        self._home = directory
        self.port = free_port()
        self.origin = f"http://localhost:{self.port}"
        self._settings: dict[str, object] = {
            "domainaddress": f"localhost:{self.port}",
            "plainHttp": f"127.0.0.1:{self.port}",
            "publicUrl": self.origin,
            "stateDirectory": str(directory),
            "demo": True,
            **settings,
        }

    def start(self) -> None:
        self.daemon = Daemon("apiserver", self._home, self._settings)
        self.daemon.start()
        self.daemon.wait_until_ready()

    def kill(self) -> None:
        """kill -9."""
        self.daemon.kill()

    def request(self, method: str, path: str, body: Any = None, cookie: str = "") -> tuple[int, Any, str]:
        """Status, JSON and the cookie that was set."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Origin": self.origin, "Cookie": cookie}
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read()
        set_cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        connection.close()
        return answer.status, json.loads(text) if text else None, set_cookie

    def sign_in(self, email: str) -> str:
        """The session's cookie."""
        assert self.request("POST", "/api/v1/sign-in/codes", {"email": email})[0] == 202
        mails = self.request("GET", "/api/v1/demo/mails")[1]["mails"]
        text = next(mail["text"] for mail in mails if mail["to"] == email)
        code = re.search(r"^ +(\d{6})$", text, re.MULTILINE)
        assert code
        status, _, cookie = self.request("POST", "/api/v1/sign-in", {"email": email, "code": code[1]})
        assert status == 200
        return cookie

    def instant(self, cookie: str) -> str:
        """The code of one's instant meeting."""
        return str(self.request("POST", "/api/v1/meetings", {"kind": "instant"}, cookie)[1]["code"])

    def minutes(self, code: str, cookie: str) -> str:
        """The text, as it is kept."""
        return str(self.request("GET", f"/api/v1/meetings/{code}/minutes", cookie=cookie)[1]["text"])


class Writer(WebSocketClientProtocol):
    """A person with the minutes open: `yjs` is their copy."""

    def __init__(self, yjs: Client) -> None:
        super().__init__()
        self.yjs = yjs
        self.opened: Deferred[None] = Deferred()
        self.closed: Deferred[int] = Deferred()
        self.sent = 0
        self.may_send = False

    def onOpen(self) -> None:
        self.may_send = True
        self.yjs.durable = 0
        self.yjs.out.clear()
        self.yjs.hello()
        self.say_all()
        self.opened.callback(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.yjs.hear(payload)
        self.say_all()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.may_send = False
        if not self.opened.called:
            self.opened.errback(ConnectionError(str(reason)))
        self.closed.callback(code or 0)

    def say_all(self) -> None:
        """Send what the copy has to say."""
        frames, self.yjs.out = self.yjs.out, []
        for frame in frames:
            self.sent += frame[0] == 0 and frame[1] in (1, 2)
            if self.may_send:
                self.sendMessage(frame, isBinary=True)

    def write(self, text: str) -> None:
        self.yjs.write(text)
        self.say_all()


async def connect(hub: Hub, code: str, cookie: str, yjs: Client, **headers: str) -> Writer:
    """Open the minutes. Raises ConnectionError when the hub refuses."""
    from twisted.internet import reactor

    url = f"ws://localhost:{hub.port}/api/v1/meetings/{code}/minutes/sync/{code}"
    factory = WebSocketClientFactory(
        url, origin=headers.pop("origin", hub.origin), headers={"Cookie": cookie, **headers}
    )
    writer = Writer(yjs)
    factory.protocol = lambda: writer  # type: ignore[assignment]
    factory.setProtocolOptions(openHandshakeTimeout=30)  # a browser waits, too
    reactor.connectTCP("127.0.0.1", hub.port, factory)
    await writer.opened
    return writer


async def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    """Wait for something that other processes do."""
    from twisted.internet import reactor

    end = monotonic() + within
    while not condition():
        assert monotonic() < end, "it did not happen in time"
        await deferLater(reactor, 0.02)


def is_in_step(writer: Writer) -> bool:
    """Whether the hub has taken its step 2."""
    return writer.yjs.durable >= 1
