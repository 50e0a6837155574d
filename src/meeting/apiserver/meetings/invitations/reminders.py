"""Reminders by mail, a few minutes before a meeting, to all who have not declined.

Exactly once, however many replicas look: the row that says it was sent is written with the mail, and of two that write
it one does everything again and finds it there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.use_cases import Person, people_by_email
from meeting.apiserver.database import Database, Stale, upsert
from meeting.apiserver.mail.use_cases import Mail
from meeting.apiserver.meetings import queries
from meeting.apiserver.meetings.invitations.letters import Letters
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.rules import Kind, Reply
from meeting.apiserver.meetings.tables import calendar_choice, meeting, reminder
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import BadRequest

#: How many minutes before, for whoever has not chosen; and what can be chosen.
DEFAULT_MINUTES = 10
CHOICES = (5, 10, 15, 30, 60)
#: Meetings looked at in one transaction.
_BATCH = 50
#: How long it is remembered that a reminder was sent; longer than a meeting could still be about to begin.
_MEMORY = timedelta(days=2)


@dataclass(frozen=True)
class Due:
    """Who is to be reminded of a meeting now."""

    meeting: Meeting
    emails: tuple[str, ...]


class Reminders:
    """Sends them, and keeps what people have chosen."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        mail: Mail,
        letters: Letters,
        usual: Callable[[], int | None] = lambda: DEFAULT_MINUTES,
    ) -> None:
        """`usual`: how many minutes before, for whoever has not chosen; None: not at all."""
        self._usual = usual
        self._database = database
        self._clock = clock
        self._mail = mail
        self._letters = letters

    async def send(self) -> None:
        """Send what is due: one of the rounds, on every replica."""
        now = utc_now(self._clock)
        usual = self._usual()
        while await self._database.read(_due, usual, now):
            await self._database.run(self._send, usual, now)
            self._mail.wake()

    def _send(self, transaction: Connection, usual: int | None, now: datetime) -> None:
        for due in _due(transaction, usual, now):
            rows = [
                {"meeting_id": due.meeting.id, "begin_at": due.meeting.begin_at, "email": email} for email in due.emails
            ]
            try:
                transaction.execute(insert(reminder), rows)
            except IntegrityError as error:
                raise Stale("another replica has sent some of these") from error
            self._mail.post(transaction, *self._letters.reminders(transaction, due.meeting, due.emails, now))

    async def sweep(self) -> None:
        """Forget what was sent long ago."""
        await self._database.run(_sweep, utc_now(self._clock) - _MEMORY)

    async def chosen(self, who: Person) -> int | None:
        """How many minutes before a meeting somebody is reminded; None: not at all."""
        chosen = await self._database.read(_chosen, {who.id})
        return chosen.get(who.id, self._usual())

    async def choose(self, who: Person, minutes: int | None) -> None:
        """Be reminded so many minutes before, or not at all. Raises BadRequest."""
        if minutes is not None and minutes not in CHOICES:
            raise BadRequest(f"reminder_minutes: one of {', '.join(map(str, CHOICES))}, or null for none.")
        await self._database.run(_choose, who.id, minutes)


def _due(transaction: Connection, usual: int | None, now: datetime) -> Sequence[Due]:
    window = now + timedelta(minutes=max(*CHOICES, usual or 0))
    query = (
        queries.MEETINGS.where(meeting.c.begin_at > now, meeting.c.begin_at <= window, meeting.c.kind == Kind.SCHEDULED)
        .where(meeting.c.reminders, meeting.c.cancelled_at.is_(None), meeting.c.ended_at.is_(None))
        .order_by(meeting.c.begin_at)
    )
    rows = transaction.execute(query).all()
    if not rows:
        return []
    sent: dict[tuple[str, datetime], set[str]] = {}
    # What was sent of these times and not of these meetings is little: times are round.
    for row in transaction.execute(select(reminder).where(reminder.c.begin_at > now, reminder.c.begin_at <= window)):
        sent.setdefault((row.meeting_id, row.begin_at), set()).add(row.email)
    found = queries.of_rows(transaction, rows, now)
    asked = {each.id: _asked(each) for each in found}
    people = people_by_email(transaction, {email for emails in asked.values() for email in emails})
    chosen = _chosen(transaction, {person.id for person in people.values()})
    due = []
    for each in found:
        assert each.begin_at is not None
        told = sent.get((each.id, each.begin_at), set())
        emails = tuple(
            email
            for email in asked[each.id]
            if email not in told and _is_time(each, _minutes(people.get(email), chosen, usual), now)
        )
        if emails:
            due.append(Due(each, emails))
    return due[:_BATCH]


def _asked(of: Meeting) -> list[str]:
    return [of.owner.email, *(each.email for each in of.invitees if each.reply is not Reply.DECLINED)]


def _minutes(who: Person | None, chosen: Mapping[str, int | None], usual: int | None) -> int | None:
    return usual if who is None else chosen.get(who.id, usual)


def _is_time(of: Meeting, minutes: int | None, now: datetime) -> bool:
    if minutes is None or of.begin_at is None:
        return False
    at = of.begin_at - timedelta(minutes=minutes)
    # Whoever schedules a meeting that begins sooner has just heard of it.
    return of.created_at <= at <= now


def _chosen(transaction: Connection, person_ids: set[str]) -> dict[str, int | None]:
    if not person_ids:
        return {}
    """The minutes of those who have chosen; None: not at all."""
    columns = (calendar_choice.c.person_id, calendar_choice.c.reminder_minutes)
    query = select(*columns).where(
        calendar_choice.c.person_id.in_(person_ids), calendar_choice.c.reminder_minutes.is_not(None)
    )
    return {row.person_id: row.reminder_minutes or None for row in transaction.execute(query)}


def _choose(transaction: Connection, person_id: str, minutes: int | None) -> None:
    values = {"reminder_minutes": minutes or 0}
    upsert(transaction, calendar_choice, {"person_id": person_id, "feed_nonce": None, **values}, values)


def _sweep(transaction: Connection, before: datetime) -> None:
    transaction.execute(delete(reminder).where(reminder.c.begin_at < before))
