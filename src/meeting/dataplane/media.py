"""The SFU's side of the data plane: Port, Link, Source, Sink over the native library.

The handles hold an id and nothing else that matters; the state is in Rust. Events come in batches when the reactor
finds the library's descriptor readable, and are handed to the listener one by one.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet import threads
from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger
from zope.interface import implementer

from meeting.dataplane import freshness
from meeting.dataplane.errors import LimitReached
from meeting.dataplane.events import EventReader
from meeting.dataplane.interfaces import ILink, IPort, IPortListener, ISink, ISource
from meeting.dataplane.statistics import from_rows
from meeting.dataplane.values import Certificate, Codec, Kind, PortLimits, PortStatistics

if TYPE_CHECKING:
    from meeting.dataplane import _native

__all__ = ["Link", "Port", "Sink", "Source"]

_ids = itertools.count(1)


def _congestion(codecs: Sequence[Codec]) -> int:
    """Which feedback the sender wants; transport-wide where both were agreed, as browsers prefer it."""
    if any(codec.transport_cc for codec in codecs):
        return 1
    return 2 if any(codec.remb for codec in codecs) else 0


def _fingerprint(certificate: Certificate) -> str:
    return "sha-256 " + hashlib.sha256(certificate.certificate).digest().hex(":").upper()


@implementer(ISource)
class Source:
    """See ISource."""

    def __init__(self, port: Port, link: Link) -> None:
        self.id: int = next(_ids)
        self.link = link
        self._port = port

    def __repr__(self) -> str:
        return f"<Source {self.id} of {self.link!r}>"

    def request_key_frame(self) -> None:
        """See ISource."""
        self._port._do(lambda native: native.request_key_frame(self.id))

    def close(self) -> None:
        """See ISource."""
        if self._port._sources.pop(self.id, None) is not None:
            self.link._sources.discard(self.id)
            self._port._do(lambda native: native.close_source(self.id))


@implementer(ISink)
class Sink:
    """See ISink."""

    def __init__(self, port: Port, link: Link) -> None:
        self.id: int = next(_ids)
        self.link = link
        self._port = port

    def __repr__(self) -> str:
        return f"<Sink {self.id} of {self.link!r}>"

    def feed(
        self,
        *sources: ISource,
        screen: bool = False,
        size: int = 0,
        spatial: int | None = None,
        frame_rate: int | None = None,
    ) -> None:
        """See ISink."""
        ids = [source.id for source in sources]
        area = min(size, 2**32 - 1)
        self._port._do(lambda native: native.feed(self.id, ids, screen, area, spatial, frame_rate))

    def close(self) -> None:
        """See ISink."""
        self._port._do(lambda native: native.close_sink(self.id))


@implementer(ILink)
class Link:
    """See ILink."""

    def __init__(self, port: Port) -> None:
        self.id: int = next(_ids)
        self._port = port
        self._sources: set[int] = set()

    def __repr__(self) -> str:
        return f"<Link {self.id}>"

    def set_remote(self, *, fingerprint: str, ufrag: str) -> None:
        """See ILink. An ICE-lite agent sends no checks, so `ufrag` is not needed for anything yet."""
        self._port._do(lambda native: native.set_remote(self.id, fingerprint))

    def configure(self, *, codecs: Sequence[Codec], extensions: Mapping[str, int]) -> None:
        """See ILink."""
        rows = [
            (
                codec.payload_type,
                codec.name,
                codec.clock_rate,
                codec.rtx_payload_type,
                codec.nack,
                codec.pli,
            )
            for codec in codecs
        ]
        congestion = _congestion(codecs)
        self._port._do(lambda native: native.configure(self.id, rows, list(extensions.items()), congestion))

    def add_source(
        self,
        *,
        mid: str,
        kind: Kind,
        rid: str | None = None,
        ssrc: int | None = None,
        rtx_ssrc: int | None = None,
    ) -> Source:
        """See ILink."""
        source = Source(self._port, self)
        ssrcs = [known for known in (ssrc, rtx_ssrc) if known is not None]
        self._port._do(lambda native: native.add_source(self.id, source.id, mid, kind is Kind.VIDEO, rid, ssrcs))
        self._port._remember(source)
        return source

    def add_sink(
        self,
        *,
        mid: str,
        kind: Kind,
        ssrc: int,
        rtx_ssrc: int | None,
        payload_types: Mapping[int, int],
        rtx_payload_types: Mapping[int, int],
        extensions: Mapping[str, int],
    ) -> Sink:
        """See ILink."""
        sink = Sink(self._port, self)
        self._port._do(
            lambda native: native.add_sink(
                self.id,
                sink.id,
                mid,
                kind is Kind.VIDEO,
                ssrc,
                rtx_ssrc,
                list(payload_types.items()),
                list(rtx_payload_types.items()),
                list(extensions.items()),
            )
        )
        return sink

    def open_channel(
        self,
        label: str,
        *,
        ordered: bool = True,
        max_retransmits: int | None = None,
        negotiated: int | None = None,
    ) -> None:
        """See ILink."""
        self._port._do(lambda native: native.open_channel(self.id, label, ordered, max_retransmits, negotiated))

    def send(self, label: str, data: bytes, *, binary: bool = True) -> None:
        """See ILink."""
        self._port._send([self.id], label, data, binary)

    def restart_ice(self, *, ufrag: str, password: str, remote_ufrag: str) -> None:
        """See ILink. `remote_ufrag` as in `set_remote`."""
        self._port._do(lambda native: native.restart_ice(self.id, ufrag, password))

    def close(self) -> None:
        """See ILink."""
        if self._port._forget(self):
            self._port._do(lambda native: native.close_link(self.id))


@implementer(IPort)
class Port:
    """See IPort. Build it after twistd has daemonised: threads do not survive a fork."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,  # IReactorFDSet and IReactorThreads: zope has no type for both
        *,
        bind: Sequence[tuple[str, int]],
        bind_tcp: Sequence[tuple[str, int]] = (),
        certificate: Certificate,
        listener: IPortListener,
        limits: PortLimits = PortLimits(),  # noqa: B008 - it is frozen
    ) -> None:
        self._reactor = reactor
        self._descriptors = IReactorFDSet(reactor)
        self._bind = list(bind)
        self._bind_tcp = list(bind_tcp)
        self._certificate = certificate
        self._listener = listener
        self._limits = limits
        self._native: _native.Port | None = None
        self._reader: EventReader | None = None
        self._links: dict[int, Link] = {}
        self._snapshot = PortStatistics()
        self._hearers: Mapping[str, Callable[..., None]] = {
            "link_connected": self._link_connected,
            "link_path_changed": self._link_path_changed,
            "link_closed": self._link_closed,
            "channel_opened": self._channel_opened,
            "message": self._message,
            "source_started": self._source_started,
            "source_stopped": self._source_stopped,
            "sinks_paused": self._sinks_paused,
            "audio_levels": self._audio_levels,
            "statistics": self._statistics,
            "trouble": self._listener.trouble,
        }
        self._sources: dict[int, Source] = {}
        self._started = False
        self.addresses: Sequence[tuple[str, int]] = ()
        self.tcp_addresses: Sequence[tuple[str, int]] = ()
        self.fingerprint: str = _fingerprint(certificate)

    async def start(self) -> None:
        """See IPort. Raises StaleBuild in a checkout whose sources have changed since the library was built."""
        from meeting.dataplane import _native

        freshness.check(_native.SOURCE_HASH)
        native = _native.Port(
            bind=self._bind,
            bind_tcp=self._bind_tcp,
            certificate=self._certificate.certificate,
            key=self._certificate.key,
            events=self._limits.events,
            commands=self._limits.commands,
            early_data=self._limits.early_data,
            message=self._limits.message,
            channel_buffer=self._limits.channel_buffer,
            connect_seconds=self._limits.connect_seconds,
            consent_seconds=self._limits.consent_seconds,
            socket_buffer=self._limits.socket_buffer,
            streams=self._limits.streams,
            unknown_streams=self._limits.unknown_streams,
            stream_seconds=self._limits.stream_seconds,
            stream_video_queue=self._limits.stream_video_queue,
            stream_queue=self._limits.stream_queue,
        )
        self._native = native
        self._started = True
        self.addresses = tuple(native.addresses())
        self.tcp_addresses = tuple(native.tcp_addresses())
        self._reader = EventReader(native.fileno(), native.take_events, self._hear)
        self._descriptors.addReader(self._reader)

    def add_link(self, *, ufrag: str, password: str, remote_fingerprint: str | None = None) -> Link:
        """See IPort."""
        if len(self._links) >= self._limits.links:
            raise LimitReached(f"there are {self._limits.links} links already (PortLimits.links)")
        link = Link(self)
        self._do(lambda native: native.add_link(link.id, ufrag, password, remote_fingerprint))
        self._links[link.id] = link
        return link

    def adopt(self, descriptor: int, head: bytes) -> None:
        """See IPort."""
        self._do(lambda native: native.adopt(descriptor, head))

    def send_all(self, links: Iterable[ILink], label: str, data: bytes) -> None:
        """See IPort."""
        self._send([link.id for link in links], label, data, True)

    def statistics(self) -> PortStatistics:
        """See IPort."""
        return self._snapshot

    async def close(self) -> None:
        """See IPort."""
        native, self._native = self._native, None
        if self._reader is not None:
            self._descriptors.removeReader(self._reader)
            self._reader = None
        self._links.clear()
        self._sources.clear()
        if native is not None:
            # It waits for the thread's last turn, a few milliseconds at most.
            await threads.deferToThreadPool(self._reactor, self._reactor.getThreadPool(), native.close)

    def _do(self, command: Callable[[_native.Port], None]) -> None:
        if not self._started:
            raise RuntimeError("the port is not started")
        if self._native is None:
            return
        try:
            command(self._native)
        except BufferError as error:
            raise LimitReached(str(error)) from error

    def _send(self, links: list[int], label: str, data: bytes, binary: bool) -> None:
        if len(data) > self._limits.message:
            raise ValueError(
                f"a data message of {len(data)} bytes is longer than {self._limits.message} (PortLimits.message)"
            )
        self._do(lambda native: native.send(links, label, data, binary))

    def _remember(self, source: Source) -> None:
        if source.link.id in self._links:
            source.link._sources.add(source.id)
            self._sources[source.id] = source

    def _forget(self, link: Link) -> bool:
        """False when it was forgotten before."""
        for source in link._sources:
            self._sources.pop(source, None)
        link._sources.clear()
        return self._links.pop(link.id, None) is not None

    def _hear(self, event: tuple[Any, ...]) -> None:
        if self._native is None:
            return
        name, *values = event
        try:
            self._hearers[name](*values)
        except Exception:
            # One listener's mistake must not cost the events behind this one.
            self._log.failure("while telling of {name}", name=name)

    # What follows maps ids to handles. An id that is not known any more was closed here meanwhile.

    def _link_connected(self, link: int, path: str) -> None:
        if found := self._links.get(link):
            self._listener.link_connected(found, path)

    def _link_path_changed(self, link: int, path: str) -> None:
        if found := self._links.get(link):
            self._listener.link_path_changed(found, path)

    def _link_closed(self, link: int, reason: str) -> None:
        found = self._links.get(link)
        if found is not None and self._forget(found):
            self._listener.link_closed(found, reason)

    def _channel_opened(self, link: int, label: str) -> None:
        if found := self._links.get(link):
            self._listener.channel_opened(found, label)

    def _message(self, link: int, label: str, data: bytes, binary: bool) -> None:
        if found := self._links.get(link):
            self._listener.message(found, label, data, binary)

    def _source_started(self, source: int, ssrc: int) -> None:
        if found := self._sources.get(source):
            self._listener.source_started(found, ssrc)

    def _source_stopped(self, source: int) -> None:
        if found := self._sources.get(source):
            self._listener.source_stopped(found)

    def _sinks_paused(self, link: int, sinks: Sequence[tuple[int, bool]]) -> None:
        if found := self._links.get(link):
            self._listener.sinks_paused(found, dict(sinks))

    def _audio_levels(self, levels: Sequence[tuple[int, int]]) -> None:
        found = [(self._sources[source], level) for source, level in levels if source in self._sources]
        if found:
            self._listener.audio_levels(found)

    def _statistics(self, rows: tuple[Any, ...]) -> None:
        self._snapshot = from_rows(rows)
        self._listener.statistics(self._snapshot)
