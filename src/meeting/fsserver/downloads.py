"""Downloads: `GET` and `HEAD /objects/<id>` with a signed link. Streamed from disk at the reader's pace.

What is sent is decided by the bytes of the file, never by what somebody called it, and it can do nothing wherever it
is opened: sniffing off,
sandboxed, and saved instead of shown unless it is one of five kinds of picture.

RFC 9110: ranges §14 (one range; several are answered with the whole, as §14.2 allows), conditions §13, RFC 6266 for
the name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer, IReactorTime
from zope.interface import implementer

from meeting.daemon.errors import MeetingError, NotFound
from meeting.daemon.images import HEAD_SIZE, OCTET_STREAM, shown_type
from meeting.daemon.secret import FileLink, Secret, verify_file_link
from meeting.fsserver.stores.interface import IStore

CHUNK = 64 << 10


class RangeNotSatisfiable(MeetingError):
    """The range lies outside of the file."""

    status = 416
    problem = "range"
    title = "The file has no such range."


@dataclass(frozen=True)
class DownloadLimits:
    """`pixels`: a picture with more is not shown in place. `stall`: seconds that a reader may read nothing."""

    pixels: int = 100_000_000
    stall: float = 60.0


@dataclass(frozen=True)
class Download:
    """An answer: its status and headers, and which bytes of `stored` follow (none for HEAD and 304)."""

    status: int
    headers: Mapping[str, str]
    stored: Any
    offset: int
    size: int


class Downloads:
    """Answers requests for objects."""

    def __init__(self, store: IStore, secret: Secret, now: Callable[[], float], limits: DownloadLimits) -> None:
        self._store = store
        self._secret = secret
        self._now = now
        self._limits = limits

    async def answer(
        self, method: str, path: str, id: str, query: Mapping[str, str], header: Callable[[str], str | None]
    ) -> Download:
        """The answer to a GET or HEAD; the caller closes its `stored`.

        :raise MeetingError: the link is wrong or over, there is no such object, or no such range.
        """
        link = verify_file_link(self._secret, method, path, query, self._now())
        stored = await self._store.open(id)
        if stored is None:
            raise NotFound("This file was never uploaded completely.")
        try:
            return await self._answer(method, id, link, stored, header)
        except BaseException:
            stored.close()
            raise

    async def _answer(
        self, method: str, id: str, link: FileLink, stored: Any, header: Callable[[str], str | None]
    ) -> Download:
        etag = f'"{id}"'
        headers = {
            "ETag": etag,
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "X-Content-Type-Options": "nosniff",
        }
        if _matches(header("If-None-Match"), etag):
            return Download(304, headers, stored, 0, 0)
        type = shown_type(await stored.read(0, HEAD_SIZE), self._limits.pixels)
        headers["Content-Type"] = type or OCTET_STREAM
        headers["Content-Disposition"] = content_disposition("inline" if type else "attachment", link.name)
        size: int = stored.size
        status, first, last = 200, 0, size - 1
        if_range = header("If-Range")
        wanted = header("Range") if method == "GET" and if_range in (None, etag) else None
        if wanted is not None and (range := parse_range(wanted, size)) is not None:
            status, (first, last) = 206, range
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        length = last - first + 1
        headers["Content-Length"] = str(length)
        return Download(status, headers, stored, first, length if method == "GET" else 0)


def _matches(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]


_RANGE = re.compile(r"bytes=\s*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))\s*", re.ASCII)


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range; None: to be ignored (RFC 9110, section 14.2).

    :raise RangeNotSatisfiable: well-formed, but outside of the file.
    """
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    start, end, suffix = match.groups()
    if suffix is not None:
        first, last = max(0, size - int(suffix)), size - 1
        satisfiable = int(suffix) > 0 and size > 0
    else:
        first, last = int(start), min(size - 1, int(end)) if end is not None else size - 1
        if end is not None and int(end) < first:
            return None
        satisfiable = first < size
    if not satisfiable:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return first, last


def content_disposition(kind: str, name: str | None) -> str:
    """RFC 6266 with both forms of the name: plain ASCII, and UTF-8 percent-encoded (RFC 8187)."""
    clean = "".join(char for char in name or "" if char.isprintable() and char not in '/\\"')[:200].strip(". ")
    if not clean:
        return kind
    ascii = "".join(char if " " <= char < "\x7f" and char != "%" else "_" for char in clean)
    exact = quote(clean.encode(errors="replace"), safe="!#$&+-.^_`|~")
    return f"{kind}; filename=\"{ascii}\"; filename*=UTF-8''{exact}"


@implementer(IPushProducer)
class Sending:
    """Writes a download to its reader, a chunk at a time, and no faster than it is read."""

    def __init__(self, download: Download, consumer: IConsumer, clock: IReactorTime, stall: float) -> None:
        self._download = download
        self._consumer = consumer
        self._clock = clock
        self._stall = stall
        self._stopped = False
        self._go_on: Deferred[None] | None = None

    async def run(self) -> bool:
        """Send all of it. False: the reader went away, or read nothing for too long."""
        offset, left = self._download.offset, self._download.size
        self._consumer.registerProducer(self, True)
        try:
            while left and not self._stopped:
                await self._may_write()
                data = await self._download.stored.read(offset, min(left, CHUNK))
                if not data or self._stopped:
                    break
                self._consumer.write(data)
                offset, left = offset + len(data), left - len(data)
        finally:
            self._consumer.unregisterProducer()
        return not left

    async def _may_write(self) -> None:
        if self._go_on is not None:
            timer = self._clock.callLater(self._stall, self.stopProducing)
            await self._go_on
            if timer.active():
                timer.cancel()

    def pauseProducing(self) -> None:
        """IPushProducer.pauseProducing"""
        if self._go_on is None:
            self._go_on = Deferred()

    def resumeProducing(self) -> None:
        """IPushProducer.resumeProducing"""
        waiting, self._go_on = self._go_on, None
        if waiting is not None:
            waiting.callback(None)

    def stopProducing(self) -> None:
        """IPushProducer.stopProducing"""
        self._stopped = True
        self.resumeProducing()
