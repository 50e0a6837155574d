"""What an API token looks like and what it may open."""

import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from meeting.daemon.errors import BadRequest, Forbidden

#: What a token may be good for, in words for whoever makes one. A route names one of them (`daemon.route.Route.scope`).
SCOPES: dict[str, str] = {
    "me:read": "read your profile",
    "me:write": "change your profile",
    "meetings:read": "read your meetings",
    "meetings:write": "make, change, moderate and end meetings",
    "meetings:join": "join meetings",
    "chat:read": "read chats",
    "chat:write": "write in chats",
    "minutes:read": "read minutes and files",
    "minutes:write": "write minutes and add files",
    "admin:read": "read everything that administrators see",
    "admin:write": "do what administrators may",
}

#: Scopes that only administrators can give; they hold as long as the person is one.
HUB_WIDE = frozenset({"admin:read", "admin:write"})

MOST_TOKENS = 50
LONGEST_DAYS = 366
#: How long a token that is over is still listed.
MEMORY = timedelta(days=30)
#: A token in use is noted in the database at most this often.
USE_NOTED = timedelta(minutes=10)

_TOKEN = re.compile(r"mtg_[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """A fresh token: 256 bits nobody guesses. The prefix lets scanners of repositories find it."""
    return "mtg_" + secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Whether a text has the form of a token."""
    return _TOKEN.fullmatch(text) is not None


def digest(token: str) -> bytes:
    """As what a token is stored. It is random: nothing slower is needed to keep it from being found."""
    return sha256(token.encode()).digest()


def checked_scopes(given: Iterable[str], *, administrator: bool) -> frozenset[str]:
    """The scopes, if there are such and this person may give them. Raises BadRequest, Forbidden."""
    scopes = frozenset(given)
    unknown = sorted(scopes - SCOPES.keys())
    if unknown:
        raise BadRequest(f"{unknown[0][:40]!r} is no scope; there are {', '.join(SCOPES)}.")
    if not scopes:
        raise BadRequest("A token needs at least one scope.")
    if scopes & HUB_WIDE and not administrator:
        raise Forbidden("Only administrators of this server make tokens that administer it.")
    return scopes
