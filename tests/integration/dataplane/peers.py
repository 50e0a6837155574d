"""Real peers (aiortc: full ICE, DTLS, SCTP, codecs) and descriptions written by hand, as no server does it."""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import av
import numpy
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack, VideoStreamTrack
from twisted.internet.defer import Deferred
from zope.interface import implementer

from meeting.dataplane.interfaces import ILink, IPortListener, ISource
from meeting.dataplane.values import Codec, PortStatistics

T = TypeVar("T")


def wait(awaitable: Awaitable[T]) -> Deferred[T]:
    """For what is asyncio's: aiortc runs on the reactor's own loop."""
    return Deferred.fromFuture(asyncio.ensure_future(awaitable))


@implementer(IPortListener)
class Diary:
    """Writes down what it hears; `until` waits for an entry."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def _note(self, *entry: Any) -> None:
        self.entries.append(entry)
        for known in list(self._waiting):
            happened, waiter = known
            if happened():
                self._waiting.remove(known)
                waiter.callback(None)

    def until(self, happened: Callable[[], bool]) -> Deferred[None]:
        """Fires once `happened()` is true; looked at after each event. The test's deadline bounds it."""
        waiter: Deferred[None] = Deferred()
        if happened():
            waiter.callback(None)
        else:
            self._waiting.append((happened, waiter))
        return waiter

    def heard(self, *start: Any) -> list[tuple[Any, ...]]:
        """All entries that begin like this."""
        return [entry for entry in self.entries if entry[: len(start)] == start]

    def link_connected(self, link: ILink, path: str) -> None:
        self._note("link_connected", link, path)

    def link_path_changed(self, link: ILink, path: str) -> None:
        self._note("link_path_changed", link, path)

    def link_closed(self, link: ILink, reason: str) -> None:
        self._note("link_closed", link, reason)

    def channel_opened(self, link: ILink, label: str) -> None:
        self._note("channel_opened", link, label)

    def message(self, link: ILink, label: str, data: bytes, binary: bool) -> None:
        self._note("message", link, label, data, binary)

    def source_started(self, source: ISource, ssrc: int) -> None:
        self._note("source_started", source, ssrc)

    def source_stopped(self, source: ISource) -> None:
        self._note("source_stopped", source)

    def sinks_paused(self, link: ILink, sinks: Mapping[int, bool]) -> None:
        self._note("sinks_paused", link, sinks)

    def audio_levels(self, levels: Sequence[tuple[ISource, int]]) -> None:
        self._note("audio_levels", levels)

    def statistics(self, snapshot: PortStatistics) -> None:
        self._note("statistics", snapshot)

    def trouble(self, text: str) -> None:
        self._note("trouble", text)


@dataclass
class Section:
    """A media section of an offer, as far as an answer needs it."""

    lines: list[str]
    mid: str = ""
    kind: str = ""
    codecs: dict[int, str] = field(default_factory=dict)
    extensions: dict[str, int] = field(default_factory=dict)
    rtx: dict[int, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, lines: list[str]) -> Section:
        section = cls(lines, kind=lines[0][2:].split()[0])
        for line in lines:
            name, _, value = line.partition(":")
            if name == "a=mid":
                section.mid = value
            elif name == "a=rtpmap":
                number, codec = value.split()
                section.codecs[int(number)] = codec
            elif name == "a=extmap":
                number, uri = value.split()[:2]
                section.extensions[uri] = int(number.split("/")[0])
            elif name == "a=fmtp" and "apt=" in value:
                number, _, parameters = value.partition(" ")
                section.rtx[int(parameters.split("apt=")[1].split(";")[0])] = int(number)
        return section

    def codec_list(self) -> list[Codec]:
        """What to tell Link.configure."""
        codecs = []
        for number, codec in self.codecs.items():
            name, rate = codec.split("/")[:2]
            if name != "rtx":
                video = self.kind == "video"
                codecs.append(
                    Codec(
                        number,
                        name,
                        int(rate),
                        rtx_payload_type=self.rtx.get(number),
                        nack=video,
                        pli=video,
                        remb=video,
                    )
                )
        return codecs


