"""The frames of the y-websocket protocol: y-protocols `PROTOCOL.md`, `sync.js`, `awareness.js`; message 100 is ours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from meeting.apiserver.minutes.updates import MAX_CLIENT, BadUpdate, Reader


class MessageType(IntEnum):
    """The first number of every frame."""

    SYNC = 0
    AWARENESS = 1
    QUERY_AWARENESS = 3
    DURABLE = 100


class SyncType(IntEnum):
    """The second number of a sync message."""

    STEP_1 = 0
    STEP_2 = 1
    UPDATE = 2


def _uint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)
    return bytes(out)


def _buffer(data: bytes) -> bytes:
    return _uint(len(data)) + data


def sync_frame(type_: SyncType, payload: bytes) -> bytes:
    """A sync message: a state vector (step 1) or an update (step 2, update)."""
    return bytes((MessageType.SYNC, type_)) + _buffer(payload)


def durable_frame(count: int) -> bytes:
    """The acknowledgement: how many step 2 and update messages of this connection are in the database."""
    return bytes((MessageType.DURABLE,)) + _uint(count)


@dataclass(frozen=True)
class Caret:
    """One client's entry in an awareness message; `state` None: it left."""

    client: int
    clock: int
    state: dict[str, Any] | None


def awareness_frame(carets: list[Caret]) -> bytes:
    """An awareness message about `carets`."""
    return bytes((MessageType.AWARENESS,)) + _buffer(awareness_payload(carets))


def awareness_payload(carets: list[Caret]) -> bytes:
    """What is in it: what `read_awareness` reads."""
    entries = b"".join(
        _uint(caret.client) + _uint(caret.clock) + _buffer(json.dumps(caret.state).encode()) for caret in carets
    )
    return _uint(len(carets)) + entries


def updates_payload(updates: Sequence[bytes]) -> bytes:
    """Several updates behind one another."""
    return b"".join(map(_buffer, updates))


def read_updates(payload: bytes) -> list[bytes]:
    """The updates in what `updates_payload` wrote.

    :raise BadUpdate: it ends in the middle.
    """
    reader = Reader(payload)
    updates = []
    while reader.left:
        updates.append(reader.buffer())
    return updates


def read_awareness(payload: bytes) -> list[tuple[int, int, str]]:
    """Client, clock and state (still JSON text) of each entry.

    :raise BadUpdate: it is not what y-protocols' encodeAwarenessUpdate writes.
    """
    reader = Reader(payload)
    carets = [(reader.uint(MAX_CLIENT), reader.uint(), reader.text()) for _ in range(reader.uint())]
    reader.end()
    return carets


def read_caret_state(text: str) -> dict[str, Any]:
    try:
        state = json.loads(text)
    except (ValueError, RecursionError):
        raise BadUpdate("a caret's state is not JSON") from None
    if not isinstance(state, dict):
        raise BadUpdate("a caret's state is not an object")
    return state
