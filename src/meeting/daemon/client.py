"""HTTP from one daemon to another: signed requests, checked certificates, bounded answers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from OpenSSL import SSL
from pydantic import BaseModel
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IReactorTime
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from meeting.daemon.errors import ConfigurationError, MeetingError
from meeting.daemon.secret import Secret, sign_request

LARGEST_ANSWER = 64 << 10


class Unreachable(MeetingError):
    """Another daemon did not answer: no connection, no answer in time, or one that is too long."""

    status = 502
    problem = "unreachable"
    title = "Another server does not answer."


class _Context(Protocol):
    """The parts of `OpenSSL.SSL.Context` that trust is set with."""

    def set_default_verify_paths(self) -> None: ...
    def load_verify_locations(self, cafile: str) -> None: ...


def agent_for(reactor: Any, ca_files: Sequence[Path | str] = ()) -> IAgent:
    """An agent that trusts the system's roots and `ca_files`, and checks names (service-identity)."""
    pool = HTTPConnectionPool(reactor)
    pool.cachedConnectionTimeout = 15  # shorter than Limits.idle: it is never the server who closes first
    return Agent(reactor, contextFactory=_Policy(ca_files), connectTimeout=10, pool=pool)


def trusting(ca_files: Sequence[Path | str] = ()) -> IPolicyForHTTPS:
    """The same trust, for an agent that is made in another way."""
    return _Policy(ca_files)


def body_of(data: bytes) -> IBodyProducer:
    """What an agent sends as a body, from bytes that are in memory already."""
    return _Body(data)


def discard(response: IResponse) -> None:
    """Let an answer's body go, where only the status counts."""
    response.deliverBody(_Unread())


def tls_for(hostname: str, ca_files: Sequence[Path | str] = ()) -> IOpenSSLClientConnectionCreator:
    """The same trust for a connection that is not HTTP: what `wrapClientTLS` takes."""
    return optionsForClientTLS(hostname, trustRoot=_Roots(ca_files))


