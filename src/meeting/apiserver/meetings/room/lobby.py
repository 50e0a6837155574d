"""The door of a meeting: who comes in at once, who waits before it, and what those who lead say to them.

Waiting is asking again: each question of a waiting page is written down as seen, so that whichever replica is asked has
the whole list, and a page that is gone falls off it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, or_, select, update

from meeting.apiserver.database import upsert
from meeting.apiserver.meetings.places import Place, RoomState, leaders
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.tables import attendance, knock
from meeting.daemon.errors import Forbidden, PleaseWait

#: Seconds until a waiting page asks again.
ASK_AGAIN = 2
#: A page that says nothing for so long is gone. Browsers let a page in the background speak once a minute.
GONE = timedelta(seconds=75)
#: A question is written down at most this often.
SEEN_EVERY = timedelta(seconds=5)
#: Who was turned away hears it for so long, and may knock again afterwards.
DENIED_FOR = timedelta(seconds=30)
#: Who was admitted and did not come in knocks again.
ADMITTED_FOR = timedelta(minutes=10)
MOST_WAITING = 200
#: Who has been let in comes back without knocking: a lost connection, a new sfuserver, a break.
PASS = timedelta(hours=12)


class Reason(StrEnum):
    """Why somebody waits."""

    LOBBY = "lobby"
    LOCKED = "locked"
    PASSCODE = "passcode"
    REMOVED = "removed"


class TurnedAway(Forbidden):
    """Somebody said no."""

    problem = "turned-away"
    title = "You were not let in."


class Banned(Forbidden):
    """Sent away for good."""

    problem = "banned"
    title = "You cannot come back into this meeting."


@dataclass(frozen=True)
class Waiting:
    """Somebody at the door, as those who may let them in see it."""

    id: str
    name: str
    is_guest: bool
    asked_at: datetime


@dataclass(frozen=True)
class Wait:
    """What somebody at the door is told."""

    reason: Reason
    #: Whether somebody is inside who can let them in.
    host_present: bool


def why_wait(place: Place, room: RoomState, *, lobby: bool, passcode_missing: bool, now: datetime) -> Reason | None:
    """Why someone has to wait who has not been admitted; None: they come in."""
    if place.leads or (place.passes_until is not None and place.passes_until > now and not place.removed):
        return None
    if room.locked:
        return Reason.LOCKED
    if place.removed:
        return Reason.REMOVED
    known = place.invited or place.role is Role.PRESENTER
    if lobby and not (known and Right.PASS_LOBBY in place.rights):
        return Reason.LOBBY
    return Reason.PASSCODE if passcode_missing and not known else None


_MINE = knock.c.meeting_id == bindparam("meeting_id"), knock.c.subject_id == bindparam("subject_id")
_ANSWER = select(knock.c.answer, knock.c.answered_at).where(*_MINE)
_LEAVE = delete(knock).where(*_MINE)


def answer_to(transaction: Connection, meeting_id: str, subject_id: str, now: datetime) -> bool:
    """Whether someone was admitted; raises TurnedAway if they were turned away."""
    row = transaction.execute(_ANSWER, {"meeting_id": meeting_id, "subject_id": subject_id}).first()
    if row is None or row.answer is None:
        return False
    if row.answer == "denied":
        if row.answered_at > now - DENIED_FOR:
            raise TurnedAway()
        return False
    return bool(row.answered_at > now - ADMITTED_FOR)


def wait(transaction: Connection, of: Meeting, place: Place, reason: Reason, now: datetime) -> Wait:
    """Knock, or go on waiting. Raises PleaseWait where too many do."""
    mine = knock.c.meeting_id == of.id, knock.c.subject_id == place.subject_id
    row = transaction.execute(select(knock).where(*mine)).first()
    goes_on = row is not None and row.answer is None and row.seen_at > now - GONE
    if not goes_on:
        if _count(transaction, of.id, now) >= MOST_WAITING:
            raise PleaseWait(10, "Too many people are waiting before this meeting.")
        fresh = {"name": place.name, "is_guest": place.role is Role.GUEST, "asked_at": now, "seen_at": now}
        fresh |= {"answer": None, "answered_at": None}
        upsert(transaction, knock, {"meeting_id": of.id, "subject_id": place.subject_id, **fresh}, fresh)
    elif row is not None and row.seen_at <= now - SEEN_EVERY:
        transaction.execute(update(knock).where(*mine).values(seen_at=now))
    return Wait(reason, host_present(transaction, of))


def host_present(transaction: Connection, of: Meeting) -> bool:
    """Whether the host or a co-host is in the room."""
    # An identity is `<subject>:<device>` (docs/protocols/tokens.md).
    theirs = or_(*(attendance.c.identity.startswith(f"{subject}:") for subject in leaders(transaction, of)))
    there = select(attendance.c.stay).where(attendance.c.meeting_id == of.id, attendance.c.left_at.is_(None), theirs)
    return transaction.execute(there.limit(1)).first() is not None


def waiting(transaction: Connection, meeting_id: str, now: datetime) -> list[Waiting]:
    """Who is at the door, the first first."""
    rows = transaction.execute(select(knock).where(*_at_the_door(meeting_id, now)).order_by(knock.c.asked_at))
    return [Waiting(row.subject_id, row.name, bool(row.is_guest), row.asked_at) for row in rows]


def answer(
    transaction: Connection, meeting_id: str, ids: Collection[str] | None, *, admit: bool, now: datetime
) -> None:
    """Let in, or turn away, those with these ids; None: everybody who waits."""
    change = update(knock).where(*_at_the_door(meeting_id, now))
    if ids is not None:
        change = change.where(knock.c.subject_id.in_(ids))
    transaction.execute(change.values(answer="admitted" if admit else "denied", answered_at=now))


def leave(transaction: Connection, meeting_id: str, subject_id: str) -> None:
    """Wait no longer, or come in."""
    transaction.execute(_LEAVE, {"meeting_id": meeting_id, "subject_id": subject_id})


def sweep(transaction: Connection, now: datetime) -> None:
    """Forget pages that are gone, and answers that nobody came for."""
    transaction.execute(delete(knock).where(knock.c.seen_at <= now - ADMITTED_FOR))


def _count(transaction: Connection, meeting_id: str, now: datetime) -> int:
    count = select(func.count()).select_from(knock).where(*_at_the_door(meeting_id, now))
    return int(transaction.execute(count).scalar_one())


def _at_the_door(meeting_id: str, now: datetime) -> tuple[Any, ...]:
    return knock.c.meeting_id == meeting_id, knock.c.answer.is_(None), knock.c.seen_at > now - GONE
