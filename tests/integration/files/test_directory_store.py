"""The directory as a store, on a real file system and in real threads."""

import os
from pathlib import Path

import pytest
from zope.interface.verify import verifyObject

from meeting.fsserver.stores.directory import DirectoryStore
from meeting.fsserver.stores.interface import IPart, IStore, IStored, NoSpace
from tests.support.deadlines import deadline

ID = "0123456789abcdef0123456789abcdef"


def opened(directory: Path, **options: int) -> DirectoryStore:
    from twisted.internet import reactor

    store = DirectoryStore(directory, reactor, **options)
    store.startService()
    return store


@deadline(20)
async def test_a_part_becomes_an_object_once(tmp_path: Path) -> None:
    store = opened(tmp_path)
    try:
        verifyObject(IStore, store)
        first, second = store.begin(), store.begin()
        verifyObject(IPart, first)
        await first.write(b"one ")
        await first.write(b"file")
        assert await store.open(ID) is None
        assert await first.commit(ID) is True
        await first.abort()
        await second.write(b"another")
        assert await second.commit(ID) is False
        await second.abort()
        stored = await store.open(ID)
        assert stored is not None
        verifyObject(IStored, stored)
        assert stored.size == 8
        assert await stored.read(4, 100) == b"file"
        assert await stored.read(8, 100) == b""
        stored.close()
        assert list((tmp_path / "parts").iterdir()) == []
        assert oct((tmp_path / "objects" / "ef" / "cd" / ID).stat().st_mode & 0o777) == "0o600"
    finally:
        store.stopService()


@deadline(20)
async def test_what_is_removed_is_gone_and_who_reads_it_reads_on(tmp_path: Path) -> None:
    store = opened(tmp_path)
    try:
        part = store.begin()
        await part.write(b"one file")
        await part.commit(ID)
        stored = await store.open(ID)
        assert stored is not None
        await store.remove(ID)
        await store.remove(ID)
        assert await store.open(ID) is None
        assert await stored.read(0, 100) == b"one file"
        stored.close()
    finally:
        store.stopService()


@deadline(20)
async def test_old_parts_are_swept_and_young_ones_stay(tmp_path: Path) -> None:
    store = opened(tmp_path)
    try:
        for name, age in (("old", 90_000), ("young", 10)):
            part = tmp_path / "parts" / name
            part.write_bytes(b"half")
            moment = part.stat().st_mtime - age
            os.utime(part, (moment, moment))
        assert await store.sweep(86_400) == 1
        assert [part.name for part in (tmp_path / "parts").iterdir()] == ["young"]
    finally:
        store.stopService()


@deadline(20)
async def test_the_floor_of_free_space_is_kept(tmp_path: Path) -> None:
    store = opened(tmp_path, free_space=1 << 60)
    try:
        with pytest.raises(NoSpace):
            store.check_space(1)
    finally:
        store.stopService()
