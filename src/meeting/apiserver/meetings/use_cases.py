"""Opening, scheduling, changing and finding meetings, and whether someone may see one.

Who joins: `joining.py`. Who is there: `presence.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.rules import Limit, known_zone, normal_email
from meeting.apiserver.accounts.use_cases import Caller, Guest, Person, count
from meeting.apiserver.allocation.use_cases import Reservations
from meeting.apiserver.database import Database, Stale, insert_if_absent, insert_new
from meeting.apiserver.mail.use_cases import Letter, Mail
from meeting.apiserver.meetings import places, queries, roles, rules
from meeting.apiserver.meetings.letters import Letters
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.rules import Kind, MeetingOver, State
from meeting.apiserver.meetings.tables import attendance, invitee, knock, meeting, member, room
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import BadRequest, Forbidden, NotFound, SignInNeeded, TooManyRequests

__all__ = ["Changes", "Meeting", "Meetings", "Visit"]

#: Codes that lead nowhere, per source: what stops looking for meetings by guessing.
_MISSES = Limit("codes of meetings that are none", 60, timedelta(minutes=10))

#: Mails that one person's meetings cause: invitations, changes.
_MAILS = Limit("mails by an owner", 5000, timedelta(days=1))


@dataclass(frozen=True)
class Changes:
    """What an owner changes; None leaves a thing as it is."""

    title: str | None = None
    begin_at: datetime | None = None
    end_at: datetime | None = None
    zone: str | None = None
    invitees: Sequence[str] | None = None


@dataclass(frozen=True)
class Visit:
    """A caller who belongs to a meeting: the meeting, and as whom they act there."""

    meeting: Meeting
    subject_id: str
    name: str
    role: Role
    rights: frozenset[Right]


class Meetings:
    """The meetings of the hub."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        mail: Mail,
        *,
        public_url: str,
        reservations: Reservations,
        asked: Callable[[], None],
        close_room: Callable[[Meeting], None],
    ) -> None:
        """`reservations` are told which servers are needed when, and `asked` sees to them; `close_room` sends everyone
        out of a room: both go on by themselves.
        """
        self._database = database
        self._clock = clock
        self._mail = mail
        self._letters = Letters(mail, self.link)
        self._public_url = public_url
        self._reservations = reservations
        self._asked = asked
        self._close_room = close_room

    def link(self, of: Meeting) -> str:
        """What an owner sends around: the address of the meeting's page."""
        return f"{self._public_url}/m/{of.code}"

    # -- making -----------------------------------------------------------------------------------------------------

    async def open_instant(self, owner: Person) -> tuple[Meeting, bool]:
        """The owner's instant meeting, and whether it was made now. There is one per owner; its code stays."""
        now = utc_now(self._clock)
        fresh = _row(
            new_id(now),
            Kind.INSTANT,
            owner,
            f"{owner.name}'s meeting"[: rules.TITLE_LENGTH],
            None,
            None,
            owner.zone,
            now,
        )
        opened = await self._database.run(_open_instant, owner, fresh, self._reservations, now)
        self._asked()
        return opened

    async def schedule(
        self,
        owner: Person,
        title: str,
        begin_at: datetime,
        end_at: datetime,
        zone: str,
        invitees: Sequence[str],
        *,
        meeting_id: str | None = None,
    ) -> Meeting:
        """A new scheduled meeting; invitations go out. `meeting_id`: the one it gets, or has got when this was asked
        before. Raises BadRequest.
        """
        now = utc_now(self._clock)
        rules.check_times(begin_at, end_at, now)
        fresh = _row(
            meeting_id or new_id(now),
            Kind.SCHEDULED,
            owner,
            rules.clean_title(title),
            begin_at,
            end_at,
            known_zone(zone),
            now,
        )
        emails = _addresses(invitees, owner)
        made = await self._database.run(_schedule, fresh, emails, self._letters, self._mail, self._reservations, now)
        self._mail.wake()
        self._asked()
        return made

    async def change(self, owner: Person, code: str, changes: Changes) -> Meeting:
        """Change a scheduled meeting of this owner; mails go to those it concerns.

        Raises Forbidden, MeetingOver, BadRequest.
        """
        now = utc_now(self._clock)
        given = replace(
            changes,
            title=None if changes.title is None else rules.clean_title(changes.title),
            zone=None if changes.zone is None else known_zone(changes.zone),
            invitees=None if changes.invitees is None else _addresses(changes.invitees, owner),
        )
        after = await self._database.run(
            _change, owner, code, given, self._letters, self._mail, self._reservations, now
        )
        self._mail.wake()
        self._asked()
        return after

    async def cancel(self, owner: Person, code: str) -> None:
        """Cancel a meeting of this owner; mails go out. A second time changes nothing."""
        now = utc_now(self._clock)

        before = await self._database.run(_cancel, owner, code, self._letters, self._mail, self._reservations, now)
        self._mail.wake()
        self._asked()
        if before.state is State.RUNNING:
            self._close_room(before)

    async def end(self, caller: Caller, code: str) -> None:
        """End a meeting for all who are in it. Raises SignInNeeded, Forbidden, NotFound, MeetingOver."""
        self._close_room(await self._database.run(_end, caller, code, utc_now(self._clock)))

    # -- finding ----------------------------------------------------------------------------------------------------

    async def of_person(self, who: Person, *, past: bool) -> list[Meeting]:
        """The meetings of someone, to come or past."""
        return await self._database.read(queries.of_person, who, past, utc_now(self._clock))

    async def find(self, code: str, source: str) -> Meeting:
        """The meeting with this code, for whoever has the link.

        Raises NotFound; TooManyRequests for a source that guesses.
        """
        now = utc_now(self._clock)
        found = await self._database.read(queries.by_code, code, now) if rules.is_code(code) else None
        if found is None:
            wait = await self._database.run(count, _MISSES, source, now)
            if wait:
                raise TooManyRequests("Too many links that lead nowhere.", retry_after=wait)
            raise NotFound("There is no meeting with this link.")
        return found

    async def is_insider(self, caller: Caller, of: Meeting) -> bool:
        """Whether the caller owns the meeting, is invited or has joined: sees all of it."""
        return caller.person is not None and (
            caller.person.id == of.owner.id or await self._database.read(queries.is_insider, of.id, caller.person)
        )

    async def meets(self, guest: Guest, person_id: str) -> bool:
        """Whether a person owns the meeting a guest is in, or has joined it."""
        return await self._database.read(queries.meets, guest.meeting_id, person_id)

    async def instant_code(self, owner: Person) -> str:
        """The code of the owner's instant meeting, which is made if there is none."""
        return (await self.open_instant(owner))[0].code

    async def visit(self, caller: Caller, code: str, source: str) -> Visit:
        """The caller's place in a meeting, for what stands beside the call: chat, minutes, files.

        A person who owns it, is invited or has joined; a guest of this very meeting. Raises SignInNeeded, Forbidden,
        NotFound.
        """
        found = await self.find(code, source)
        return await self._visit(caller, found)

    async def visit_by_id(self, caller: Caller, meeting_id: str) -> Visit:
        """The same by the meeting's id."""
        found = await self._database.read(queries.by_id, meeting_id, utc_now(self._clock))
        if found is None:
            raise NotFound()
        return await self._visit(caller, found)

    async def _visit(self, caller: Caller, found: Meeting) -> Visit:
        place = await self._database.read(places.place_of, found, caller)
        if place is None:
            raise Forbidden("You are a guest of another meeting.") if caller.guest else SignInNeeded()
        if place.removed:
            raise Forbidden("You were sent away from this meeting.")
        if not place.joined and place.role is Role.GUEST:
            raise Forbidden("You have not been let into this meeting.")
        if not (place.joined or place.invited):
            raise Forbidden("You are not invited to this meeting and have not joined it.")
        return Visit(found, place.subject_id, place.name, place.role, place.rights)


