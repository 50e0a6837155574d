"""The service that empties the queue of mails, on as many replicas as there are.

A sender leases the rows it is going to send: an UPDATE that only one of several can win, for as long as an attempt may
take. If it dies, its lease runs out and another sends. Between the mail server's 250 and our row saying so lies the
one instant in which a crash lets a mail be sent again; its Message-ID is the same then, so that mail programs show it
once.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select, update
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, FirstError, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.apiserver.database import Database
from meeting.apiserver.mail import rules
from meeting.apiserver.mail.rules import Outcome
from meeting.apiserver.mail.tables import mail
from meeting.apiserver.mail.use_cases import FAILED, QUEUED, SENT, Calendar, calendar_of
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import PleaseWait
from meeting.daemon.observe import Metrics

#: Mails leased, and sent at the same time.
BATCH = 8
#: Seconds between two looks into the queue when nobody wakes the sender.
INTERVAL = 1.0


@dataclass(frozen=True)
class Outgoing:
    """A mail as a transport gets it."""

    id: str
    recipient: str
    subject: str
    text: str
    created_at: datetime
    attempts: int
    expires_at: datetime
    language: str = "en"
    html: str | None = None
    calendar: Calendar | None = None
    reply_to: str | None = None


@dataclass(frozen=True)
class Report:
    """What came of an attempt; `detail` is safe to show to an administrator."""

    outcome: Outcome
    detail: str = ""


#: Tries one mail with one server; raises nothing.
Transport = Callable[[Outgoing], Awaitable[Report]]


class Sender(Service):
    """Sends what is due, by the first server that takes it."""

    name = "mail sender"
    log = Logger()

    def __init__(
        self, database: Database, clock: IReactorTime, transports: Sequence[Transport], metrics: Metrics
    ) -> None:
        self._database = database
        self._clock = clock
        self._transports = transports
        self._rests = rules.Rests(len(transports))
        self._mails = metrics.counter("meeting_mails", "Attempts to send a mail.", ["outcome"])
        self._holder = secrets.token_hex(16)
        self._next: IDelayedCall | None = None
        self._round: Deferred[Any] | None = None
        self._again = False

    def startService(self) -> None:
        super().startService()
        if self._transports:
            self._next = self._clock.callLater(0, self._begin)

    def stopService(self) -> Deferred[None]:
        """Waits for the mails that are being sent: each is written down as sent, or it would be sent again."""
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        return self._round or succeed(None)

    def wake(self) -> None:
        """Something was queued: look now."""
        if self._next is not None and self._next.active():
            self._next.reset(0)
        else:
            self._again = True

    def _begin(self) -> None:
        self._again = False
        self._round = Deferred.fromCoroutine(self._send_due())
        self._round.addBoth(self._rest)

    def _rest(self, result: Any) -> None:
        self._round = None
        full = result is True
        if isinstance(result, Failure):
            failure = result.value.subFailure if isinstance(result.value, FirstError) else result
            if not failure.check(PleaseWait):  # the database will be back, and the lease ends by itself
                self.log.failure("sending mail", failure)
        if self.running:
            self._next = self._clock.callLater(0 if full or self._again else INTERVAL, self._begin)

    async def _send_due(self) -> bool:
        """One round; says whether there may be more."""
        due = await self._database.run(_lease, self._holder, utc_now(self._clock))
        await DeferredList(
            [Deferred.fromCoroutine(self._send(letter)) for letter in due], fireOnOneErrback=True, consumeErrors=True
        )
        return len(due) == BATCH

    async def _send(self, letter: Outgoing) -> None:
        report = Report(Outcome.NOT_NOW, "no mail server")
        for server in self._rests.order(utc_now(self._clock)):
            report = await self._transports[server](letter)
            if report.outcome is not Outcome.NOT_NOW:
                self._rests.worked(server)
                break
            self._rests.failed(server, utc_now(self._clock))
            self.log.warn(
                "mail server {number} did not take mail {id}: {detail}",
                number=server + 1,
                id=letter.id,
                detail=report.detail,
            )
        if report.outcome is Outcome.REFUSED:
            self.log.warn("mail {id} was refused for good: {detail}", id=letter.id, detail=report.detail)
        self._mails.labels(report.outcome.name.lower()).inc()
        await self._database.run(_settle, letter, self._holder, report, utc_now(self._clock))


def _lease(transaction: Connection, holder: str, now: datetime) -> list[Outgoing]:
    """Take up to BATCH mails that are due. Another sender's lease that ran out is due as well."""
    transaction.execute(
        update(mail)
        .where(mail.c.state == QUEUED, mail.c.expires_at <= now)
        .values(state=FAILED, last_error="too late", text="", html=None, calendar=None)
    )
    due = (mail.c.state == QUEUED) & (mail.c.due_at <= now)
    ids = [row.id for row in transaction.execute(select(mail.c.id).where(due).order_by(mail.c.due_at).limit(BATCH))]
    if not ids:
        return []
    transaction.execute(update(mail).where(due, mail.c.id.in_(ids)).values(holder=holder, due_at=now + rules.LEASE))
    mine = select(mail).where(mail.c.id.in_(ids), mail.c.holder == holder, mail.c.due_at == now + rules.LEASE)
    return [
        Outgoing(
            id=row.id,
            recipient=row.recipient,
            subject=row.subject,
            text=row.text,
            created_at=row.created_at,
            attempts=row.attempts,
            expires_at=row.expires_at,
            language=row.language,
            html=row.html,
            calendar=calendar_of(row),
            reply_to=row.reply_to,
        )
        for row in transaction.execute(mine)
    ]


def _settle(transaction: Connection, letter: Outgoing, holder: str, report: Report, now: datetime) -> None:
    """Write down what became of a mail that we held."""
    held = update(mail).where(
        mail.c.id == letter.id, mail.c.state == QUEUED, or_(mail.c.holder == holder, mail.c.holder.is_(None))
    )
    if report.outcome is Outcome.SENT:
        transaction.execute(held.values(state=SENT, sent_at=now, holder=None, last_error=None))
    elif report.outcome is Outcome.REFUSED:
        transaction.execute(held.values(state=FAILED, holder=None, last_error=report.detail[:500]))
    else:
        attempts = letter.attempts + 1
        due = now + rules.delay_after(attempts)
        transaction.execute(held.values(attempts=attempts, due_at=due, holder=None, last_error=report.detail[:500]))
    over = (mail.c.id == letter.id) & mail.c.state.in_((SENT, FAILED)) & (mail.c.wipe == 1)
    transaction.execute(update(mail).where(over).values(text="", html=None))
