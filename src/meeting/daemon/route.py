"""What is declared of a route: who may call it, with which token, how often, and what it is called in the audit log.

The declaration is the truth: the hub's gate enforces it before the handler, the OpenAPI document and docs/access.md
are written from it, and the tests try every role on every operation.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

from pydantic import BaseModel

from meeting.daemon.errors import MeetingError


class Who(Flag):
    """Who calls, seen from what the path names. Several joined by `|` may call a route."""

    NOBODY = auto()
    """Not signed in, or a guest of another meeting."""
    GUEST = auto()
    """A guest of this meeting."""
    STRANGER = auto()
    """Signed in, and nothing to do with this meeting; the host of another one, too."""
    PARTICIPANT = auto()
    """Invited to this meeting, or has joined it."""
    COHOST = auto()
    """Made a co-host of this meeting."""
    OWNER = auto()
    """Whose meeting it is; of other things: who made it."""
    ADMINISTRATOR = auto()
    """Looks after this server."""
    DAEMON = auto()
    """One of the servers, by its signature."""

    HOST = OWNER | COHOST
    MEMBER = PARTICIPANT | HOST
    """Has an account and belongs to this meeting."""
    INSIDER = GUEST | MEMBER
    """Belongs to this meeting."""
    PERSON = STRANGER | MEMBER | ADMINISTRATOR
    """Anyone with an account."""
    PUBLIC = NOBODY | GUEST | PERSON
    """Anyone at all."""

    @property
    def words(self) -> list[str]:
        """Each of them in a word, as the documents name them."""
        return [str(each.name).lower() for each in self]


@dataclass(frozen=True, kw_only=True)
class Route:
    """One declared route; the fields are the arguments of `Api.route`."""

    method: str
    path: str
    handler: Callable[..., Awaitable[Any]]
    callers: Who
    scope: str | None = None
    """The scope that an API token needs; None: a token opens nothing here that is not open to everybody."""
    limit: int | None = None
    """How often one caller may call it in a minute, beside the limit over all routes."""
    idempotent: bool = False
    """Takes an `Idempotency-Key`."""
    audit: str | None = None
    """The word under which a call stands in the audit log; None: it changes nothing that matters there."""
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    also: Sequence[int] = ()
    """Other statuses with the same answer: 200, where what is asked for was there already."""
    summary: str = ""
    errors: Sequence[type[MeetingError]] = ()
    tags: Sequence[str] = ()
    raw: bool = False
    """The handler owns the request and finishes it."""

    @property
    def is_public(self) -> bool:
        """Whether nobody has to sign in."""
        return Who.NOBODY in self.callers
