"""Yjs updates (format v1), read and judged before the CRDT library sees them.

The library that merges minutes (yrs, through pycrdt) is safe against bytes that make no sense, but not against sense
that is
absurd: a value or an element nested some ten thousand deep overflows its stack and takes the whole hub down, and
lengths beyond 32 bit are cut off silently. It also keeps updates whose predecessors are missing, unbounded. So every
update from
outside passes `History.news` first, which refuses what is malformed, nested too deep, or not the next thing its
author can say.

The format: Yjs `src/utils/encoding.js` (readClientsStructRefs), `src/utils/DeleteSet.js`, `src/structs/Item.js`,
lib0 `encoding.js` (readAny). Depth is counted from the root: a paragraph is 1, its text 2, a character of it 3.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pycrdt import merge_updates

MAX_CLOCK = 0xFFFF_FFFF  # yrs keeps clocks and lengths in 32 bit
MAX_CLIENT = (1 << 53) - 1  # what a JavaScript number can hold

GC, DELETED, JSON_CONTENT, BINARY, STRING, EMBED, FORMAT, TYPE, ANY = range(9)
SKIP = 10
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_PARENT_SUB = 0x80, 0x40, 0x20
_NAMED_TYPES = (3, 5)  # XmlElement and XmlHook carry a name
_ANY_MAP, _ANY_ARRAY, _ANY_INTEGER = 118, 117, 125
_ANY_BUFFERS = (119, 116)  # string, bytes
# undefined, null, false, true, float32, float64, bigint
_ANY_SIZES = {127: 0, 126: 0, 121: 0, 120: 0, 124: 4, 123: 8, 122: 8}
_LAST_TYPE = 6  # Array, Map, Text, XmlElement, XmlFragment, XmlHook, XmlText


class BadUpdate(ValueError):
    """This is not a Yjs update that a document can take."""


class TooDeep(BadUpdate):
    """Elements or values are nested deeper than any text needs."""


class MissingPredecessor(BadUpdate):
    """The update builds on something this document has never seen."""


class ItemId(NamedTuple):
    """Which client made an item, and the how manieth of its items it is."""

    client: int
    clock: int


class Struct(NamedTuple):
    """One run of items in an update; `parent` None and `origins` empty: directly under a root type."""

    id: ItemId
    length: int
    origins: tuple[ItemId, ...]
    parent: ItemId | None
    collected: bool


class News(NamedTuple):
    """The next `length` items of a client, all `depth` deep."""

    client: int
    length: int
    depth: int


class Reader:
    """lib0's variable-length numbers and strings, with every end checked."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """One byte."""
        if self._at >= len(self._data):
            raise BadUpdate("it ends in the middle")
        value = self._data[self._at]
        self._at += 1
        return value

    def uint(self, most: int = MAX_CLOCK) -> int:
        """An unsigned number, seven bits a byte, least first."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if value > most or shift > 63:
                raise BadUpdate("a number in it is too large")
            if byte < 0x80:
                return value
            shift += 7

    def buffer(self) -> bytes:
        """A length and that many bytes."""
        return self.take(self.uint())

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        if size > self.left:
            raise BadUpdate("it ends in the middle")
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def text(self) -> str:
        """A length in bytes and UTF-8."""
        try:
            return self.buffer().decode()
        except UnicodeDecodeError:
            raise BadUpdate("a text in it is not UTF-8") from None

    def id(self) -> ItemId:
        """A client and a clock."""
        return ItemId(self.uint(MAX_CLIENT), self.uint())

    def end(self) -> None:
        """Nothing may follow."""
        if self.left:
            raise BadUpdate("bytes follow its end")


def _skip_any(reader: Reader, deepest: int) -> None:
    """Pass one lib0 "any" value, nested at most `deepest`; no recursion, whatever comes."""
    levels = [(1, False)]  # for each open level: values still to come, and whether each has a key before it
    while levels:
        left, keyed = levels.pop()
        if not left:
            continue
        levels.append((left - 1, keyed))
        if keyed:
            reader.text()
        kind = reader.byte()
        if kind in (_ANY_MAP, _ANY_ARRAY):
            if len(levels) > deepest:
                raise TooDeep("a value in it is nested too deep")
            levels.append((reader.uint(), kind == _ANY_MAP))
        elif kind in _ANY_SIZES:
            reader.take(_ANY_SIZES[kind])
        elif kind in _ANY_BUFFERS:
            reader.buffer()
        elif kind == _ANY_INTEGER:
            while reader.byte() & 0x80:
                pass
        else:
            raise BadUpdate(f"a value in it has the unknown type {kind}")


def _content_length(reader: Reader, kind: int, deepest: int) -> int:
    """Pass an item's content; how many clock ticks it takes."""
    if kind == DELETED:
        return reader.uint()
    if kind == STRING:
        return len(reader.text().encode("utf-16-le")) // 2
    if kind in (JSON_CONTENT, ANY):
        count = reader.uint()
        if count > reader.left:
            raise BadUpdate("it ends in the middle")
        for _ in range(count):
            if kind == ANY:
                _skip_any(reader, deepest)
            else:
                reader.text()
        return count
    if kind in (BINARY, EMBED):
        reader.buffer()
    elif kind == FORMAT:
        reader.text()
        reader.text()
    elif kind == TYPE:
        type_ = reader.uint()
        if type_ > _LAST_TYPE:
            raise BadUpdate("it holds a type that minutes do not have")
        if type_ in _NAMED_TYPES:
            reader.text()
    else:  # sub-documents, moves, and what does not exist
        raise BadUpdate("it holds content that minutes do not have")
    return 1


