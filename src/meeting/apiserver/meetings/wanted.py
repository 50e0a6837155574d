"""What an owner asks for of a meeting that has a time, and what becomes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from meeting.apiserver.accounts.rules import known_zone, normal_email
from meeting.apiserver.accounts.use_cases import Person
from meeting.apiserver.meetings import recurrence, rules, writes
from meeting.apiserver.meetings.invitations import groups
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.series import Series
from meeting.daemon.errors import BadRequest


@dataclass(frozen=True)
class Wanted:
    """What an owner asks for; None leaves a thing as it is. Times are of the first occurrence, or of the one meant."""

    title: str | None = None
    begin_at: datetime | None = None
    end_at: datetime | None = None
    zone: str | None = None
    invitees: Sequence[str] | None = None
    #: Ids of the owner's groups, whose members are invited too.
    groups: Sequence[str] = ()
    #: Those of the invited who may write the minutes, where they are named.
    minutes_writers: Sequence[str] | None = None
    #: A rule; an empty text: it does not recur any more.
    recurrence: str | None = None
    #: Of `Options`, what was given.
    options: dict[str, Any] = field(default_factory=dict)

    def cleaned(self, owner: Person) -> "Wanted":
        """Every value as it is kept. Raises BadRequest."""
        options = dict(self.options)
        if options.get("passcode") is not None:
            options["passcode"] = rules.clean_passcode(options["passcode"])
        return replace(
            self,
            title=None if self.title is None else rules.clean_title(self.title),
            zone=None if self.zone is None else known_zone(self.zone),
            invitees=None if self.invitees is None else _addresses(self.invitees, owner),
            minutes_writers=None if self.minutes_writers is None else _addresses(self.minutes_writers, owner),
            groups=tuple(self.groups),
            options=options,
        )


def new_times(before: Meeting, wanted: Wanted, now: datetime) -> tuple[dict[str, Any], Series | None]:
    """The columns of a meeting after a change of all of it, and its series."""
    old = before.series
    title = wanted.title or (old.title if old else before.title)
    zone = wanted.zone or before.zone
    was_begin, was_end = (old.begin_at, old.end_at) if old else (before.begin_at, before.end_at)
    begin_at, end_at = wanted.begin_at or was_begin, wanted.end_at or was_end
    assert begin_at is not None and end_at is not None, "a scheduled meeting has times"
    rule = wanted.recurrence if wanted.recurrence is not None else str(old.rule) if old else None
    series = series_of(title, rule, begin_at, end_at, zone)
    if old is not None and wanted.recurrence == "" and wanted.begin_at is None and wanted.end_at is None:
        # It recurs no more: what stays is where it stands.
        assert before.begin_at is not None and before.end_at is not None
        begin_at, end_at = before.begin_at, before.end_at
    if (begin_at, end_at) != (was_begin, was_end) or old != series:
        last = series.occurrences()[-1] if series else None
        rules.check_times(begin_at, end_at, now if last is None else begin_at)
        if last is not None and last.end_at <= now:
            raise BadRequest("The series would be over already.")
    if series is not None and old is not None and replace(series, title=old.title) == replace(old, exceptions=()):
        series = replace(series, exceptions=old.exceptions)
    values = {"title": title, "begin_at": begin_at, "end_at": end_at, "zone": zone}
    return values | writes.series_columns(series, now), series


def series_of(title: str, rule: str | None, begin_at: datetime, end_at: datetime, zone: str) -> Series | None:
    """The series that is asked for, if one is. Raises BadRequest."""
    if not rule:
        return None
    read = recurrence.read(rule, zone)
    recurrence.check_series(read, begin_at, end_at, zone)
    return Series(title, read, begin_at, end_at, zone)


def invited_by(transaction: Connection, owner: Person, wanted: Wanted) -> list[str] | None:
    """Who is to be invited: those given and the members of the groups; None: as before."""
    if wanted.invitees is None and not wanted.groups:
        return None
    members = groups.members(transaction, owner, wanted.groups)
    return _limited([*(wanted.invitees or ()), *members], owner)


def _addresses(given: Sequence[str], owner: Person) -> list[str]:
    """Normal addresses in the order given, each once, without the owner's."""
    return _limited([normal_email(text) for text in given], owner)


def _limited(emails: Sequence[str], owner: Person) -> list[str]:
    once = [email for email in dict.fromkeys(emails) if email != owner.email]
    if len(once) > rules.MOST_INVITEES:
        raise BadRequest(f"At most {rules.MOST_INVITEES} people can be invited.")
    return once
