"""Writing a mail and putting it into the queue, in the transaction that causes it: a mail is promised with what it
tells.

Whoever posts one calls `wake` when the transaction is committed; if that is forgotten or the process ends before, the
sender finds it within a second.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from sqlalchemy import Connection, bindparam, delete, func, select, update

from meeting.apiserver.database import Database, insert_new
from meeting.apiserver.mail import rules, words
from meeting.apiserver.mail.tables import mail
from meeting.apiserver.schema import new_id

#: States of a mail. `kept`: the demo's mailbox shows it instead of sending. `discarded`: written only for appearance.
QUEUED, SENT, FAILED, KEPT, DISCARDED = "queued", "sent", "failed", "kept", "discarded"

MOST_KEPT_SHOWN = 200


@dataclass(frozen=True)
class Brand:
    """Under which name mails come, and in which colours (`#rrggbb`): dark enough for white text on it, and light enough
    for the dark. What stands below each: a text of the house, the addresses of its imprint and privacy notice.
    """

    name: str = "Meeting"
    colour: str = "#1864ab"
    colour_dark: str = "#74c0fc"
    footer: str = ""
    imprint: str = ""
    privacy: str = ""
    #: The SHA-256 (hex) of the logo.
    logo: str | None = None

    @property
    def logo_id(self) -> str | None:
        """Under which Content-ID the HTML finds the logo in its mail."""
        return None if self.logo is None else rules.content_id(self.logo)


@dataclass(frozen=True)
class Calendar:
    """A calendar part: its iTIP method (`REQUEST`, `CANCEL`; RFC 5546) and the iCalendar text."""

    method: str
    content: str


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
    language: str = "en"
    html: str | None = None
    calendar: Calendar | None = None
    reply_to: str | None = None
    about: str | None = None
    logo: str | None = None


@dataclass(frozen=True)
class Delivery:
    """How it goes with a mail: `queued` (tried on), `sent`, `failed`; then why, and what the mail server said."""

    state: Literal["queued", "sent", "failed"]
    trouble: rules.Trouble | None = None
    detail: str = ""


@dataclass(frozen=True)
class KeptMail:
    """A mail as the demo's mailbox shows it."""

    id: str
    to: str
    subject: str
    text: str
    html: str | None
    calendar: str | None
    logo: str | None
    sent_at: datetime


class Reader(Protocol):
    """Who gets a mail, and what they speak."""

    @property
    def email(self) -> str: ...

    @property
    def language(self) -> str: ...

    @property
    def zone(self) -> str: ...


#: New ways into an account that its owner is told of.
Gain = Literal["passkey", "token"]


