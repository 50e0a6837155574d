"""A Port on loopback for each test, closed with its peers at the end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest_twisted

from meeting.dataplane.certificate import make_certificate
from meeting.dataplane.media import Link, Port
from tests.integration.dataplane.peers import Diary, Peer

UFRAG = "ufrag{}"
PASSWORD = "password+of+22+chars+{}"


class Call:
    """A Port with its diary and the peers that came to it."""

    def __init__(self, reactor: Any) -> None:
        self.diary = Diary()
        self.port = Port(
            reactor,
            bind=[("127.0.0.1", 0)],
            certificate=make_certificate(time.time()),
            listener=self.diary,
        )
        self.peers: list[Peer] = []

    def expect(self) -> tuple[Peer, Link]:
        """A peer that has not offered yet, and the Link that waits for it."""
        number = len(self.peers)
        peer = Peer(UFRAG.format(number), PASSWORD.format(number))
        self.peers.append(peer)
        return peer, self.port.add_link(ufrag=peer.ufrag, password=peer.password)

    async def describe(self, peer: Peer, link: Link, ssrcs: dict[str, list[int]] | None = None) -> None:
        """Exchange the descriptions; the offer must be made."""
        link.set_remote(fingerprint=peer.fingerprint, ufrag=peer.remote_ufrag)
        codecs = [codec for section in peer.sections for codec in section.codec_list()]
        extensions = {uri: id for section in peer.sections for uri, id in section.extensions.items()}
        link.configure(codecs=codecs, extensions=extensions)
        await peer.answer(self.port.addresses[0], self.port.fingerprint, ssrcs)

    async def connected(self, link: Link) -> None:
        await self.diary.until(lambda: bool(self.diary.heard("link_connected", link)))


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator]
async def call() -> AsyncIterator[Call]:
    from twisted.internet import reactor

    call = Call(reactor)
    await call.port.start()
    yield call
    for peer in call.peers:
        await peer.close()
    await call.port.close()
    assert call.diary.heard("trouble") == []
