"""`/objects/<id>`: the HTTP face of uploads, downloads and removals."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from meeting.daemon.errors import MeetingError, NotFound
from meeting.daemon.observe import Metrics
from meeting.fsserver.downloads import DownloadLimits, Downloads, Sending
from meeting.fsserver.removals import Removals
from meeting.fsserver.uploads import Upload, Uploads

_PATH = re.compile(rb"/objects/([0-9a-f]{32})")
_METHODS = "PUT, GET, HEAD, DELETE, OPTIONS"


class MethodNotAllowed(MeetingError):
    """Objects are put and got."""

    status = 405
    problem = "method-not-allowed"
    title = "Files can be uploaded, downloaded and removed, nothing else."


class ObjectsResource(Resource):
    """Takes PUT as a stream; answers GET, HEAD and preflights (Fetch standard, section 4.8)."""

    isLeaf = True
    log = Logger()

    def __init__(
        self,
        uploads: Uploads,
        downloads: Downloads,
        removals: Removals,
        clock: IReactorTime,
        origins: Collection[str],
        limits: DownloadLimits,
        metrics: Metrics,
    ) -> None:
        """`origins`: whose pages may upload and read, such as `https://meet.example.com`."""
        super().__init__()
        self._uploads = uploads
        self._downloads = downloads
        self._removals = removals
        self._clock = clock
        self._origins = frozenset(origins)
        self._limits = limits
        self._bytes = metrics.counter("meeting_file_bytes", "Bytes of files.", ["direction"])
        self._answers = metrics.counter("meeting_file_answers", "Answered requests for files.", ["method", "status"])

    def receive_body(self, request: Any, length: int | None) -> Upload | None:
        """IStreamedBody.receive_body"""
        self._share(request)
        if request.method != b"PUT":
            return None
        path, id = _address(request)
        upload = self._uploads.begin(path, id, _query(request), length, request.flow())
        upload.on_slow = request.refuse
        return upload

    def render(self, request: Any) -> Any:
        """Answer."""
        self._share(request)
        if request.method == b"OPTIONS":
            return self._preflight(request)
        if request.method == b"PUT":
            answer = self._answer_upload(request)
        elif request.method in (b"GET", b"HEAD"):
            answer = self._answer_download(request)
        elif request.method == b"DELETE":
            answer = self._answer_removal(request)
        else:
            raise MethodNotAllowed(headers={"Allow": _METHODS})
        finished = request.notifyFinish().addErrback(lambda failure: None)
        finished.addCallback(lambda _: self._answers.labels(request.method.decode(), str(request.code)).inc())
        Deferred.fromCoroutine(answer).addErrback(self._failed, request)
        return NOT_DONE_YET

    def _share(self, request: Any) -> None:
        """Let the hub's pages see the answer, errors included (Fetch standard, section 3.3)."""
        request.setHeader(b"Vary", b"Origin")
        origin = request.getHeader("Origin")
        if origin in self._origins:
            request.setHeader(b"Access-Control-Allow-Origin", origin.encode())
            request.setHeader(b"Access-Control-Expose-Headers", b"Content-Range, ETag, Retry-After, X-Request-Id")

    def _preflight(self, request: Any) -> bytes:
        request.setResponseCode(204)
        if request.responseHeaders.hasHeader(b"Access-Control-Allow-Origin"):
            request.setHeader(b"Access-Control-Allow-Methods", b"PUT, GET, HEAD")
            request.setHeader(b"Access-Control-Allow-Headers", b"Content-Type, Range, If-Range, If-None-Match")
            request.setHeader(b"Access-Control-Max-Age", b"7200")
        return b""

    async def _answer_upload(self, request: Any) -> None:
        upload = request.receiver
        if upload is None:  # only a site without streaming gets here
            raise NotFound()
        done = await upload.finish()
        self._bytes.labels("in").inc(done.size)
        body = json.dumps({"id": done.id, "size": done.size, "type": done.type, "sha256": done.sha256}).encode()
        if _is_gone(request):
            return
        request.setResponseCode(201 if done.is_new else 200)
        request.setHeader(b"Content-Type", b"application/json")
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"Content-Length", b"%d" % len(body))
        request.write(body)
        request.finish()

    async def _answer_download(self, request: Any) -> None:
        path, id = _address(request)
        download = await self._downloads.answer(request.method.decode(), path, id, _query(request), request.getHeader)
        try:
            if _is_gone(request):
                return
            request.setResponseCode(download.status)
            for name, value in download.headers.items():
                request.setHeader(name.encode(), value.encode())
            request.responseHeaders.removeHeader(b"X-Frame-Options")
            self._bytes.labels("out").inc(download.size)
            if not await Sending(download, request, self._clock, self._limits.stall).run():
                request.channel.transport.abortConnection()
            elif not _is_gone(request):
                request.finish()
        finally:
            download.stored.close()

    async def _answer_removal(self, request: Any) -> None:
        path, id = _address(request)
        await self._removals.remove(path, id, _query(request))
        if not _is_gone(request):
            request.setResponseCode(204)
            request.finish()

    def _failed(self, failure: Failure, request: Any) -> None:
        if _is_gone(request):
            failure.trap(MeetingError, ConnectionLost)
        else:
            request.processingFailed(failure)


def _is_gone(request: Any) -> bool:
    return bool(request._disconnected)


def _address(request: Any) -> tuple[str, str]:
    match = _PATH.fullmatch(request.path)
    if match is None:
        raise NotFound()
    return request.path.decode("ascii"), match[1].decode("ascii")


def _query(request: Any) -> dict[str, str]:
    """The first value of each parameter. A permit's request has not been parsed by Twisted yet, so it is done here."""
    _, _, query = request.uri.partition(b"?")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=16, errors="strict")
    except ValueError:
        raise NotFound() from None
    return dict(reversed(pairs))