class DaemonClient:
    """Sends requests signed as `kind` (docs/protocols/tokens.md)."""

    def __init__(
        self, agent: IAgent, secret: Secret, kind: str, clock: IReactorTime, *, largest: int = LARGEST_ANSWER
    ) -> None:
        """`clock.seconds()` has to be Unix time, as every real reactor's is. `largest`: of an answer, bytes."""
        self._agent = agent
        self._secret = secret
        self._kind = kind
        self._clock = clock
        self._largest = largest

    async def get(self, url: str, *, timeout: float = 10) -> tuple[int, Any]:
        """Status and decoded JSON (None when there is none). Raises Unreachable."""
        return await self.request("GET", url, timeout=timeout)

    async def post(self, url: str, *, json: Any = None, timeout: float = 10) -> tuple[int, Any]:
        """The same, with a body: a pydantic model or what the json module takes."""
        return await self.request("POST", url, json=json, timeout=timeout)

    async def delete(self, url: str, *, json: Any = None, timeout: float = 10) -> tuple[int, Any]:
        """The same, to take something back."""
        return await self.request("DELETE", url, json=json, timeout=timeout)

    async def request(self, method: str, url: str, *, json: Any = None, timeout: float = 10) -> tuple[int, Any]:
        """One signed request. `timeout` (seconds) covers everything from the connection to the last byte."""
        status, _, answer = await self.exchange(method, url, json=json, timeout=timeout)
        return status, answer

    async def exchange(
        self, method: str, url: str, *, json: Any = None, timeout: float = 10
    ) -> tuple[int, Headers, Any]:
        """As `request`, and the answer's headers with it."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = _encoded(json)
        signature = sign_request(self._secret, self._kind, method, path, body, self._clock.seconds())
        return await exchange(
            self._agent, self._clock, method, url, signature, body=body, timeout=timeout, largest=self._largest
        )


async def exchange(
    agent: IAgent,
    clock: IReactorTime,
    method: str,
    url: str,
    authorization: str,
    *,
    body: bytes = b"",
    content_type: str = "application/json",
    timeout: float = 10,
    largest: int = LARGEST_ANSWER,
) -> tuple[int, Headers, Any]:
    """One request with a body, or none: status, headers and decoded JSON (None when there is none).

    `timeout` (seconds) covers everything from the connection to the last byte; `largest` is in bytes.
    Raises Unreachable.
    """
    under_way = Deferred.fromCoroutine(_exchange(agent, method, url, authorization, body, content_type, largest))
    late = clock.callLater(timeout, under_way.cancel)
    try:
        return await under_way
    except MeetingError:
        raise
    except CancelledError:
        raise Unreachable(f"{_place(url)} did not answer within {timeout:g} s.") from None
    except Exception as error:
        raise Unreachable(f"{_place(url)}: {_reason(error)}") from error
    finally:
        if late.active():
            late.cancel()


async def _exchange(
    agent: IAgent, method: str, url: str, authorization: str, body: bytes, content_type: str, largest: int
) -> tuple[int, Headers, Any]:
    headers = Headers({"User-Agent": ["meeting"], "Accept": ["application/json"]})
    if authorization:
        headers.setRawHeaders("Authorization", [authorization])
    if body:
        headers.setRawHeaders("Content-Type", [content_type])
    response: IResponse = await agent.request(
        method.encode("ascii"), url.encode("ascii"), headers, _Body(body) if body else None
    )
    return response.code, response.headers, _decoded(await _read(response, url, largest))


@implementer(IPolicyForHTTPS)
class _Policy:
    """Which certificates `Agent` accepts."""

    def __init__(self, ca_files: Sequence[Path | str]) -> None:
        self._roots = _Roots(ca_files)

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        return optionsForClientTLS(hostname.decode("ascii"), trustRoot=self._roots)


@implementer(IOpenSSLTrustRoot)
class _Roots:
    """The system's roots and our own files. Twisted has no public name for the interface, nor a class for both."""

    def __init__(self, ca_files: Sequence[Path | str]) -> None:
        self._ca_files = [str(file) for file in ca_files]
        # A file that cannot be used is told at the start, not at the first request.
        self._addCACertsToContext(SSL.Context(SSL.TLS_METHOD))

    def _addCACertsToContext(self, context: _Context) -> None:
        context.set_default_verify_paths()
        for file in self._ca_files:
            try:
                context.load_verify_locations(file)
            except SSL.Error:
                raise ConfigurationError(f"--ca {file}: is not readable as certificates (PEM)") from None


class _Unread(TwistedProtocol):
    """Closes the connection instead of reading."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


@implementer(IBodyProducer)
class _Body:
    """A body that is in memory already."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._body)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:
        """All is written at once."""

    def resumeProducing(self) -> None:
        """All is written at once."""

    def stopProducing(self) -> None:
        """All is written at once."""


class _Reader(TwistedProtocol):
    """Collects a body up to a limit."""

    def __init__(self, url: str, largest: int) -> None:
        self._url = url
        self._largest = largest
        self._data = bytearray()
        self.done: Deferred[bytes] = Deferred(lambda _: self._stop())

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > self._largest:
            self._end(Unreachable(f"{_place(self._url)} answered with more than {self._largest} bytes."))
            self._stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(bytes(self._data) if reason.check(ResponseDone) else reason)

    def _end(self, result: Any) -> None:
        if not self.done.called:
            (self.done.callback if isinstance(result, bytes) else self.done.errback)(result)

    def _stop(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


async def _read(response: Any, url: str, largest: int) -> bytes:
    if response.length is not UNKNOWN_LENGTH and response.length > largest:
        raise Unreachable(f"{_place(url)} answered with more than {largest} bytes.")
    reader = _Reader(url, largest)
    response.deliverBody(reader)
    return await reader.done


def _encoded(value: Any) -> bytes:
    if value is None:
        return b""
    return (value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value)).encode()


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None


def _place(url: str) -> str:
    """Whom we asked, without the query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _reason(error: Exception) -> str:
    """The innermost reason: Twisted wraps connection failures in lists of failures."""
    reasons = getattr(error, "reasons", None)
    if reasons:
        return _reason(reasons[0].value)
    return str(error) or type(error).__name__
