"""The mails that meetings cause: who is told what when one is made, changed or cancelled."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from meeting.apiserver.mail.use_cases import Letter, Mail
from meeting.apiserver.meetings.queries import Meeting


class Letters:
    """Writes the mails; whoever asks for them posts them, with the transaction that causes them."""

    def __init__(self, mail: Mail, link: Callable[[Meeting], str]) -> None:
        """`link` gives the address of a meeting's page."""
        self._mail = mail
        self._link = link

    def invitations(self, of: Meeting, now: datetime) -> list[Letter]:
        """To all who are invited to a new meeting."""
        return self._to("invitation", of, _emails(of), now)

    def changes(self, before: Meeting, after: Meeting, now: datetime) -> list[Letter]:
        """Invitations to the new, cancellations to those no longer invited, updates to the others if there is news."""
        were, are = dict.fromkeys(_emails(before)), dict.fromkeys(_emails(after))
        news = _what_matters(before) != _what_matters(after)
        return [
            *self._to("invitation", after, [email for email in are if email not in were], now),
            *self._to("cancellation", before, [email for email in were if email not in are], now, uninvited=True),
            *self._to("update", after, [email for email in are if email in were] if news else [], now),
        ]

    def cancellations(self, of: Meeting, now: datetime) -> list[Letter]:
        """To all who were invited to a meeting that will not be."""
        return self._to("cancellation", of, _emails(of), now, uninvited=False)

    def _to(self, template: str, about: Meeting, emails: Sequence[str], now: datetime, **values: Any) -> list[Letter]:
        if not emails:
            return []
        begin_at, end_at = _times(about)
        values |= {"title": about.title, "owner": about.owner.name, "begin_at": begin_at, "end_at": end_at}
        values |= {"link": self._link(about), "guests_allowed": about.guests_allowed}
        values |= {"repeats": None, "passcode": None, "replies": None}
        return [
            self._mail.compose(
                template,
                email,
                now,
                language=about.owner.language,
                zone=about.zone,
                reply_to=about.owner.email,
                **values,
            )
            for email in emails
        ]


def _times(of: Meeting) -> tuple[datetime, datetime]:
    assert of.begin_at is not None and of.end_at is not None, "an instant meeting has no times"
    return of.begin_at, of.end_at


def _emails(of: Meeting) -> list[str]:
    return [each.email for each in of.invitees]


def _what_matters(of: Meeting) -> tuple[object, ...]:
    return of.title, of.begin_at, of.end_at, of.zone
