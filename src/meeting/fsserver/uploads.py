"""Uploads: `PUT /objects/<id>` with a permit in the query, streamed to disk and durable before it is answered.

Everything that can be refused by its headers is refused before a byte of the body: the permit, the size, the space,
the number of
uploads at once. The body never waits in memory: at 256 KiB that the disk has not taken, the sender is stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.daemon.errors import BadRequest, Conflict, MeetingError, PleaseWait, TooLarge
from meeting.daemon.images import HEAD_SIZE, OCTET_STREAM, picture_in
from meeting.daemon.secret import BadLink, Secret, verify_file_link
from meeting.daemon.streaming import Flow
from meeting.fsserver.stores.interface import IStore

_HIGH_WATER, _LOW_WATER = 256 << 10, 64 << 10


class LengthRequired(MeetingError):
    """The upload does not say how long it is."""

    status = 411
    problem = "length-required"
    title = "An upload needs a Content-Length."


class TooSlow(MeetingError):
    """The upload does not come along."""

    status = 408
    problem = "upload-too-slow"
    title = "The upload took too long; please try again."


@dataclass(frozen=True)
class UploadLimits:
    """Sizes in bytes, times in seconds."""

    size: int = 100 << 20
    at_once: int = 64
    silence: float = 30.0
    """How long an upload may stand still."""
    slowest: int = 16 << 10
    """Bytes a second that an upload must keep up on the average, after its first minute."""


@dataclass(frozen=True)
class Uploaded:
    """An object that is on disk for good."""

    id: str
    size: int
    type: str
    sha256: str
    is_new: bool


class Uploads:
    """All uploads under way."""

    def __init__(
        self, store: IStore, secret: Secret, clock: IReactorTime, now: Callable[[], float], limits: UploadLimits
    ) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock
        self._now = now
        self._limits = limits
        self._running: set[Upload] = set()
        self._promised = 0

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._running)

    def begin(self, path: str, id: str, query: Mapping[str, str], length: int | None, flow: Flow) -> Upload:
        """Accept the upload that these headers announce.

        :raise MeetingError: it is refused.
        """
        link = verify_file_link(self._secret, "PUT", path, query, self._now())
        if link.size is None:
            raise BadLink("The link is not for an upload.")
        if length is None:
            raise LengthRequired()
        if link.size > self._limits.size:
            raise TooLarge(f"Files here have up to {self._limits.size} bytes.")
        if length > link.size:
            raise TooLarge(f"The permit is for {link.size} bytes; these are {length}.")
        if length < link.size:
            raise BadRequest(f"The permit is for {link.size} bytes; these are {length}.")
        if len(self._running) >= self._limits.at_once:
            raise PleaseWait(2, "Many files are being uploaded just now.")
        self._store.check_space(self._promised + length)
        upload = Upload(self._store, self._clock, self._limits, id, length, flow, self._ended)
        self._running.add(upload)
        self._promised += length
        return upload

    def _ended(self, upload: Upload) -> None:
        if upload in self._running:
            self._running.remove(upload)
            self._promised -= upload.size


class Upload:
    """One upload: a `BodyReceiver`. After the body, `finish` makes it an object."""

    log = Logger()

    def __init__(
        self,
        store: IStore,
        clock: IReactorTime,
        limits: UploadLimits,
        id: str,
        size: int,
        flow: Flow,
        ended: Callable[[Upload], None],
    ) -> None:
        self.id = id
        self.size = size
        self._store = store
        self._part = store.begin()
        self._flow = flow
        self._ended = ended
        self._hash = sha256()
        self._head = bytearray()
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._received = 0
        self._error: BaseException | None = None
        self._is_pumping = False
        self._pumped: Deferred[None] = succeed(None)
        self._clock = clock
        self._limits = limits
        self._slowest_end = clock.callLater(60 + size / limits.slowest, self._too_slow)
        self._silence = clock.callLater(limits.silence, self._too_slow)
        self.on_slow: Callable[[MeetingError], None] = lambda error: None
        """Called when the upload is given up, so that the client can be told."""

    # --- BodyReceiver

    def write(self, data: bytes) -> None:
        """BodyReceiver.write"""
        self._received += len(data)
        if self._error is not None or self._received > self.size:
            return
        self._silence.reset(self._limits.silence)
        self._waiting.append(data)
        self._waiting_size += len(data)
        if self._waiting_size >= _HIGH_WATER:
            self._flow.pause()
        if not self._is_pumping:
            self._is_pumping = True
            self._pumped = Deferred.fromCoroutine(self._pump())

    def abort(self, reason: Failure) -> None:
        """BodyReceiver.abort"""
        if self._error is None:
            self._give_up(ConnectionError("the upload broke off"))

    # --- the end

    async def finish(self) -> Uploaded:
        """The body is complete: make it durable under its id.

        :raise MeetingError: it could not be kept; nothing is left of it.
        """
        self._stop_timers()
        try:
            await self._pumped
            if self._error is not None:
                raise self._error
            if self._received != self.size:
                raise BadRequest(f"The upload has {self._received} bytes instead of {self.size}.")
            if not self.size:
                await self._part.write(b"")
            is_new = await self._part.commit(self.id)
            if not is_new and await self._digest_of_stored() != self._hash.digest():
                raise Conflict("Another file is kept under this address.")
            picture = picture_in(bytes(self._head))
            type = picture.type if picture is not None else OCTET_STREAM
            return Uploaded(self.id, self.size, type, self._hash.hexdigest(), is_new)
        finally:
            await self._clean_up()

    # --- inside

    async def _pump(self) -> None:
        try:
            while self._waiting and self._error is None:
                data = b"".join(self._waiting)
                self._waiting.clear()
                self._waiting_size = 0
                self._hash.update(data)
                if len(self._head) < HEAD_SIZE:
                    self._head += data[: HEAD_SIZE - len(self._head)]
                await self._part.write(data)
                if self._silence.active():
                    self._silence.reset(self._limits.silence)
                if self._waiting_size <= _LOW_WATER:
                    self._flow.resume()
        except MeetingError as error:
            self._error = error
        finally:
            self._is_pumping = False
            self._flow.resume()

    async def _digest_of_stored(self) -> bytes:
        stored = await self._store.open(self.id)
        digest = sha256()
        if stored is not None:
            try:
                offset = 0
                while data := await stored.read(offset, 1 << 20):
                    digest.update(data)
                    offset += len(data)
            finally:
                stored.close()
        return digest.digest()

    def _too_slow(self) -> None:
        self._give_up(error := TooSlow())
        self.on_slow(error)

    def _give_up(self, error: BaseException) -> None:
        self._error = error
        self._stop_timers()
        self._waiting.clear()
        Deferred.fromCoroutine(self._after_pump()).addErrback(
            lambda failure: self.log.failure("an upload left a part behind; it is swept later", failure)
        )

    async def _after_pump(self) -> None:
        await self._pumped
        await self._clean_up()

    async def _clean_up(self) -> None:
        self._ended(self)
        await self._part.abort()

    def _stop_timers(self) -> None:
        for timer in (self._silence, self._slowest_end):
            if timer.active():
                timer.cancel()
