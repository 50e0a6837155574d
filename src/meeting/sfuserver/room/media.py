"""The rooms' door to the data plane: opens Links, expects Sources, and brings each event to the one it concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from twisted.logger import Logger
from zope.interface import implementer

from meeting.dataplane.interfaces import ILink, IPort, IPortListener, ISource
from meeting.dataplane.values import Kind, PortStatistics
from meeting.sfuserver.negotiation.description import Encoding
from meeting.sfuserver.negotiation.offer_answer import Candidate, Transport
from meeting.sfuserver.room.chance import Chance
from meeting.sfuserver.room.connection import Connection
from meeting.sfuserver.room.quality import Health, healths

__all__ = ["Media", "Peer", "Receiver"]

log = Logger()


class Peer(Protocol):
    """Whoever is at the other end of a Link."""

    def link_connected(self, link: ILink, path: str) -> None: ...
    def link_closed(self, link: ILink, reason: str) -> None: ...
    def link_message(self, link: ILink, label: str, data: bytes) -> None: ...
    def link_starved(self, link: ILink, sinks: Mapping[int, bool]) -> None: ...


class Receiver(Protocol):
    """What a Source belongs to: a published track."""

    def source_started(self, source: ISource) -> None: ...
    def source_stopped(self, source: ISource) -> None: ...
    def source_level(self, source: ISource, level: int) -> None: ...


@implementer(IPortListener)
class Media:
    """All media of this process: one Port."""

    def __init__(
        self,
        make_port: Callable[[IPortListener], IPort],
        candidates: Callable[[IPort], Sequence[Candidate]],
        chance: Chance,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        """`candidates`: what is told to clients of a started Port; `count` counts a happening by its name."""
        self.port = make_port(self)
        self._candidates = candidates
        self._chance = chance
        self._count = count
        self._peers: dict[int, Peer] = {}
        self._receivers: dict[int, Receiver] = {}
        self._sources_of: dict[int, set[int]] = {}
        self._snapshot = PortStatistics()
        self._health: dict[int, Health] = {}

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(self._candidates(self.port))

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """(host, UDP port), as clients know them."""
        return [(one.host, one.port) for one in self.candidates if one.transport == "udp"]

    @property
    def links(self) -> int:
        return len(self._peers)

    @property
    def limited(self) -> int:
        """Links whose path takes less than the peer wants."""
        links = self._snapshot.links.values()
        return sum(link.estimate is not None and link.estimate < link.demand for link in links)

    @property
    def starved(self) -> int:
        """Pictures that are paused because a path has no room for them."""
        return sum(link.paused for link in self._snapshot.links.values())

    def open(self, peer: Peer) -> Connection:
        """A new peer connection. Raises meeting.dataplane.errors.LimitReached."""
        transport = Transport(
            session_id=self._chance.number(62),
            ufrag=self._chance.text(8),
            password=self._chance.text(24),
            fingerprint=self.port.fingerprint,
            candidates=self.candidates,
        )
        link = self.port.add_link(ufrag=transport.ufrag, password=transport.password)
        self._peers[link.id] = peer
        return Connection(link, transport, self._chance)

    def close(self, connection: Connection) -> None:
        connection.link.close()
        self._forget_link(connection.link)

    def receive(self, link: ILink, receiver: Receiver, mid: str, kind: Kind, encoding: Encoding) -> ISource:
        """Expect one encoding of a published track."""
        source = link.add_source(mid=mid, kind=kind, rid=encoding.rid, ssrc=encoding.ssrc, rtx_ssrc=encoding.rtx_ssrc)
        self._receivers[source.id] = receiver
        self._sources_of.setdefault(link.id, set()).add(source.id)
        return source

    def cease(self, link: ILink, source: ISource) -> None:
        source.close()
        self._receivers.pop(source.id, None)
        self._sources_of.get(link.id, set()).discard(source.id)

    def health(self, links: Iterable[ILink]) -> list[Health]:
        """How these Links did in the last second; of those that are new nothing is known."""
        return [health for link in links if (health := self._health.get(link.id)) is not None]

    def send_all(self, links: Iterable[ILink], label: str, data: bytes) -> None:
        self.port.send_all(links, label, data)

    def _forget_link(self, link: ILink) -> Peer | None:
        for source in self._sources_of.pop(link.id, ()):
            self._receivers.pop(source, None)
        return self._peers.pop(link.id, None)

    # IPortListener

    def link_connected(self, link: ILink, path: str) -> None:
        peer = self._peers.get(link.id)
        if peer is not None:
            peer.link_connected(link, path)

    def link_path_changed(self, link: ILink, path: str) -> None:
        log.debug("link {link}: now by {path}", link=link.id, path=path)

    def link_closed(self, link: ILink, reason: str) -> None:
        self._count("links_lost")
        peer = self._forget_link(link)
        if peer is not None:
            peer.link_closed(link, reason)

    def channel_opened(self, link: ILink, label: str) -> None:
        """Nobody waits for it: messages for a channel are kept until it is open."""

    def message(self, link: ILink, label: str, data: bytes, binary: bool) -> None:
        peer = self._peers.get(link.id)
        if peer is not None:
            peer.link_message(link, label, data)

    def source_started(self, source: ISource, ssrc: int) -> None:
        receiver = self._receivers.get(source.id)
        if receiver is not None:
            receiver.source_started(source)

    def source_stopped(self, source: ISource) -> None:
        receiver = self._receivers.get(source.id)
        if receiver is not None:
            receiver.source_stopped(source)

    def sinks_paused(self, link: ILink, sinks: Mapping[int, bool]) -> None:
        peer = self._peers.get(link.id)
        if peer is not None:
            peer.link_starved(link, sinks)

    def audio_levels(self, levels: Sequence[tuple[ISource, int]]) -> None:
        for source, level in levels:
            receiver = self._receivers.get(source.id)
            if receiver is not None:
                receiver.source_level(source, level)

    def statistics(self, snapshot: PortStatistics) -> None:
        self._health = healths(self._snapshot, snapshot)
        self._snapshot = snapshot

    def trouble(self, text: str) -> None:
        self._count("trouble")
        log.error("the data plane is in trouble: {text}", text=text)