def _addresses(given: Sequence[str], owner: Person) -> list[str]:
    """Normal addresses in the order given, each once, without the owner's."""
    emails = list(dict.fromkeys(normal_email(text) for text in given))
    if len(emails) > rules.MOST_INVITEES:
        raise BadRequest(f"At most {rules.MOST_INVITEES} people can be invited.")
    return [email for email in emails if email != owner.email]


def _row(
    meeting_id: str,
    kind: Kind,
    owner: Person,
    title: str,
    begin_at: datetime | None,
    end_at: datetime | None,
    zone: str,
    now: datetime,
) -> dict[str, Any]:
    return {
        "id": meeting_id,
        "code": rules.new_code(),
        "kind": kind,
        "owner_id": owner.id,
        "instant_owner_id": owner.id if kind is Kind.INSTANT else None,
        "title": title,
        "begin_at": begin_at,
        "end_at": end_at,
        "zone": zone,
        "guests_allowed": True,
        "created_at": now,
        "version": 1,
    }


def _open_instant(
    transaction: Connection, owner: Person, fresh: dict[str, Any], reservations: Reservations, now: datetime
) -> tuple[Meeting, bool]:
    made = False
    if queries.instant_of(transaction, owner.id, now) is None:
        # Of two at once (a double click, two replicas) one finds the owner's key taken.
        made = insert_if_absent(transaction, meeting, **fresh)
    found = queries.instant_of(transaction, owner.id, now)
    if found is None:
        raise Stale("the other's meeting is not visible yet")
    reservations.want(transaction, found.id, owner.email, None, None, now)
    return found, made


def _schedule(
    transaction: Connection,
    fresh: dict[str, Any],
    emails: Sequence[str],
    letters: Letters,
    mail: Mail,
    reservations: Reservations,
    now: datetime,
) -> Meeting:
    first = insert_if_absent(transaction, meeting, **fresh)
    if first:
        _invite(transaction, fresh["id"], emails)
    made = queries.by_id(transaction, fresh["id"], now)
    assert made is not None
    if first:  # else this is done again after a commit whose answer was lost: the mails are queued
        _post(transaction, mail, made, letters.invitations(made, now), now)
        reservations.want(transaction, made.id, made.owner.email, made.begin_at, made.end_at, now)
    return made