class Peer:
    """One aiortc peer connection that offers; the answer is the Port's."""

    def __init__(self, ufrag: str, password: str) -> None:
        self.connection = RTCPeerConnection()
        self.ufrag = ufrag
        self.password = password
        self.sections: list[Section] = []
        self.session: list[str] = []
        self.tracks: list[MediaStreamTrack] = []
        self.connection.on("track", self.tracks.append)

    async def offer(self) -> None:
        """Make the offer and take it apart."""
        description = await wait(self.connection.createOffer())
        await wait(self.connection.setLocalDescription(description))
        text = self.connection.localDescription.sdp
        parts = text.replace("\r\n", "\n").split("\nm=")
        self.session = parts[0].splitlines()
        self.sections = [Section.parse(("m=" + part).splitlines()) for part in parts[1:]]

    @property
    def fingerprint(self) -> str:
        """Of the peer's certificate, SHA-256 as all peers offer it."""
        for line in self.session + self.sections[0].lines:
            if line.startswith("a=fingerprint:sha-256"):
                return line.split(":", 1)[1]
        raise AssertionError("the offer has no fingerprint")

    @property
    def remote_ufrag(self) -> str:
        return next(line.split(":", 1)[1] for line in self.sections[0].lines if line.startswith("a=ice-ufrag:"))

    def section(self, kind: str) -> Section:
        return next(section for section in self.sections if section.kind == kind)

    async def answer(
        self, address: tuple[str, int], fingerprint: str, ssrcs: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        """Give it the Port's answer; `ssrcs` by mid: what we will send (media, then rtx)."""
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite"]
        lines.append("a=group:BUNDLE " + " ".join(section.mid for section in self.sections))
        for section in self.sections:
            lines += self._answer_section(section, address, fingerprint, (ssrcs or {}).get(section.mid, ()))
        text = "\r\n".join(lines) + "\r\n"
        await wait(self.connection.setRemoteDescription(RTCSessionDescription(text, "answer")))

    def _answer_section(
        self, section: Section, address: tuple[str, int], fingerprint: str, ssrcs: Sequence[int]
    ) -> list[str]:
        dropped = (
            "a=candidate", "a=end-of", "a=ice-", "a=fingerprint", "a=setup", "a=ssrc", "a=msid",
            "a=sendrecv", "a=sendonly", "a=recvonly", "a=rtcp:", "c=",
        )  # fmt: skip
        lines = [line for line in section.lines if not line.startswith(dropped)]
        host, port = address
        lines += [
            f"c=IN IP4 {host}",
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.password}",
            f"a=candidate:1 1 udp 2130706431 {host} {port} typ host",
            "a=end-of-candidates",
            f"a=fingerprint:{fingerprint}",
            "a=setup:passive",
        ]
        if section.kind in ("audio", "video"):
            lines.append("a=sendonly" if ssrcs else "a=recvonly")
        if ssrcs:
            lines.append(f"a=msid:stream track-{section.mid}")
            lines += [f"a=ssrc:{ssrc} cname:meeting" for ssrc in ssrcs]
            if len(ssrcs) == 2:
                lines.append(f"a=ssrc-group:FID {ssrcs[0]} {ssrcs[1]}")
        return lines

    async def close(self) -> None:
        await wait(self.connection.close())


class Painted(VideoStreamTrack):
    """Frames of one colour each; the colour is the message."""

    def __init__(self, width: int = 320, height: int = 240) -> None:
        super().__init__()
        self._shape = (height, width, 3)

    async def recv(self) -> av.VideoFrame:
        timestamp, base = await self.next_timestamp()
        frame = av.VideoFrame.from_ndarray(numpy.full(self._shape, (200, 30, 60), numpy.uint8), format="rgb24")
        frame.pts, frame.time_base = timestamp, base
        return frame


class Humming(MediaStreamTrack):
    """A tone of 440 Hz, 48 kHz, in frames of 20 ms."""

    kind = "audio"
    _rate = 48000
    _samples = 960

    def __init__(self) -> None:
        super().__init__()
        self._at = 0
        self._began: float | None = None

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        await asyncio.sleep(max(0.0, self._began + self._at / self._rate - loop.time()))
        phase = (self._at + numpy.arange(self._samples)) * (440 * 2 * numpy.pi / self._rate)
        samples = (numpy.sin(phase) * 12000).astype(numpy.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = self._rate
        frame.pts, frame.time_base = self._at, fractions.Fraction(1, self._rate)
        self._at += self._samples
        return frame