def _read_struct(reader: Reader, id: ItemId, deepest: int) -> Struct:
    info = reader.byte()
    kind = info & 0x1F
    if kind == SKIP:
        raise MissingPredecessor("it leaves something out")
    origins: list[ItemId] = []
    parent = None
    if kind == GC:
        length = reader.uint()
    else:
        if info & _HAS_ORIGIN:
            origins.append(reader.id())
        if info & _HAS_RIGHT_ORIGIN:
            origins.append(reader.id())
        if not origins:
            if reader.uint() == 1:
                reader.text()
            else:
                parent = reader.id()
            if info & _HAS_PARENT_SUB:
                reader.text()
        length = _content_length(reader, kind, deepest)
    if not length or id.clock + length > MAX_CLOCK:
        raise BadUpdate("an item in it has an impossible length")
    return Struct(id, length, tuple(origins), parent, kind == GC)


def read_update(update: bytes, deepest: int = 64) -> dict[int, list[Struct]]:
    """The structs of an update by client, in order; its delete set is checked and left out.

    :raise BadUpdate: it is no update.
    """
    reader = Reader(update)
    found: dict[int, list[Struct]] = {}
    for _ in range(reader.uint()):
        count = reader.uint()
        client = reader.uint(MAX_CLIENT)
        clock = reader.uint()
        if client in found:
            raise BadUpdate("it names a client twice")
        structs = found[client] = []
        for _ in range(count):
            struct = _read_struct(reader, ItemId(client, clock), deepest)
            structs.append(struct)
            clock += struct.length
    for _ in range(reader.uint()):
        reader.uint(MAX_CLIENT)
        for _ in range(reader.uint()):
            if reader.uint() + reader.uint() > MAX_CLOCK:
                raise BadUpdate("it deletes more than can exist")
    reader.end()
    return found


def as_one(updates: Sequence[bytes]) -> bytes:
    """Updates in any order, as one that a document can take.

    Merged they are in the order in which each builds on the one before. One after the other they are not: yrs keeps
    those that come too early, and does not take all of them up again when what they build on is there.
    """
    return updates[0] if len(updates) == 1 else merge_updates(*updates)


def check_state_vector(vector: bytes) -> None:
    """:raise BadUpdate: this is no state vector (a number of clients, then pairs of client and clock)."""
    reader = Reader(vector)
    for _ in range(reader.uint()):
        reader.id()
    reader.end()