class Mail:
    """Composes mails from the templates in `templates/mail`, a folder per language.

    `<name>.txt`: the first line is the subject, a blank line, the text. `<name>.html`, where there is one, says the
    same; it extends `base.html`. `house.txt` and `house.html` stand below each: what administrators say there.
    """

    def __init__(
        self,
        database: Database,
        wake: Callable[[], None],
        *,
        public_url: str,
        keep: bool,
        brand: Callable[[], Brand] = Brand,
    ) -> None:
        """`wake` tells the sender that there is something to send. `keep`: into the demo's mailbox, nothing is sent.
        `brand` is asked for each mail.
        """
        self._brand = brand
        self._database = database
        self.wake = wake
        self._keep = keep
        self._templates = Environment(
            loader=PackageLoader("meeting.apiserver", "templates/mail"),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._templates.globals |= {"public_url": public_url, "day": _day, "moment": _moment, "span": _span}
        self._names = frozenset(self._templates.list_templates())

    def compose(
        self,
        template: str,
        recipient: str,
        now: datetime,
        *,
        wipe: bool = False,
        expires_at: datetime | None = None,
        discard: bool = False,
        language: str = "en",
        zone: str = "UTC",
        calendar: Calendar | None = None,
        reply_to: str | None = None,
        about: str | None = None,
        **values: Any,
    ) -> Letter:
        """The mail `template` for `recipient` (a normal address), who reads `language` and lives in `zone`.

        `wipe`: its text is a secret and not kept once sent. `discard`: written for appearance, never sent.
        `reply_to`: whom an answer reaches. `about`: the id under which `deliveries` tells how it goes. A template has
        `language`, `zone`, `brand`, `public_url`, the functions `day(at)`, `moment(at)` and `span(begin, end)`, which
        speak both, and `values`; a value it uses and is not given raises.
        """
        language = words.known_language(language)
        values |= {"language": language, "zone": zone, "brand": (brand := self._brand())}
        name = f"{language}/{template}"
        subject, _, text = self._templates.get_template(f"{name}.txt").render(**values).partition("\n")
        house = self._templates.get_template(f"{language}/house.txt").render(**values).strip()
        text = f"{text.strip()}\n" + (f"\n-- \n{house}\n" if house else "")
        # A subject is one header line, whatever a title holds.
        subject = " ".join(subject.removeprefix("Subject:").split())[:250]
        html = None
        if f"{name}.html" in self._names:
            html = self._templates.get_template(f"{name}.html").render(**values, subject=subject)
        state = DISCARDED if discard else KEPT if self._keep else QUEUED
        return Letter(
            id=new_id(now),
            recipient=recipient,
            subject=subject,
            text=text,
            created_at=now,
            expires_at=expires_at or now + rules.LIFETIME,
            state=state,
            wipe=wipe,
            language=language,
            html=html,
            calendar=calendar,
            reply_to=reply_to,
            about=about,
            logo=None if html is None else brand.logo,
        )

    def security_notice(self, reader: Reader, now: datetime, what: Gain, name: str, scopes: str = "") -> Letter:
        """Tells somebody of a new way into their account, called `name`; `scopes`: what a token may."""
        return self.compose(
            "security_notice",
            reader.email,
            now,
            language=reader.language,
            zone=reader.zone,
            what=what,
            name=name,
            at=now,
            scopes=scopes,
        )

    def post(self, transaction: Connection, *letters: Letter) -> None:
        """Queue `letters` with the transaction."""
        insert_new(transaction, mail, [_row(letter) for letter in letters])

    async def kept(self) -> list[KeptMail]:
        """The demo's mailbox, newest first."""
        return await self._database.read(_kept)

    async def returned(self, mail_id: str, why: str) -> bool:
        """A mail server has taken this mail and could not deliver it; says whether that was news."""
        return await self._database.run(note_returned, mail_id, why)

    async def sweep(self, before: datetime) -> None:
        """Forget mails that were written before this moment and are done with."""
        await self._database.run(_sweep, before)


_DELIVERIES = (
    select(mail.c.about, mail.c.recipient, mail.c.state, mail.c.last_error)
    .where(mail.c.about.in_(bindparam("about", expanding=True)))
    .order_by(mail.c.created_at, mail.c.id)
)


def deliveries(transaction: Connection, about: Collection[str]) -> dict[tuple[str, str], Delivery]:
    """How it goes with the last mail about each of these to each recipient: (about, recipient) → delivery.

    What was sent long ago and is forgotten is not in it.
    """
    if not about:
        return {}
    found = {}
    for row in transaction.execute(_DELIVERIES, {"about": list(about)}):
        if row.state == QUEUED:
            found[row.about, row.recipient] = Delivery("queued", None, row.last_error or "")
        elif row.state == FAILED:
            detail = row.last_error or ""
            found[row.about, row.recipient] = Delivery("failed", rules.trouble_of(detail), detail)
        else:
            found[row.about, row.recipient] = Delivery("sent")
    return found


def failures(transaction: Connection, about: Collection[str]) -> dict[str, int]:
    """To how many people a mail about each of these has failed, where it has to any."""
    failed = (
        select(mail.c.about, func.count(mail.c.recipient.distinct()).label("people"))
        .where(mail.c.about.in_(about), mail.c.state == FAILED)
        .group_by(mail.c.about)
    )
    return {row.about: row.people for row in transaction.execute(failed)}


def logo_of(row: Any) -> str | None:
    """The SHA-256 (hex) of the logo of a row of the queue."""
    return None if row.logo is None else row.logo.hex()


def calendar_of(row: Any) -> Calendar | None:
    """The calendar part in a row of the queue."""
    return None if row.calendar is None else Calendar(row.calendar_method, row.calendar)


@pass_context
def _day(context: Context, moment: datetime, short: bool = False) -> str:
    return words.day(moment, context["zone"], context["language"], short=short)


@pass_context
def _moment(context: Context, at: datetime) -> str:
    return words.moment(at, context["zone"], context["language"])


@pass_context
def _span(context: Context, begin: datetime, end: datetime, short: bool = False) -> str:
    return words.span(begin, end, context["zone"], context["language"], short=short)


def _kept(transaction: Connection) -> list[KeptMail]:
    query = (
        select(mail)
        .where(mail.c.state == KEPT)
        .order_by(mail.c.created_at.desc(), mail.c.id.desc())
        .limit(MOST_KEPT_SHOWN)
    )
    return [
        KeptMail(row.id, row.recipient, row.subject, row.text, row.html, row.calendar, logo_of(row), row.created_at)
        for row in transaction.execute(query)
    ]


def note_returned(transaction: Connection, mail_id: str, why: str) -> bool:
    """Write down that this mail did not arrive; says whether that was news."""
    # It may come back before its sender has written down that it was taken.
    out = update(mail).where(mail.c.id == mail_id, mail.c.state.in_((QUEUED, SENT)))
    failed = out.values(state=FAILED, holder=None, last_error=rules.RETURNED + why)
    return transaction.execute(failed).rowcount == 1


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
        "html": letter.html,
        "calendar_method": letter.calendar and letter.calendar.method,
        "calendar": letter.calendar and letter.calendar.content,
        "language": letter.language,
        "reply_to": letter.reply_to,
        "about": letter.about,
        "logo": letter.logo and bytes.fromhex(letter.logo),
        "wipe": int(letter.wipe),
        "created_at": letter.created_at,
        "due_at": letter.created_at,
        "expires_at": letter.expires_at,
        "attempts": 0,
        "sent_at": letter.created_at if letter.state == KEPT else None,
    }
