"""Writing a mail and putting it into the queue, in the transaction that causes it: a mail is promised with what it
tells.

Whoever posts one calls `wake` when the transaction is committed; if that is forgotten or the process ends before, the
sender finds it within a second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection, delete, select

from meeting.apiserver.database import Database, insert_new
from meeting.apiserver.mail import rules
from meeting.apiserver.mail.tables import mail
from meeting.apiserver.schema import new_id

#: States of a mail. `kept`: the demo's mailbox shows it instead of sending. `discarded`: written only for appearance.
QUEUED, SENT, FAILED, KEPT, DISCARDED = "queued", "sent", "failed", "kept", "discarded"

_MOST_KEPT_SHOWN = 200


@dataclass(frozen=True)
class Letter:
    """A mail ready for the queue."""

    id: str
    recipient: str
    subject: str
    text: str
    created_at: datetime
    expires_at: datetime
    state: str
    wipe: bool


@dataclass(frozen=True)
class KeptMail:
    """A mail as the demo's mailbox shows it."""

    to: str
    subject: str
    text: str
    sent_at: datetime


class Mail:
    """Composes mails from the templates in `templates/mail`: the first line is the subject, a blank line, the text."""

    def __init__(self, database: Database, wake: Callable[[], None], *, public_url: str, keep: bool) -> None:
        """`wake` tells the sender that there is something to send. `keep`: into the demo's mailbox, nothing is sent."""
        self._database = database
        self.wake = wake
        self._keep = keep
        self._templates = Environment(
            loader=PackageLoader("meeting.apiserver", "templates/mail"),
            undefined=StrictUndefined,
            autoescape=False,  # plain text
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._templates.globals["public_url"] = public_url

    def compose(
        self,
        template: str,
        recipient: str,
        now: datetime,
        *,
        wipe: bool = False,
        expires_at: datetime | None = None,
        discard: bool = False,
        **values: Any,
    ) -> Letter:
        """The mail `template` for `recipient` (a normal address).

        `wipe`: its text is a secret and not kept once sent.
        """
        subject, _, text = self._templates.get_template(f"{template}.txt").render(**values).partition("\n")
        state = DISCARDED if discard else KEPT if self._keep else QUEUED
        return Letter(
            id=new_id(now),
            recipient=recipient,
            # A subject is one header line, whatever a title holds.
            subject=" ".join(subject.removeprefix("Subject:").split())[:250],
            text=text.lstrip("\n"),
            created_at=now,
            expires_at=expires_at or now + rules.LIFETIME,
            state=state,
            wipe=wipe,
        )

    def post(self, transaction: Connection, *letters: Letter) -> None:
        """Queue `letters` with the transaction."""
        insert_new(transaction, mail, [_row(letter) for letter in letters])

    async def kept(self) -> list[KeptMail]:
        """The demo's mailbox, newest first."""
        return await self._database.read(_kept)

    async def sweep(self, before: datetime) -> None:
        """Forget mails that were written before this moment and are done with."""
        await self._database.run(_sweep, before)


def _kept(transaction: Connection) -> list[KeptMail]:
    query = (
        select(mail)
        .where(mail.c.state == KEPT)
        .order_by(mail.c.created_at.desc(), mail.c.id.desc())
        .limit(_MOST_KEPT_SHOWN)
    )
    return [KeptMail(row.recipient, row.subject, row.text, row.created_at) for row in transaction.execute(query)]


def _sweep(transaction: Connection, before: datetime) -> None:
    transaction.execute(delete(mail).where(mail.c.created_at < before, mail.c.state != QUEUED))
    transaction.execute(delete(mail).where(mail.c.expires_at < before))


def _row(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "state": letter.state,
        "recipient": letter.recipient,
        "subject": letter.subject,
        "text": letter.text,
        "wipe": int(letter.wipe),
        "created_at": letter.created_at,
        "due_at": letter.created_at,
        "expires_at": letter.expires_at,
        "attempts": 0,
        "sent_at": letter.created_at if letter.state == KEPT else None,
    }
