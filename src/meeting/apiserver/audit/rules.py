"""What an entry of the audit log says, and which day it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

TEXT_LENGTH = 300
#: Details beyond this many characters of JSON are left out, and the entry says so.
DETAILS_LENGTH = 8000

#: Members whose values stand in no log, whatever they are called in front.
_SECRETS = ("secret", "password", "passcode", "code_hash", "token", "cookie")


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


class ActorKind(StrEnum):
    PERSON = "person"
    #: A program with a person's API token.
    TOKEN = "token"
    GUEST = "guest"
    DAEMON = "daemon"
    #: The hub by itself: a sweep, a time that is over.
    HUB = "hub"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Actor:
    """Who did it; `id` is a person's (also of a token's owner) or a guest's."""

    kind: ActorKind
    id: str | None = None


NOBODY = Actor(ActorKind.NOBODY)
HUB = Actor(ActorKind.HUB)


@dataclass(frozen=True)
class Origin:
    """Where it came from: who asked, the address, and the request's id."""

    actor: Actor
    source: str = ""
    request: str = ""


@dataclass(frozen=True)
class Entry:
    """Something that was done, or refused."""

    word: str
    origin: Origin
    outcome: Outcome = Outcome.DONE
    meeting_id: str | None = None
    target_id: str | None = None
    target_text: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def without_secrets(value: Any) -> Any:
    """The same, with whatever is called a secret, a password or the like replaced by `…`."""
    if isinstance(value, Mapping):
        return {
            name: "…" if any(word in str(name).lower() for word in _SECRETS) and inner else without_secrets(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(each) for each in value]
    return value


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """`{name: {"from": old, "to": new}}` of what differs, without secrets."""
    return {
        name: without_secrets({name: {"from": before.get(name), "to": after.get(name)}})[name]
        if not any(word in name.lower() for word in _SECRETS)
        else {"from": "…", "to": "…"}
        for name in after
        if before.get(name) != after.get(name)
    }


def first_kept(now: datetime, days: int) -> datetime:
    """The beginning of the oldest day that is kept: only whole days (UTC) are ever removed."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days)
