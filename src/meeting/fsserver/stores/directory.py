"""Objects as files in a directory: `objects/ab/cd/<id>` holds exactly the bytes, `parts/` what is not complete.

The file is the whole truth: there is no index and no side file that could disagree with it. Both folders lie in one
file system, so a complete part becomes an object by one rename; its bytes are synced before it and the folder after it,
hence what was acknowledged is there after a power cut, and what was not never shows.

All of it blocks, so all of it runs in the store's own threads; its face are coroutines.
"""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from uuid import uuid4

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from meeting.fsserver.stores.interface import IPart, IStore, IStored, NoSpace, StoreFailed

T = TypeVar("T")

_FULL = (errno.ENOSPC, errno.EDQUOT)


@implementer(IStore)
class DirectoryStore(Service):
    """The default store. Usable between `startService` and `stopService`, which waits for what is under way."""

    log = Logger()

    def __init__(self, directory: Path, reactor: Any, *, free_space: int = 0, threads: int = 4) -> None:
        """`free_space`: bytes that uploads must leave free in the file system."""
        self._objects = directory / "objects"
        self._parts = directory / "parts"
        self._reactor = reactor
        self._free_space = free_space
        self._threads = ThreadPool(1, threads, "files")
        self._committing = Lock()

    def startService(self) -> None:
        """Make the folders; begin the threads."""
        super().startService()
        for folder in (self._objects, self._parts):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._threads.start()

    def stopService(self) -> None:
        """End the threads, after their work."""
        super().stopService()
        self._threads.stop()

    def begin(self) -> "_Part":
        """IStore.begin"""
        return _Part(self, self._parts / uuid4().hex)

    async def open(self, id: str) -> "_Stored | None":
        """IStore.open"""
        return await self.run(self._open, id)

    def check_space(self, size: int) -> None:
        """IStore.check_space"""
        try:
            free = shutil.disk_usage(self._parts).free
        except OSError as error:
            self.log.error("no answer about free space: {error}", error=error)
            raise StoreFailed(10) from None
        if free - size < self._free_space:
            raise NoSpace()

    async def remove(self, id: str) -> None:
        """IStore.remove"""
        await self.run(self._remove, id)

    async def sweep(self, older_than: float) -> int:
        """IStore.sweep"""
        return await self.run(self._sweep, older_than)

    def run(self, function: Callable[..., T], *arguments: object) -> Deferred[T]:
        """`function` in a thread; errors of the file system become those of the interface."""

        def guarded() -> T:
            try:
                return function(*arguments)
            except OSError as error:
                self.log.error("the file system refused: {error}", error=error)
                if error.errno in _FULL:
                    raise NoSpace() from None
                raise StoreFailed(5) from None

        return deferToThreadPool(self._reactor, self._threads, guarded)

    # --- in a thread

    def _path(self, id: str) -> Path:
        # Ids are ordered by time, their ends are random: two levels of 256 from the end spread any number evenly.
        return self._objects / id[-2:] / id[-4:-2] / id

    def _open(self, id: str) -> "_Stored | None":
        try:
            descriptor = os.open(self._path(id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        return _Stored(self, descriptor, os.fstat(descriptor).st_size)

    def _remove(self, id: str) -> None:
        path = self._path(id)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _sync_folder(path.parent)

    def _sweep(self, older_than: float) -> int:
        # The clock of the file system is compared with itself.
        probe = self._parts / uuid4().hex
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
        removed = 0
        for part in self._parts.iterdir():
            try:
                if part.stat().st_mtime < now - older_than:
                    part.unlink()
                    removed += 1
            except FileNotFoundError:
                continue
        return removed

    def commit(self, part: Path, id: str) -> bool:
        """Make the synced file `part` the object `id`; False when there is one."""
        path = self._path(id)
        with self._committing:
            if path.exists():
                return False
            if not path.parent.is_dir():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync_folder(path.parent.parent)
                _sync_folder(self._objects)
            os.rename(part, path)
        _sync_folder(path.parent)
        return True


@implementer(IPart)
class _Part:
    def __init__(self, store: DirectoryStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._file: int | None = None

    async def write(self, data: bytes) -> None:
        await self._store.run(self._write, data)

    async def commit(self, id: str) -> bool:
        return await self._store.run(self._commit, id)

    async def abort(self) -> None:
        await self._store.run(self._abort)

    def _descriptor(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        return self._file

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor(), view) :]

    def _commit(self, id: str) -> bool:
        os.fsync(self._descriptor())
        return self._store.commit(self._path, id)

    def _abort(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._path.unlink(missing_ok=True)


@implementer(IStored)
class _Stored:
    def __init__(self, store: DirectoryStore, descriptor: int, size: int) -> None:
        self._store = store
        self._descriptor: int | None = descriptor
        self.size = size
        self._reading = 0
        self._closed = False

    async def read(self, offset: int, size: int) -> bytes:
        descriptor = self._descriptor
        if descriptor is None:
            return b""
        self._reading += 1
        try:
            return await self._store.run(os.pread, descriptor, size, offset)
        finally:
            self._reading -= 1
            if self._closed:
                self._close()

    def close(self) -> None:
        self._closed = True
        self._close()

    def _close(self) -> None:
        if not self._reading and self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
