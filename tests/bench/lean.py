"""A participant that costs next to nothing: it signals as LiveKit's clients do, and decodes no media.

Its signalling is in this process; ICE, DTLS and SRTP of all of them together are in one process of the load generator,
`meeting-load peers`. So what is measured is the server.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from livekit.protocol.rtc import LeaveRequest, SessionDescription, SignalRequest, SignalResponse
from twisted.internet.interfaces import IAddress

from meeting.dataplane.certificate import make_certificate

PATIENCE = 20.0
"""Seconds until the load generator has to have ended."""


class Peers:
    """The process that has everybody's peer connections."""

    def __init__(self, process: asyncio.subprocess.Process, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        """As a=fingerprint tells it; all peers show one certificate."""
        self._process = process
        self._people: dict[str, LeanPerson] = {}

    def connect(self, person: LeanPerson, address: str, ufrag: str, password: str, fingerprint: str) -> None:
        self._people[person.identity] = person
        self._say(f"connect {person.identity} {address} {ufrag} {password} {fingerprint}")

    def close(self, person: LeanPerson) -> None:
        self._people.pop(person.identity, None)
        self._say(f"close {person.identity}")

    def _say(self, order: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n".encode())

    async def listen(self) -> None:
        """Until the process ends."""
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode():
            what, identity, *_ = line.split()
            if identity in self._people:
                self._people[identity].happened(what)


@asynccontextmanager
async def peers(binary: Path) -> AsyncIterator[Peers]:
    """Runs the load generator."""
    identity = make_certificate(time.time())
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate.der"), Path(folder, "key.der")
        certificate.write_bytes(identity.certificate)
        key.write_bytes(identity.key)
        process = await asyncio.create_subprocess_exec(
            binary,
            "peers",
            f"certificate={certificate}",
            f"key={key}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        digest = hashlib.sha256(identity.certificate).digest().hex(":").upper()
        everybody = Peers(process, f"sha-256 {digest}")
        listening = asyncio.ensure_future(everybody.listen())
        try:
            yield everybody
        finally:
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(PATIENCE):
                await process.wait()
            await listening


class LeanPerson(WebSocketClientProtocol):
    """Joins by /rtc with the server's offer; what happened, and when, stands in `times`."""

    def __init__(self, identity: str, peers: Peers) -> None:
        super().__init__()
        self.identity = identity
        self.times: dict[str, float] = {}
        """joined, connected, media, gone → seconds since the WebSocket was asked for."""
        self.messages = 0
        self._peers = peers
        self.began = time.monotonic()
        """When the WebSocket was asked for."""
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._transport_known = False

    def happened(self, what: str) -> None:
        self.times.setdefault(what, time.monotonic() - self.began)
        waiting = self._waiting.pop(what, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def until(self, what: str) -> None:
        if what not in self.times:
            await self._waiting.setdefault(what, asyncio.get_running_loop().create_future())

    async def leave(self) -> None:
        """Says goodbye and waits until the server has closed the socket."""
        goodbye = SignalRequest(leave=LeaveRequest())
        self.sendMessage(goodbye.SerializeToString(), isBinary=True)
        self._peers.close(self)
        await self.until("gone")

    # What autobahn tells

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.messages += 1
        response = SignalResponse.FromString(payload)
        match response.WhichOneof("message"):
            case "join":
                self.happened("joined")
            case "offer":
                self._answer(response.offer)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.happened("gone")

    def _answer(self, offer: SessionDescription) -> None:
        lines = offer.sdp.split("\r\n")
        if not self._transport_known:
            self._transport_known = True
            self._peers.connect(self, *_transport(lines))
        answer = "\r\n".join(_answered(lines, self._peers.fingerprint))
        request = SignalRequest(answer=SessionDescription(type="answer", sdp=answer, id=offer.id))
        self.sendMessage(request.SerializeToString(), isBinary=True)


def _transport(lines: list[str]) -> tuple[str, str, str, str]:
    """(address, ufrag, password, fingerprint) of an offer."""
    said = dict(line[2:].split(":", 1) for line in reversed(lines) if line.startswith("a=") and ":" in line)
    words = said["candidate"].split()
    return f"{words[4]}:{words[5]}", said["ice-ufrag"], said["ice-pwd"], said["fingerprint"]


def _answered(lines: list[str], fingerprint: str) -> Iterator[str]:
    """The offer, taken as it is."""
    instead = {
        "a=setup": "a=setup:active",
        "a=ice-ufrag": "a=ice-ufrag:lean",
        "a=ice-pwd": "a=ice-pwd:nobody+checks+a+client+of+ice+lite",
        "a=fingerprint": f"a=fingerprint:{fingerprint}",
        "a=sendonly": "a=recvonly",
    }
    left_out = ("a=ice-lite", "a=candidate", "a=end-of-candidates", "a=msid", "a=ssrc", "a=ssrc-group")
    for line in lines:
        name = line.partition(":")[0]
        if name not in left_out:
            yield instead.get(name, line)


class _For(WebSocketClientFactory):
    """Of one person's only socket."""

    def __init__(self, person: LeanPerson, url: str, reactor: Any) -> None:
        super().__init__(url, reactor=reactor)
        self._person = person

    def buildProtocol(self, addr: IAddress | None) -> Any:
        self._person.factory = self
        return self._person


def join(url: str, token: str, identity: str, peers: Peers) -> LeanPerson:
    """Asks for the WebSocket; the person answers by itself from then on."""
    from twisted.internet import reactor as any_reactor

    reactor: Any = any_reactor
    person = LeanPerson(identity, peers)
    factory = _For(person, f"{url}/rtc?access_token={token}&protocol=16&auto_subscribe=1", reactor)
    reactor.connectTCP(factory.host, factory.port, factory)
    return person