def _invite(transaction: Connection, meeting_id: str, emails: Sequence[str]) -> None:
    rows = [{"meeting_id": meeting_id, "email": email, "position": position} for position, email in enumerate(emails)]
    insert_new(transaction, invitee, rows)


def _owned(transaction: Connection, owner: Person, code: str, now: datetime) -> Meeting:
    found = queries.by_code(transaction, code, now)
    if found is None:
        raise NotFound("There is no meeting with this link.")
    if found.owner.id != owner.id:
        raise Forbidden("Only the owner of a meeting may do this.")
    return found


def _change(
    transaction: Connection,
    owner: Person,
    code: str,
    given: Changes,
    letters: Letters,
    mail: Mail,
    reservations: Reservations,
    now: datetime,
) -> Meeting:
    before = _owned(transaction, owner, code, now)
    if before.kind is Kind.INSTANT:
        if replace(given, title=None) != Changes():
            raise BadRequest("An instant meeting has a title, but no times and no invitees.")
    elif before.state in (State.ENDED, State.CANCELLED):
        raise MeetingOver("It cannot be changed any more.")
    title, zone = given.title or before.title, given.zone or before.zone
    begin_at, end_at = given.begin_at or before.begin_at, given.end_at or before.end_at
    if begin_at is not None and end_at is not None and (begin_at, end_at) != (before.begin_at, before.end_at):
        rules.check_times(begin_at, end_at, now)
    values = {"title": title, "begin_at": begin_at, "end_at": end_at, "zone": zone}
    _write(transaction, before, values)
    if given.invitees is not None:
        transaction.execute(delete(invitee).where(invitee.c.meeting_id == before.id))
        _invite(transaction, before.id, given.invitees)
    after = queries.by_id(transaction, before.id, now)
    assert after is not None
    if after.kind is Kind.SCHEDULED:
        _post(transaction, mail, after, letters.changes(before, after, now), now)
        if (before.begin_at, before.end_at) != (after.begin_at, after.end_at):
            reservations.want(transaction, after.id, after.owner.email, after.begin_at, after.end_at, now)
    return after


def _post(transaction: Connection, mail: Mail, about: Meeting, letters: Sequence[Letter], now: datetime) -> None:
    """Queue mails about a meeting, within what one person may cause in a day; over it, nothing is written at all."""
    if letters:
        wait = count(transaction, _MAILS, about.owner.id, now, len(letters))
        if wait:
            raise TooManyRequests("Too many mails for one day.", retry_after=wait)
        mail.post(transaction, *letters)


def _write(transaction: Connection, before: Meeting, values: dict[str, Any]) -> None:
    """Write over the version that was read, or have it all done again."""
    same = update(meeting).where(meeting.c.id == before.id, meeting.c.version == before.version)
    if not transaction.execute(same.values(**values, version=before.version + 1)).rowcount:
        raise Stale("the meeting was changed by somebody else")


def _cancel(
    transaction: Connection,
    owner: Person,
    code: str,
    letters: Letters,
    mail: Mail,
    reservations: Reservations,
    now: datetime,
) -> Meeting:
    before = _owned(transaction, owner, code, now)
    if before.kind is Kind.INSTANT:
        raise BadRequest("An instant meeting can be ended, not cancelled: its link stays yours.")
    if before.state is State.ENDED:
        raise MeetingOver("It has ended.")
    if before.state is not State.CANCELLED:
        _write(transaction, before, {"cancelled_at": now, "running_since": None})
        _everyone_leaves(transaction, before, now)
        mail.post(transaction, *letters.cancellations(before, now))
        reservations.drop(transaction, before.id, now)
    return before


def _end(transaction: Connection, caller: Caller, code: str, now: datetime) -> Meeting:
    before = queries.by_code(transaction, code, now)
    if before is None:
        raise NotFound("There is no meeting with this link.")
    place = places.place_of(transaction, before, caller)
    if place is None:
        raise SignInNeeded()
    roles.check(place.rights, Right.END)
    if before.state is State.CANCELLED:
        raise MeetingOver("It was cancelled.")
    if before.state is not State.ENDED:
        finish(transaction, before, now)
    return before


def finish(transaction: Connection, before: Meeting, now: datetime) -> None:
    """A meeting is over: nobody is in it, nobody comes back without knocking, and the next one begins afresh."""
    _write(transaction, before, {"ended_at": now, "running_since": None})
    _everyone_leaves(transaction, before, now)
    transaction.execute(
        update(member).where(member.c.meeting_id == before.id).values(passes_until=None, hand_raised_at=None)
    )
    for table in (room, knock):
        transaction.execute(delete(table).where(table.c.meeting_id == before.id))


def _everyone_leaves(transaction: Connection, meeting_over: Meeting, now: datetime) -> None:
    there = (attendance.c.meeting_id == meeting_over.id) & attendance.c.left_at.is_(None)
    transaction.execute(update(attendance).where(there).values(left_at=now))
