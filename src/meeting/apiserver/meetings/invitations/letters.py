"""The mails that meetings cause: who is told what when one is made, changed or cancelled, in whose words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from meeting.apiserver.accounts.use_cases import Person, people_by_email
from meeting.apiserver.mail.use_cases import Calendar, Letter, Mail
from meeting.apiserver.mail.words import known_language
from meeting.apiserver.meetings import queries
from meeting.apiserver.meetings.invitations.calendars import Calendars, Words, addressed
from meeting.apiserver.meetings.invitations.repeats import in_words
from meeting.apiserver.meetings.invitations.replies import ReplyLinks
from meeting.apiserver.meetings.queries import EVERY, Meeting
from meeting.apiserver.meetings.rules import Reply
from meeting.apiserver.meetings.series import Occurrence

#: Writes the calendar for readers of a language; None: a mail without.
_Write = Callable[[Words], Calendar]

_DESCRIPTION: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "en": ("Join the meeting: {link}", "Passcode: {passcode}"),
        "de": ("An der Besprechung teilnehmen: {link}", "Kenncode: {passcode}"),
    }
)


class Letters:
    """Writes the mails; whoever asks for them posts them, with the transaction that causes them."""

    def __init__(self, mail: Mail, calendars: Calendars, replies: ReplyLinks, link: Callable[[Meeting], str]) -> None:
        """`link` gives the address of a meeting's page."""
        self._mail = mail
        self._calendars = calendars
        self._replies = replies
        self._link = link

    def invitations(self, transaction: Connection, of: Meeting, now: datetime) -> list[Letter]:
        """To all who are invited to a new meeting."""
        return self._requests(transaction, "invitation", of, _emails(of), now)

    def changes(self, transaction: Connection, before: Meeting, after: Meeting, now: datetime) -> list[Letter]:
        """Invitations to the new, cancellations to those no longer invited, updates to the others if there is news."""
        were, are = dict.fromkeys(_emails(before)), dict.fromkeys(_emails(after))
        new = [email for email in are if email not in were]
        gone = [email for email in were if email not in are]
        stay = [email for email in are if email in were] if is_news(before, after) else []
        return [
            *self._requests(transaction, "invitation", after, new, now),
            *self._cancels(transaction, replace(before, sequence=after.sequence), gone, now, uninvited=True),
            *self._requests(transaction, "update", after, stay, now),
        ]

    def cancellations(self, transaction: Connection, of: Meeting, now: datetime) -> list[Letter]:
        """To all who were invited to a meeting that will not be."""
        return self._cancels(transaction, of, _emails(of), now, uninvited=False)

    def occurrence_changed(
        self, transaction: Connection, of: Meeting, changed: Occurrence, now: datetime
    ) -> list[Letter]:
        """To all who are invited to a series of which one meeting has changed."""
        shown = queries.at(of, changed.starts_at)
        return self._requests(transaction, "update", shown, _emails(of), now, only=changed)

    def occurrence_cancelled(
        self, transaction: Connection, of: Meeting, cancelled: Occurrence, now: datetime
    ) -> list[Letter]:
        """To all who are invited to a series of which one meeting will not be."""
        shown = queries.at(of, cancelled.starts_at)
        return self._cancels(transaction, shown, _emails(of), now, uninvited=False, only=cancelled)

    def reminders(self, transaction: Connection, of: Meeting, emails: Sequence[str], now: datetime) -> list[Letter]:
        """That a meeting begins soon. Of no use once it is over."""
        return self._to(transaction, "reminder", of, emails, now, None, expires_at=of.end_at)

    # -- how --------------------------------------------------------------------------------------------------------

    def _requests(
        self,
        transaction: Connection,
        template: str,
        about: Meeting,
        emails: Sequence[str],
        now: datetime,
        only: Occurrence | None = None,
    ) -> list[Letter]:
        def write(words: Words) -> Calendar:
            return self._calendars.request(about, words, now, only=only)

        return self._to(transaction, template, about, emails, now, write, only=only)

    def _cancels(
        self,
        transaction: Connection,
        about: Meeting,
        emails: Sequence[str],
        now: datetime,
        *,
        uninvited: bool,
        only: Occurrence | None = None,
    ) -> list[Letter]:
        def write(words: Words) -> Calendar:
            return self._calendars.cancel(about, words, now, only=only)

        return self._to(transaction, "cancellation", about, emails, now, write, only=only, uninvited=uninvited)

    def _to(
        self,
        transaction: Connection,
        template: str,
        about: Meeting,
        emails: Sequence[str],
        now: datetime,
        write: _Write | None,
        *,
        only: Occurrence | None = None,
        expires_at: datetime | None = None,
        **values: Any,
    ) -> list[Letter]:
        if not emails:
            return []
        people = people_by_email(transaction, emails)
        answered = {each.email: each.reply for each in about.invitees}
        values |= {"title": about.title, "owner": about.owner.name, "begin_at": about.begin_at, "end_at": about.end_at}
        values |= {"link": self._link(about), "passcode": about.options.passcode}
        values |= {"guests_allowed": about.options.guests_allowed, "e2ee": about.options.e2ee}
        calendars: dict[str, Calendar] = {}
        letters = []
        for email in emails:
            reader = people.get(email)
            language = known_language((reader or about.owner).language)
            if write is not None and language not in calendars:
                calendars[language] = write(self.words(about, language))
            letters.append(
                self._mail.compose(
                    template,
                    email,
                    now,
                    language=language,
                    zone=_zone(reader, about),
                    expires_at=expires_at,
                    calendar=calendars.get(language)
                    and addressed(
                        calendars[language], email, reader.name if reader else "", answered.get(email, Reply.NONE)
                    ),
                    reply_to=about.owner.email,
                    about=about.id,
                    repeats=_repeats(about, language) if only is None else None,
                    replies=self._replies.of(about.id, email, only.starts_at if only else EVERY),
                    has_account=reader is not None,
                    **values,
                )
            )
        return letters

    def words(self, about: Meeting, language: str) -> Words:
        """What a calendar of this language says of a meeting."""
        link = self._link(about)
        join, passcode = _DESCRIPTION[language]
        lines = [join.format(link=link)]
        if about.options.passcode is not None:
            lines.append(passcode.format(passcode=about.options.passcode))
        return Words(link, "\n".join(lines))


def is_news(before: Meeting, after: Meeting) -> bool:
    """Whether those who are invited must hear of a change."""
    return _what_matters(before) != _what_matters(after)


def times_differ(before: Meeting, after: Meeting) -> bool:
    """Whether who said they would come may not be able to any more."""
    return _times(before) != _times(after)


def _zone(reader: Person | None, about: Meeting) -> str:
    """Whoever has never said where they are reads the time of the meeting's place."""
    return about.zone if reader is None or reader.zone == "UTC" else reader.zone


def _repeats(about: Meeting, language: str) -> str | None:
    series = about.series
    return in_words(series.rule, series.begin_at, series.zone, language) if series else None


def _emails(of: Meeting) -> list[str]:
    return [each.email for each in of.invitees]


def _times(of: Meeting) -> tuple[object, ...]:
    if of.series is not None:
        return of.series.begin_at, of.series.end_at, of.zone, of.series.rule
    return of.begin_at, of.end_at, of.zone


def _what_matters(of: Meeting) -> tuple[object, ...]:
    title = of.series.title if of.series else of.title
    return title, of.options.passcode, of.options.e2ee, *_times(of)
