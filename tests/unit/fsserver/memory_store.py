"""An IStore in memory whose disk can be slow or full."""

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from meeting.fsserver.stores.interface import IPart, IStore, IStored, NoSpace


@implementer(IStore)
class MemoryStore:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: list[Part] = []
        self.free = 1 << 40
        self.is_slow = False
        self.writes: list[Deferred[None]] = []
        self.open_files = 0
        verifyObject(IStore, self)

    def begin(self) -> "Part":
        part = Part(self)
        verifyObject(IPart, part)
        self.parts.append(part)
        return part

    async def open(self, id: str) -> "Stored | None":
        if id not in self.objects:
            return None
        self.open_files += 1
        stored = Stored(self, self.objects[id])
        verifyObject(IStored, stored)
        return stored

    def check_space(self, size: int) -> None:
        if size > self.free:
            raise NoSpace()

    async def remove(self, id: str) -> None:
        self.objects.pop(id, None)

    async def sweep(self, older_than: float) -> int:
        return 0

    def write_one(self) -> None:
        """The slow disk finishes the oldest write."""
        self.writes.pop(0).callback(None)


@implementer(IPart)
class Part:
    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.data = b""

    async def write(self, data: bytes) -> None:
        if self.store.is_slow:
            waiting: Deferred[None] = Deferred()
            self.store.writes.append(waiting)
            await waiting
        if len(data) > self.store.free:
            raise NoSpace()
        self.data += data

    async def commit(self, id: str) -> bool:
        if id in self.store.objects:
            return False
        self.store.objects[id] = self.data
        return True

    async def abort(self) -> None:
        if self in self.store.parts:
            self.store.parts.remove(self)


@implementer(IStored)
class Stored:
    def __init__(self, store: MemoryStore, data: bytes) -> None:
        self.store = store
        self.data = data
        self.size = len(data)

    async def read(self, offset: int, size: int) -> Any:
        return self.data[offset : offset + size]

    def close(self) -> None:
        self.store.open_files -= 1
