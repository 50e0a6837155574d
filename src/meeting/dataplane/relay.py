"""The relay of a TURN server: commands to its threads, requests from them (docs/protocols/dataplane.md, "Relay")."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger
from zope.interface import implementer

from meeting.dataplane import freshness
from meeting.dataplane.errors import LimitReached
from meeting.dataplane.events import EventReader
from meeting.dataplane.interfaces import IRelay, IRelayAllocation, IRelayListener
from meeting.dataplane.values import RelayClient, RelayCounters, RelayLimits, RelayPort, StreamLimits

if TYPE_CHECKING:
    from meeting.dataplane import _native

__all__ = ["Relay"]


@implementer(IRelay)
class Relay:
    """The real one. Nothing is open and no thread runs before `start()`: threads do not survive twistd's fork."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        *,
        listen: Sequence[tuple[str, int]],
        dtls: Sequence[tuple[str, int]] = (),
        streams: Sequence[tuple[str, int, bool]] = (),
        relay: Sequence[str],
        ports: tuple[int, int],
        realm: str,
        limits: RelayLimits | None = None,
        stream_limits: StreamLimits | None = None,
        workers: int = 1,
    ) -> None:
        """`listen`: where clients come to by UDP; `dtls`: where by DTLS; `streams`: where by TCP, and whether with
        TLS. `relay`: local addresses for relay sockets, at most one a family.
        """
        self._reactor = IReactorFDSet(reactor)
        self._listen = list(listen)
        self._dtls = list(dtls)
        self._streams = list(streams)
        self._stream_limits = stream_limits or StreamLimits()
        self._certificate: tuple[bytes, bytes] | None = None
        self._relay = list(relay)
        self._ports = ports
        self._realm = realm
        self._limits = limits or RelayLimits()
        self._workers = workers
        self._ids = count(1)
        self._engine: _native.Relay | None = None
        self._events: EventReader | None = None
        self.addresses: Sequence[tuple[str, int]] = ()

    def start(self, listener: IRelayListener) -> None:
        """Open the sockets, start the threads."""
        from meeting.dataplane import _native

        freshness.check(_native.SOURCE_HASH)
        self._engine = _native.Relay(
            listen=self._listen,
            dtls=self._dtls,
            streams=self._streams,
            limits={
                "connections": self._stream_limits.connections,
                "per_source": self._stream_limits.per_source,
                "half_open": self._stream_limits.half_open,
                "handshake": _milliseconds(self._stream_limits.handshake),
                "idle": _milliseconds(self._stream_limits.idle),
                "queue": self._stream_limits.queue,
                "stuck": _milliseconds(self._stream_limits.stuck),
                "peers": self._stream_limits.peers,
                "peers_of_one": self._stream_limits.peers_of_one,
                "connect": _milliseconds(self._stream_limits.connect),
            },
            relay=self._relay,
            ports=self._ports,
            workers=self._workers,
            events=self._limits.events,
            realm=self._realm,
            nonce_key=os.urandom(32),
            nonce_lifetime=self._limits.nonce_seconds,
            challenges_per_second=self._limits.challenges_per_second,
            requests_per_second=self._limits.requests_per_second,
            allocation_rate=self._limits.allocation_bytes_per_second,
            total_rate=self._limits.bytes_per_second,
        )
        if self._certificate is not None:
            self._engine.set_certificate(*self._certificate)
        self.addresses = self._engine.addresses()
        self._events = EventReader(self._engine.fileno(), self._engine.take_events, partial(self._hear, listener))
        self._reactor.addReader(self._events)

    def _hear(self, listener: IRelayListener, event: tuple[Any, ...]) -> None:
        # One event that cannot be dealt with must not take the rest of the batch along.
        try:
            match event:
                case "request", client, data:
                    listener.request(RelayClient(*client), data)
                case "gone", client:
                    listener.gone(RelayClient(*client))
                case "attempt", client, connection, host, port:
                    listener.attempt(RelayClient(*client), connection, host, port)
                case "made", connection, made:
                    listener.made(connection, made)
                case "ended", connection:
                    listener.ended(connection)
                case "trouble", text:
                    listener.trouble(text)
        except Exception:
            self._log.failure("an event of the relay could not be dealt with")

    def allocate(
        self,
        client: RelayClient,
        seconds: float,
        *,
        ipv6: bool = False,
        wanted: RelayPort = "any",
        kept: int | None = None,
        tcp: bool = False,
    ) -> IRelayAllocation:
        """Open a relay socket."""
        if self._engine is None:
            raise LimitReached("the relay is closed")
        id = next(self._ids)
        try:
            if tcp:
                port = self._engine.allocate_tcp(client, id, ipv6, _milliseconds(seconds))
            else:
                port = self._engine.allocate(client, id, ipv6, wanted, kept, _milliseconds(seconds))
        except (OSError, ValueError) as error:
            raise LimitReached(f"no relay socket: {error}") from error
        return _Allocation(self._engine, client.worker, id, port)

    def is_stream(self, client: RelayClient) -> bool:
        """Whether a client came by TCP or TLS."""
        return client.listener >= len(self._listen) + len(self._dtls)

    def join(self, connection: int, client: RelayClient) -> bool:
        """A client has come for a connection that waits."""
        return self._engine is not None and self._engine.join(connection, client)

    def hang_up(self, connection: int, client: RelayClient) -> None:
        """End a connection."""
        if self._engine is not None:
            self._engine.hang_up(client.worker, connection)

    def forget_kept(self, port: int, *, ipv6: bool = False) -> None:
        """Nobody came for the port that was kept."""
        if self._engine is not None:
            self._engine.forget_kept(ipv6, port)

    def set_certificate(self, chain: bytes, key: bytes) -> None:
        """For the TLS and DTLS handshakes to come."""
        self._certificate = (chain, key)
        if self._engine is not None:
            self._engine.set_certificate(chain, key)

    def answer(self, client: RelayClient, data: bytes) -> None:
        """Send a message to a client."""
        if self._engine is not None:
            self._engine.answer(client, data)

    def counters(self) -> RelayCounters:
        """The totals."""
        totals, dropped = ({}, {}) if self._engine is None else self._engine.counters()
        return RelayCounters(totals, dropped)

    async def close(self) -> None:
        """End all allocations and threads."""
        engine, self._engine = self._engine, None
        events, self._events = self._events, None
        if events is not None:
            self._reactor.removeReader(events)
        if engine is not None:
            engine.close()


@implementer(IRelayAllocation)
class _Allocation:
    def __init__(self, engine: _native.Relay, worker: int, id: int, port: int) -> None:
        self._engine = engine
        self._worker = worker
        self.id = id
        self.port = port

    def refresh(self, seconds: float) -> None:
        self._engine.refresh(self._worker, self.id, _milliseconds(seconds))

    def permit(self, host: str, seconds: float, *, ports: Collection[int] | None = None) -> None:
        allowed = None if ports is None else sorted(ports)
        self._engine.permit(self._worker, self.id, host, allowed, _milliseconds(seconds))

    def bind(self, channel: int, host: str, port: int, seconds: float) -> None:
        self._engine.bind(self._worker, self.id, channel, host, port, _milliseconds(seconds))

    def dial(self, host: str, port: int) -> int:
        return self._engine.dial(self._worker, self.id, host, port)

    def move(self, client: RelayClient) -> bool:
        moved = self._engine.hand_over(self._worker, self.id, client)
        self._worker = client.worker
        return moved

    def close(self) -> None:
        self._engine.delete(self._worker, self.id)


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