@dataclass
class _Depths:
    """How deep the items of one client lie: runs of equal depth, by their first clock."""

    starts: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    clock: int = 0

    def add(self, length: int, depth: int) -> None:
        if not self.depths or self.depths[-1] != depth:
            self.starts.append(self.clock)
            self.depths.append(depth)
        self.clock += length

    def at(self, clock: int) -> int:
        return self.depths[bisect_right(self.starts, clock) - 1]


class History:
    """What a document has seen: how far each client has come, and how deep each of its items lies."""

    def __init__(self, deepest: int = 64) -> None:
        self.deepest = deepest
        self._clients: dict[int, _Depths] = {}

    def news(self, update: bytes) -> list[News]:
        """What an update adds, in an order in which each part can be integrated. Empty: at most it deletes.

        :raise BadUpdate: and its subclasses: the document must not take it.
        """
        structs = {client: structs for client, structs in read_update(update, self.deepest).items() if structs}
        admission = _Admission(self._clients, structs, self.deepest)
        for client in structs:
            admission.run(client)
        return admission.admitted

    def note(self, news: list[News]) -> None:
        """The update that had these news is being applied."""
        for client, length, depth in news:
            self._clients.setdefault(client, _Depths()).add(length, depth)


class _Admission:
    """Goes through one update in causal order, as Yjs does: a struct waits until what it builds on is there."""

    def __init__(self, known: dict[int, _Depths], structs: dict[int, list[Struct]], deepest: int) -> None:
        self._known = known
        self._structs = structs
        self._deepest = deepest
        self._new: dict[int, _Depths] = {}
        self._next = dict.fromkeys(structs, 0)
        self.admitted: list[News] = []

    def run(self, client: int) -> None:
        """Admit all structs of a client, and before them what they need of others."""
        waiting = [(client, MAX_CLOCK)]
        on_stack = {client}
        while waiting:
            current, until = waiting[-1]
            missing = self._advance(current, until)
            if missing is None:
                waiting.pop()
                on_stack.discard(current)
            elif missing.client in on_stack or missing.client not in self._structs:
                raise MissingPredecessor("it builds on something that is not there")
            else:
                waiting.append((missing.client, missing.clock))
                on_stack.add(missing.client)

    def _clock(self, client: int) -> int:
        depths = self._new.get(client)
        if depths is not None:
            return depths.clock
        known = self._known.get(client)
        return known.clock if known is not None else 0

    def _depth(self, id: ItemId) -> int:
        new = self._new.get(id.client)
        if new is not None and new.starts and id.clock >= new.starts[0]:
            return new.at(id.clock)
        return self._known[id.client].at(id.clock)

    def _advance(self, client: int, until: int) -> ItemId | None:
        """Admit this client's structs up to and with clock `until`; what is missing for that, if anything."""
        structs = self._structs[client]
        while self._next[client] < len(structs) and self._clock(client) <= until:
            struct = structs[self._next[client]]
            clock = self._clock(client)
            end = struct.id.clock + struct.length
            if struct.id.clock > clock:
                raise MissingPredecessor("it leaves something out")
            if end > clock:
                for needed in self._needed(struct):
                    if needed.clock >= self._clock(needed.client):
                        return needed
                self._admit(struct, end - clock)
            self._next[client] += 1
        if self._clock(client) <= until < MAX_CLOCK:
            raise MissingPredecessor("it builds on something that is not there")
        return None

    @staticmethod
    def _needed(struct: Struct) -> Iterator[ItemId]:
        yield from struct.origins
        if struct.parent is not None:
            yield struct.parent

    def _admit(self, struct: Struct, new_length: int) -> None:
        if struct.collected:
            depth = 0
        elif struct.origins:
            depth = max(self._depth(origin) for origin in struct.origins)
        else:
            depth = 1 + (self._depth(struct.parent) if struct.parent is not None else 0)
        if depth > self._deepest:
            raise TooDeep("its elements are nested too deep")
        client = struct.id.client
        if client not in self._new:
            self._new[client] = _Depths(clock=self._clock(client))
        self._new[client].add(new_length, depth)
        self.admitted.append(News(client, new_length, depth))
