"""Scheduling, changing and cancelling meetings and series: each a transaction with the mails it causes.

A change of a series is of one occurrence (an exception), of one and those that follow (the series ends before it and
another begins: RFC 5546 has no other way), or of all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.rules import Limit
from meeting.apiserver.accounts.use_cases import Person, count
from meeting.apiserver.allocation.use_cases import Reservations
from meeting.apiserver.database import Database, insert_if_absent
from meeting.apiserver.leases import Leases
from meeting.apiserver.mail.use_cases import Letter, Mail
from meeting.apiserver.meetings import queries, recurrence, rules, writes
from meeting.apiserver.meetings.house import House
from meeting.apiserver.meetings.invitations.letters import Letters, times_differ
from meeting.apiserver.meetings.news import Event, News
from meeting.apiserver.meetings.queries import Also, Meeting
from meeting.apiserver.meetings.rules import Kind, MeetingOver, Options, State
from meeting.apiserver.meetings.series import Occurrence, Series
from meeting.apiserver.meetings.tables import meeting
from meeting.apiserver.meetings.wanted import Wanted, invited_by, new_times, series_of
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import BadRequest, TooManyRequests

#: Mails that one person's meetings cause: invitations, changes.
_MAILS = Limit("mails by an owner", 5000, timedelta(days=1))
#: Series that are moved on in one transaction.
_BATCH = 50


class Scope(StrEnum):
    """What of a series a change is of."""

    THIS = "this"
    FOLLOWING = "following"
    ALL = "all"


class Scheduling:
    """The meetings that have a time."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        mail: Mail,
        letters: Letters,
        *,
        reservations: Reservations,
        asked: Callable[[], None],
        close_room: Callable[[Meeting], None],
        house: Callable[[], House],
        news: News,
        leases: Leases,
    ) -> None:
        """`reservations` are told which servers are needed when, and `asked` sees to them; `close_room` sends everyone
        out of a room: both go on by themselves. `house`: what administrators have decided by now.
        """
        self._database = database
        self._clock = clock
        self._mail = mail
        self._letters = letters
        self._reservations = reservations
        self._asked = asked
        self._close_room = close_room
        self._house = house
        self._news = news
        self._leases = leases

    async def schedule(
        self, owner: Person, wanted: Wanted, *, meeting_id: str | None = None, also: Also | None = None
    ) -> Meeting:
        """A new scheduled meeting with at least title, times and zone; invitations go out.

        `meeting_id`: the one it gets, or has got when this was asked before. `also`: what is written with it. Raises
        BadRequest, Forbidden.
        """
        now = utc_now(self._clock)
        self._house().check_may_create(owner)
        whole = replace(wanted, options=self._house().usual(wanted.options)).cleaned(owner)
        made = await self._database.run(self._make, owner, whole, meeting_id or new_id(now), now, also)
        self._mail.wake()
        self._asked()
        return made

    async def change(
        self, owner: Person, code: str, wanted: Wanted, scope: Scope = Scope.ALL, occurrence: datetime | None = None
    ) -> Meeting:
        """Change a meeting of this owner; mails go to those it concerns.

        `occurrence`: which one of a series, by when the rule has it begin, where not all are meant. Gives back what was
        changed; of `FOLLOWING` the new series. Raises Forbidden, MeetingOver, BadRequest.
        """
        now = utc_now(self._clock)
        change = {Scope.THIS: self._change_one, Scope.FOLLOWING: self._split, Scope.ALL: self._change_all}[scope]
        cleaned = wanted.cleaned(owner)
        after = await self._database.run(change, owner, code, cleaned, occurrence, new_id(now), now)
        self._mail.wake()
        self._asked()
        return after

    async def cancel(
        self, owner: Person, code: str, scope: Scope = Scope.ALL, occurrence: datetime | None = None
    ) -> None:
        """Cancel a meeting of this owner, or a part of a series; mails go out. A second time changes nothing."""
        now = utc_now(self._clock)
        cancel = {Scope.THIS: self._cancel_one, Scope.FOLLOWING: self._cut, Scope.ALL: self._cancel_all}[scope]
        over = await self._database.run(cancel, owner, code, occurrence, now)
        self._mail.wake()
        self._asked()
        if over is not None and over.state is State.RUNNING:
            self._close_room(over)

    async def advance(self) -> None:
        """Move series whose occurrence is over on to the next one. One replica does, once there are any."""
        if await self._database.read(_any_due, utc_now(self._clock)):
            await self._leases.do("series", self._advance)

    async def _advance(self) -> None:
        while await self._database.read(_any_due, utc_now(self._clock)):
            await self._database.run(self._move_on, utc_now(self._clock))
            self._asked()

    # -- one transaction each -----------------------------------------------------------------------------------------

    def _make(
        self,
        transaction: Connection,
        owner: Person,
        wanted: Wanted,
        meeting_id: str,
        now: datetime,
        also: Also | None = None,
    ) -> Meeting:
        title, zone = wanted.title, wanted.zone or "UTC"
        assert title is not None and wanted.begin_at is not None and wanted.end_at is not None
        rules.check_times(wanted.begin_at, wanted.end_at, now)
        options = self._house().bounded(rules.check_options(Options(**wanted.options)))
        row = writes.fresh_row(meeting_id, Kind.SCHEDULED, owner, title, zone, options, now)
        row |= {"begin_at": wanted.begin_at, "end_at": wanted.end_at}
        series = series_of(title, wanted.recurrence, wanted.begin_at, wanted.end_at, zone)
        emails = invited_by(transaction, owner, wanted) or []
        if insert_if_absent(transaction, meeting, **row | writes.series_columns(series, now)):
            if emails:
                writes.invite(transaction, meeting_id, emails, wanted.minutes_writers or ())
            made = _found(transaction, meeting_id, now)
            self._post(transaction, made, self._letters.invitations(transaction, made, now), now)
            self._want(transaction, made, now)
            self._news.of_meeting(transaction, Event.MEETING_CREATED, made, now)
            if also is not None:
                also(transaction, made)
            return queries.with_deliveries(transaction, made) if emails else made
        # Else this is done again after a commit whose answer was lost: the mails are queued.
        return _found(transaction, meeting_id, now)

    def _change_all(
        self,
        transaction: Connection,
        owner: Person,
        code: str,
        wanted: Wanted,
        _occurrence: datetime | None,
        _new_id: str,
        now: datetime,
    ) -> Meeting:
        before = writes.owned(transaction, owner, code, now)
        options = self._house().bounded(rules.check_options(replace(before.options, **wanted.options)))
        if before.kind is Kind.INSTANT:
            if replace(wanted, title=None, options={}) != Wanted():
                raise BadRequest("An instant meeting has a title and options, but no times and no invitees.")
            writes.write(transaction, before, title=wanted.title or before.title, **vars(options))
            after = _found(transaction, before.id, now)
            self._news.of_meeting(transaction, Event.MEETING_CHANGED, after, now)
            return after
        self._check_changeable(before, now)
        values, series = new_times(before, wanted, now)
        emails = invited_by(transaction, owner, wanted)
        writes.write(transaction, before, **values, **vars(options), sequence=before.sequence + 1)
        if before.series is not None and (series is None or not series.exceptions):
            writes.put_exceptions(transaction, before.id, ())
        if emails is not None or wanted.minutes_writers is not None:
            named = wanted.minutes_writers
            if named is None:
                named = [each.email for each in before.invitees if each.writes_minutes]
            invited = [each.email for each in before.invitees] if emails is None else emails
            writes.invite(transaction, before.id, invited, named)
        after = _found(transaction, before.id, now)
        if times_differ(before, after):
            writes.forget_replies(transaction, before.id)
            after = _found(transaction, before.id, now)
        self._post(transaction, after, self._letters.changes(transaction, before, after, now), now)
        if (before.begin_at, before.end_at) != (after.begin_at, after.end_at):
            self._want(transaction, after, now)
        self._news.of_meeting(transaction, Event.MEETING_CHANGED, after, now)
        return queries.with_deliveries(transaction, after)

    def _change_one(
        self,
        transaction: Connection,
        owner: Person,
        code: str,
        wanted: Wanted,
        occurrence: datetime | None,
        _new_id: str,
        now: datetime,
    ) -> Meeting:
        before = writes.owned(transaction, owner, code, now)
        series, was = self._one(before, occurrence, now)
        if replace(wanted, title=None, begin_at=None, end_at=None) != Wanted():
            raise BadRequest("Of one meeting of a series, title and times can be changed; for the rest change all.")
        begin_at = wanted.begin_at or was.begin_at
        end_at = wanted.end_at or begin_at + (was.end_at - was.begin_at)
        if (begin_at, end_at) != (was.begin_at, was.end_at):
            rules.check_times(begin_at, end_at, now)
        title = wanted.title or was.title
        changed = Occurrence(was.starts_at, begin_at, end_at, None if title == series.title else title)
        if changed == was:
            return queries.at(before, was.starts_at)
        after = self._put(transaction, before, series, changed, now)
        if (begin_at, end_at) != (was.begin_at, was.end_at):
            writes.forget_replies(transaction, before.id, was.starts_at)
        self._post(transaction, after, self._letters.occurrence_changed(transaction, after, changed, now), now)
        return queries.at(queries.with_deliveries(transaction, after), was.starts_at)

    def _split(
        self,
        transaction: Connection,
        owner: Person,
        code: str,
        wanted: Wanted,
        occurrence: datetime | None,
        fresh_id: str,
        now: datetime,
    ) -> Meeting:
        """End the series before an occurrence, and begin another there."""
        before = writes.owned(transaction, owner, code, now)
        if before.continued_in == fresh_id:  # done already: the answer to the commit was lost
            return _found(transaction, fresh_id, now)
        series, was = self._one(before, occurrence, now)
        if was.starts_at == series.begin_at:
            return self._change_all(transaction, owner, code, wanted, None, fresh_id, now)
        begin_at = wanted.begin_at or was.starts_at
        end_at = wanted.end_at or begin_at + (series.end_at - series.begin_at)
        zone = wanted.zone or before.zone
        head, tail = recurrence.split(series.rule, series.begin_at, series.zone, was.starts_at)
        given = Wanted(
            title=wanted.title or series.title,
            begin_at=begin_at,
            end_at=end_at,
            zone=zone,
            invitees=[each.email for each in before.invitees] if wanted.invitees is None else wanted.invitees,
            groups=wanted.groups,
            minutes_writers=[each.email for each in before.invitees if each.writes_minutes]
            if wanted.minutes_writers is None
            else wanted.minutes_writers,
            recurrence=str(tail) if wanted.recurrence is None else wanted.recurrence,
            options=vars(before.options) | wanted.options,
        )
        self._shorten(transaction, before, replace(series, rule=head), now, continued_in=fresh_id)
        after = self._make(transaction, owner, given, fresh_id, now)
        same_times = wanted.recurrence is None and (begin_at, zone) == (was.starts_at, before.zone)
        if same_times and end_at - begin_at == series.end_at - series.begin_at:
            kept = tuple(each for each in series.exceptions if each.starts_at >= was.starts_at)
            writes.put_exceptions(transaction, fresh_id, kept)
            after = self._stand(transaction, _found(transaction, fresh_id, now), now)
        return after

    def _cancel_all(
        self, transaction: Connection, owner: Person, code: str, _occurrence: datetime | None, now: datetime
    ) -> Meeting:
        before = writes.owned(transaction, owner, code, now)
        if before.kind is Kind.INSTANT:
            raise BadRequest("An instant meeting can be ended, not cancelled: its link stays yours.")
        if before.state is not State.CANCELLED:
            self._check_changeable(before, now)
            sequence = before.sequence + 1
            writes.write(transaction, before, cancelled_at=now, running_since=None, sequence=sequence)
            writes.everyone_leaves(transaction, before.id, now)
            letters = self._letters.cancellations(transaction, replace(before, sequence=sequence), now)
            self._mail.post(transaction, *letters)
            self._reservations.drop(transaction, before.id, now)
            self._news.of_meeting(transaction, Event.MEETING_CANCELLED, before, now)
        return before

    def _cancel_one(
        self, transaction: Connection, owner: Person, code: str, occurrence: datetime | None, now: datetime
    ) -> Meeting | None:
        before = writes.owned(transaction, owner, code, now)
        if before.state is State.CANCELLED:
            return None
        series, was = self._one(before, occurrence, now, cancelled_too=True)
        if was.cancelled:
            return None
        if len(series.held()) == 1:
            return self._cancel_all(transaction, owner, code, None, now)
        changed = replace(was, cancelled=True)
        after = self._put(transaction, before, series, changed, now)
        self._mail.post(transaction, *self._letters.occurrence_cancelled(transaction, after, changed, now))
        # Whoever is in it already is sent out of this one.
        return before if before.occurrence == was.starts_at else None

    def _cut(
        self, transaction: Connection, owner: Person, code: str, occurrence: datetime | None, now: datetime
    ) -> Meeting | None:
        """Cancel an occurrence and those that follow: the series ends before."""
        before = writes.owned(transaction, owner, code, now)
        if before.state is State.CANCELLED:
            return None
        series, was = self._one(before, occurrence, now, cancelled_too=True)
        if was.starts_at == series.begin_at:
            return self._cancel_all(transaction, owner, code, None, now)
        head, _ = recurrence.split(series.rule, series.begin_at, series.zone, was.starts_at)
        self._shorten(transaction, before, replace(series, rule=head), now)
        return None

    def _move_on(self, transaction: Connection, now: datetime) -> None:
        """One batch of series; the version of each sees to it that one replica does it."""
        rows = transaction.execute(_due(now).limit(_BATCH)).all()
        for row in rows:
            self._stand(transaction, _found(transaction, row.id, now), now)

    # -- parts of them ------------------------------------------------------------------------------------------------

    def _put(
        self, transaction: Connection, before: Meeting, series: Series, changed: Occurrence, now: datetime
    ) -> Meeting:
        """The series with one exception more or changed."""
        writes.put_exception(transaction, before.id, changed)
        others = tuple(each for each in series.exceptions if each.starts_at != changed.starts_at)
        columns = writes.series_columns(replace(series, exceptions=(*others, changed)), now)
        if (columns["begin_at"], columns["end_at"]) != (before.begin_at, before.end_at):
            columns["ended_at"] = None
        writes.write(transaction, before, **columns, sequence=before.sequence + 1)
        after = _found(transaction, before.id, now)
        if (after.begin_at, after.end_at) != (before.begin_at, before.end_at):
            self._want(transaction, after, now)
        self._news.of_meeting(transaction, Event.MEETING_CHANGED, after, now)
        return after

    def _shorten(
        self,
        transaction: Connection,
        before: Meeting,
        series: Series,
        now: datetime,
        continued_in: str | None = None,
    ) -> None:
        """Let a series end earlier; those invited get the news."""
        end = series.rule.until
        assert end is not None, "it was split"
        kept = tuple(each for each in series.exceptions if each.starts_at <= end)
        columns = writes.series_columns(replace(series, exceptions=kept), now)
        writes.write(transaction, before, **columns, sequence=before.sequence + 1, continued_in=continued_in)
        writes.put_exceptions(transaction, before.id, kept)
        after = _found(transaction, before.id, now)
        self._post(transaction, after, self._letters.changes(transaction, before, after, now), now)
        if (after.begin_at, after.end_at) != (before.begin_at, before.end_at):
            self._want(transaction, after, now)
        self._news.of_meeting(transaction, Event.MEETING_CHANGED, after, now)

    def _stand(self, transaction: Connection, found: Meeting, now: datetime) -> Meeting:
        """The series, standing where it has to by now."""
        columns = writes.series_columns(found.series, now)
        if (columns["begin_at"], columns["end_at"]) == (found.begin_at, found.end_at):
            return found
        writes.write(transaction, found, **columns, ended_at=None)
        after = _found(transaction, found.id, now)
        self._want(transaction, after, now)
        return after

    def _want(self, transaction: Connection, of: Meeting, now: datetime) -> None:
        self._reservations.want(transaction, of.id, of.owner.email, of.begin_at, of.end_at, now)

    def _one(
        self, before: Meeting, occurrence: datetime | None, now: datetime, *, cancelled_too: bool = False
    ) -> tuple[Series, Occurrence]:
        """The occurrence that is meant. Raises BadRequest, MeetingOver."""
        self._check_changeable(before, now)
        if before.series is None:
            raise BadRequest("scope: this meeting does not recur; change all of it.")
        if occurrence is None:
            raise BadRequest("occurrence: say which meeting of the series, by its `occurrence`.")
        found = before.series.find(occurrence)
        if found is None:
            raise BadRequest("occurrence: the series has no meeting at that time.")
        if found.cancelled and not cancelled_too:
            raise MeetingOver("This meeting of the series was cancelled.")
        if found.end_at <= now:
            raise MeetingOver("This meeting of the series has been.")
        return before.series, found

    @staticmethod
    def _check_changeable(before: Meeting, now: datetime) -> None:
        if before.kind is Kind.INSTANT:
            raise BadRequest("scope: an instant meeting does not recur.")
        to_come = before.series is not None and any(each.end_at > now for each in before.series.held())
        if before.state is State.CANCELLED or (before.state is State.ENDED and not to_come):
            raise MeetingOver("It cannot be changed any more.")

    def _post(self, transaction: Connection, about: Meeting, letters: Sequence[Letter], now: datetime) -> None:
        """Queue mails about a meeting, within what one person may cause in a day; over it, nothing is written at
        all.
        """
        if letters:
            wait = count(transaction, _MAILS, about.owner.id, now, len(letters))
            if wait:
                raise TooManyRequests("Too many mails for one day.", retry_after=wait)
            self._mail.post(transaction, *letters)


def _found(transaction: Connection, meeting_id: str, now: datetime) -> Meeting:
    found = queries.by_id(transaction, meeting_id, now)
    assert found is not None, "it was written in this transaction"
    return found


def _due(now: datetime) -> Any:
    """Series that have to move on: nobody is in the room any more."""
    return (
        select(meeting.c.id)
        .where(meeting.c.moves_on_at <= now, meeting.c.running_since.is_(None), meeting.c.cancelled_at.is_(None))
        .order_by(meeting.c.moves_on_at)
    )


def _any_due(transaction: Connection, now: datetime) -> bool:
    return transaction.execute(_due(now).limit(1)).first() is not None
