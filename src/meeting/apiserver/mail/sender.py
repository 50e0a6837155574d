"""The service that empties the queue of mails, on as many replicas as there are.

A sender leases the rows it is going to send: an UPDATE that only one of several can win, renewed while an attempt
lasts. If it dies, its leases run out within half a minute and another sends. What a mail server has taken is noted in a
file of this process (`Journal`) at once and in the database then; started again, it writes down what it finds there
before it sends. So a mail is sent again only if its sender dies and does not come back within half a minute, or dies
before it has read the 250; its Message-ID is the same then, so that mail programs show it once. While the database is
away what was sent is remembered, and written down when it is back.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, bindparam, or_, select, update
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.apiserver.database import Database
from meeting.apiserver.errands import Rounds
from meeting.apiserver.mail import rules
from meeting.apiserver.mail.journal import Journal
from meeting.apiserver.mail.rules import Outcome
from meeting.apiserver.mail.tables import mail
from meeting.apiserver.mail.use_cases import FAILED, QUEUED, SENT, Calendar, calendar_of, logo_of
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import NotFound, PleaseWait
from meeting.daemon.observe import Metrics

#: Mails sent at the same time.
AT_ONCE = 8
#: Seconds until the queue is looked into again, and at most, when nobody wakes the sender: for what another replica
#: left undone, and for what is tried again.
INTERVAL, LONGEST = 1.0, 5.0


class Picture(Protocol):
    """A picture that a mail carries: its media type, and its bytes."""

    @property
    def type(self) -> str: ...

    @property
    def data(self) -> bytes: ...


#: The picture with this SHA-256 (hex). Raises NotFound.
FindPicture = Callable[[str], Awaitable[Picture]]


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
    #: The SHA-256 (hex) of the logo that the HTML shows, and the picture once it was fetched.
    logo: str | None = None
    picture: Picture | None = None


@dataclass(frozen=True)
class Report:
    """What came of an attempt; `detail` is safe to show to an administrator."""

    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class Server:
    """A mail server as it is shown, and whom it serves."""

    name: str
    domains: tuple[str, ...] = (rules.ANY_DOMAIN,)


#: Tries one mail with one server; raises nothing.
Transport = Callable[[Outgoing], Awaitable[Report]]


class Sender(Service):
    """Sends what is due, by the first server that takes it."""

    name = "mail sender"
    log = Logger()

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        transports: Sequence[Transport],
        metrics: Metrics,
        servers: Sequence[Server] = (),
        journal: Journal | None = None,
        find_picture: FindPicture | None = None,
    ) -> None:
        """`servers`: what the transports reach, in their order; without them each is for every domain.

        `journal`: without one, what is sent when this process is killed may be sent again.

        `find_picture`: where the logos of mails are; without it they are left out.
        """
        self._database = database
        self._clock = clock
        self._transports = transports
        self._rests = rules.Rests(len(transports))
        self._mails = metrics.counter("meeting_mails", "Attempts to send a mail.", ["outcome"])
        self._failures = metrics.gauge("meeting_mail_server_failures", "Failures in a row.", ["server"])
        self._servers = servers or [Server(f"server {number + 1}") for number in range(len(transports))]
        self._holder = secrets.token_hex(16)
        self._rounds = Rounds("mails", clock, INTERVAL, self._take_due, longest=LONGEST, patient=True)
        self._in_flight: dict[str, Deferred[Any]] = {}
        # Tried, and not written down yet because the database was away: what was sent is not sent again by us.
        self._unsettled: dict[str, tuple[Outgoing, Report]] = {}
        self._journal = journal
        self._find_picture = find_picture
        # The newest: nearly all mails have the same.
        self._logo: tuple[str, Picture] | None = None
        self._taken_before: list[str] = []
        self._renewing = LoopingCall(self._renew_leases)
        self._renewing.clock = clock

    def startService(self) -> None:
        super().startService()
        if self._transports:
            if self._journal is not None:
                self._taken_before = self._journal.open()
            self._rounds.startService()
            self._rounds.wake()
            self._renewing.start(rules.RENEW_LEASE.total_seconds(), now=False)

    def stopService(self) -> Deferred[None]:
        """Waits for the mails that are being sent: each is written down as sent, or it would be sent again."""
        super().stopService()
        return Deferred.fromCoroutine(self._finish())

    async def _finish(self) -> None:
        if self._rounds.running:
            await self._rounds.stopService()
        await DeferredList(list(self._in_flight.values()))
        if self._renewing.running:
            self._renewing.stop()
        if self._journal is not None:
            self._journal.close()

    def wake(self) -> None:
        """Something was queued: look now."""
        self._rounds.wake()

    def state(self) -> list[dict[str, Any]]:
        """The mail servers, for administrators; `resting_until` is a moment in ISO 8601, or None."""
        now = utc_now(self._clock)
        shown = []
        for number, server in enumerate(self._servers):
            rest = self._rests.resting.get(number)
            resting = rest is not None and rest.until > now
            shown.append(
                {
                    "server": server.name,
                    "domains": list(server.domains),
                    "failures": rest.failures if rest else 0,
                    "resting_until": rest.until.isoformat() if rest and resting else None,
                    "trouble": rest.trouble if rest else "",
                }
            )
        return shown

    async def _take_due(self) -> bool:
        """Begin to send as many as there is room for; says whether there may be more."""
        if self._taken_before:
            await self._database.run(_settle_taken, self._taken_before, utc_now(self._clock))
            self._settled(*self._taken_before)
            self._taken_before = []
        for letter, report in list(self._unsettled.values()):
            await self._database.run(_settle, letter, self._holder, report, utc_now(self._clock))
            self._unsettled.pop(letter.id)
            self._settled(letter.id)
        room = AT_ONCE - len(self._in_flight)
        # Reading comes first: most looks find nothing, and a database that only one may write to is left alone.
        if room == 0 or not await self._database.read(_is_due, utc_now(self._clock)):
            return False  # whoever makes room wakes us
        due = await self._database.run(_lease, self._holder, utc_now(self._clock), room)
        for letter in due:
            if letter.id not in self._in_flight:  # a lease of ours that could not be renewed in time
                self._in_flight[letter.id] = sending = Deferred.fromCoroutine(self._send(letter))
                sending.addErrback(self._tell)
                sending.addCallback(self._sent, letter.id, len(due) == room)
        return len(due) == room and len(self._in_flight) < AT_ONCE

    def _sent(self, _: Any, identity: str, more: bool) -> None:
        del self._in_flight[identity]
        if more and self.running:
            self.wake()

    def _tell(self, failure: Failure) -> None:
        if not failure.check(PleaseWait):  # the database will be back, and the lease ends by itself
            self.log.failure("sending mail", failure)

    def _renew_leases(self) -> Deferred[None] | None:
        """While mails are with their servers, however slow those are, nobody else takes them over."""
        ids = list(self._in_flight)
        if not ids:
            return None
        work = self._database.run(_renew, self._holder, ids, utc_now(self._clock))
        # If the database is away for longer than a lease, somebody else sends: rather twice than never.
        return Deferred.fromCoroutine(work).addErrback(self._tell)

    async def _send(self, letter: Outgoing) -> None:
        letter = await self._with_picture(letter)
        report = Report(Outcome.REFUSED, rules.NO_SERVER)
        for number in self._rests.order(utc_now(self._clock)):
            server = self._servers[number]
            if not rules.serves(server.domains, letter.recipient):
                continue
            report = await self._transports[number](letter)
            if report.outcome is Outcome.SENT and self._journal is not None:
                self._journal.add(letter.id)
            self._note(number, report)
            if report.outcome in (Outcome.SENT, Outcome.REFUSED):
                break
            self.log.warn(
                "mail server {server} did not take mail {id}: {detail}",
                server=server.name,
                id=letter.id,
                detail=report.detail,
            )
            if report.outcome is Outcome.UNKNOWN:
                break
        if report.outcome is Outcome.REFUSED:
            self.log.warn("mail {id} was refused for good: {detail}", id=letter.id, detail=report.detail)
        self._mails.labels(report.outcome.name.lower()).inc()
        try:
            await self._database.run(_settle, letter, self._holder, report, utc_now(self._clock))
        except PleaseWait:
            self._unsettled[letter.id] = (letter, report)
            raise
        self._settled(letter.id)

    async def _with_picture(self, letter: Outgoing) -> Outgoing:
        if letter.logo is None or self._find_picture is None:
            return letter
        if self._logo is None or self._logo[0] != letter.logo:
            try:
                self._logo = (letter.logo, await self._find_picture(letter.logo))
            except NotFound:
                return letter  # it has an empty text beside the name
        return replace(letter, picture=self._logo[1])

    def _settled(self, *identities: str) -> None:
        if self._journal is not None:
            self._journal.remove(*identities)

    def _note(self, number: int, report: Report) -> None:
        if report.outcome in (Outcome.NOT_NOW, Outcome.UNKNOWN):
            self._rests.failed(number, utc_now(self._clock), report.detail)
        else:
            self._rests.worked(number)
        rest = self._rests.resting.get(number)
        self._failures.labels(self._servers[number].name).set(rest.failures if rest else 0)


_DUE = (
    select(mail.c.id)
    .where(mail.c.state == QUEUED, or_(mail.c.due_at <= bindparam("now"), mail.c.expires_at <= bindparam("now")))
    .limit(1)
)


def _is_due(transaction: Connection, now: datetime) -> bool:
    return transaction.execute(_DUE, {"now": now}).first() is not None


def _lease(transaction: Connection, holder: str, now: datetime, most: int) -> list[Outgoing]:
    """Take up to `most` mails that are due. Another sender's lease that ran out is due as well."""
    transaction.execute(
        update(mail)
        .where(mail.c.state == QUEUED, mail.c.expires_at <= now)
        .values(state=FAILED, last_error=rules.TOO_LATE, text="", html=None, calendar=None)
    )
    due = (mail.c.state == QUEUED) & (mail.c.due_at <= now)
    ids = [row.id for row in transaction.execute(select(mail.c.id).where(due).order_by(mail.c.due_at).limit(most))]
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
            logo=logo_of(row),
        )
        for row in transaction.execute(mine)
    ]


def _renew(transaction: Connection, holder: str, ids: Sequence[str], now: datetime) -> None:
    held = (mail.c.state == QUEUED) & (mail.c.holder == holder) & mail.c.id.in_(ids)
    transaction.execute(update(mail).where(held).values(due_at=now + rules.LEASE))


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
    _wipe(transaction, [letter.id])


def _settle_taken(transaction: Connection, ids: Sequence[str], now: datetime) -> None:
    """Write down that these were sent, whoever holds them by now."""
    taken = update(mail).where(mail.c.id.in_(ids), mail.c.state == QUEUED)
    transaction.execute(taken.values(state=SENT, sent_at=now, holder=None, last_error=None))
    _wipe(transaction, ids)


def _wipe(transaction: Connection, ids: Sequence[str]) -> None:
    """Of those that are done with, forget the text that nobody needs any more."""
    over = mail.c.id.in_(ids) & mail.c.state.in_((SENT, FAILED)) & (mail.c.wipe == 1)
    transaction.execute(update(mail).where(over).values(text="", html=None))
