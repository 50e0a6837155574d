"""What a document asks of those around it, why it refuses, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class CloseCode(IntEnum):
    """Why the hub ends a connection: 4000 and the HTTP status that says the same (RFC 6455, section 7.4.2)."""

    TRY_AGAIN = 4503
    MALFORMED = 4400
    NOT_ALLOWED = 4403
    TOO_LARGE = 4413
    TOO_MANY = 4429


class Refused(Exception):
    """A client's message cannot be taken: its connection ends with this code and text."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Limits:
    """What one document and one client may cost."""

    document: int = 15 << 20  # bytes of all updates: as one they must fit into a MEDIUMBLOB
    update: int = 1 << 20  # bytes of one
    queue: int = 4 << 20  # bytes of updates that wait for the database
    awareness: int = 256 << 10  # bytes of one awareness message: clients echo those of all others
    caret: int = 4 << 10  # characters of one state
    carets: int = 8  # states of one connection
    departed: int = 1000  # carets that are remembered after they left
    depth: int = 64  # elements within elements


@dataclass(frozen=True)
class Send:
    """A frame for one client."""

    client: int
    frame: bytes


@dataclass(frozen=True)
class Store:
    """Updates to commit, in one transaction; then call `stored` or `not_stored`."""

    updates: tuple[bytes, ...]


@dataclass(frozen=True)
class Close:
    """End this client's connection; it has left already as far as the document knows."""

    client: int
    code: CloseCode
    reason: str


@dataclass(frozen=True)
class Gather:
    """Carets have moved: call `show_carets` in a moment, when more have. Comes once until then."""


@dataclass(frozen=True)
class Tell:
    """Something for the replicas that have this document open too; they take it by `hear_carets`."""

    carets: bytes


Effect = Send | Store | Close | Gather | Tell
