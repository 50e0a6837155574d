"""The service that delivers what is due, on as many replicas as there are.

As with mails: a sender leases rows by an UPDATE that one of several wins; if it dies its lease runs out. A receiver
must expect a delivery twice, and knows it again by `webhook-id`.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from meeting.apiserver.database import Database
from meeting.apiserver.errands import Rounds
from meeting.apiserver.hooks import rules
from meeting.apiserver.hooks.tables import webhook, webhook_delivery
from meeting.apiserver.hooks.use_cases import DELIVERED, FAILED, QUEUED, Event, Hooks
from meeting.apiserver.schema import utc_now
from meeting.daemon.client import body_of, discard
from meeting.daemon.errors import PleaseWait

#: Deliveries leased, and sent at the same time.
BATCH = 16
#: Seconds until the next look, and at most, when nobody wakes the sender.
INTERVAL, LONGEST = 1.0, 5.0


@dataclass(frozen=True)
class _Due:
    id: str
    webhook_id: str
    url: str
    generation: int
    body: bytes
    attempts: int


class HookSender(Rounds):
    """Delivers events to the webhooks."""

    log = Logger()

    def __init__(self, database: Database, clock: IReactorTime, agent: IAgent, hooks: Hooks) -> None:
        """`agent` goes nowhere that `rules.may_reach` forbids."""
        self._database = database
        self._clock = clock
        self._agent = agent
        self._hooks = hooks
        self._holder = secrets.token_hex(16)
        super().__init__("webhooks", clock, INTERVAL, self._send_due, longest=LONGEST)

    async def _send_due(self) -> bool:
        if not await self._database.read(_is_due, utc_now(self._clock)):
            return False
        due = await self._database.run(_lease, self._holder, utc_now(self._clock))
        results: Any = await DeferredList(
            [Deferred.fromCoroutine(self._send(each)) for each in due], consumeErrors=True
        )
        for _, result in results:
            if isinstance(result, Failure) and not result.check(PleaseWait, CancelledError):
                self.log.failure("delivering a webhook", result)
        return len(due) == BATCH

    async def _send(self, due: _Due) -> None:
        status, error = await self._post(due)
        switched_off = await self._database.run(_settle, due, self._holder, status, error, utc_now(self._clock))
        if switched_off:
            self.log.warn("webhook {id} is switched off: nothing has reached it for days", id=due.webhook_id)

    async def _post(self, due: _Due) -> tuple[int | None, str]:
        """The status that the receiver answered, or why there is none."""
        timestamp = int(self._clock.seconds())
        id = f"msg_{due.id}"
        headers = Headers(
            {
                "Content-Type": ["application/json"],
                "User-Agent": ["meeting"],
                "webhook-id": [id],
                "webhook-timestamp": [str(timestamp)],
                "webhook-signature": [
                    rules.signature(self._hooks.secret(due.webhook_id, due.generation), id, timestamp, due.body)
                ],
            }
        )
        request = self._agent.request(b"POST", due.url.encode("ascii"), headers, body_of(due.body))
        late = self._clock.callLater(rules.TIMEOUT, request.cancel)
        try:
            response = await request
        except CancelledError:
            if not self.running:
                raise
            return None, f"no answer within {rules.TIMEOUT:g} s"
        except Exception as error:  # whatever the network has in store
            return None, _reason(error)
        finally:
            if late.active():
                late.cancel()
        discard(response)
        status = int(response.code)
        return status, "" if 200 <= status < 300 else f"answered {status}"


def _reason(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)
    return _reason(reasons[0].value) if reasons else (str(error) or type(error).__name__)[:300]


_DUE = (
    select(webhook_delivery.c.id)
    .where(webhook_delivery.c.state == QUEUED, webhook_delivery.c.due_at <= bindparam("now"))
    .limit(1)
)


def _is_due(transaction: Connection, now: datetime) -> bool:
    return transaction.execute(_DUE, {"now": now}).first() is not None


def _lease(transaction: Connection, holder: str, now: datetime) -> list[_Due]:
    due = (webhook_delivery.c.state == QUEUED) & (webhook_delivery.c.due_at <= now)
    wanted = (
        select(webhook_delivery.c.id, webhook_delivery.c.webhook_id, webhook.c.url, webhook.c.generation)
        .select_from(webhook_delivery.join(webhook, webhook.c.id == webhook_delivery.c.webhook_id))
        .where(due, webhook.c.rests_until <= now, or_(webhook.c.enabled, webhook_delivery.c.event == Event.TEST))
        .order_by(webhook_delivery.c.due_at, webhook_delivery.c.id)
        .limit(BATCH)
    )
    places = {row.id: (row.webhook_id, row.url, row.generation) for row in transaction.execute(wanted)}
    if not places:
        return []
    until = now + rules.LEASE
    transaction.execute(
        update(webhook_delivery).where(due, webhook_delivery.c.id.in_(places)).values(holder=holder, due_at=until)
    )
    mine = select(webhook_delivery).where(
        webhook_delivery.c.id.in_(places), webhook_delivery.c.holder == holder, webhook_delivery.c.due_at == until
    )
    return [
        _Due(row.id, *places[row.id], row.body.encode(), row.attempts)
        for row in transaction.execute(mine.order_by(webhook_delivery.c.created_at, webhook_delivery.c.id))
    ]


def _settle(transaction: Connection, due: _Due, holder: str, status: int | None, error: str, now: datetime) -> bool:
    """Write down what became of an attempt; says whether the webhook was switched off by it."""
    held = update(webhook_delivery).where(
        webhook_delivery.c.id == due.id, webhook_delivery.c.holder == holder, webhook_delivery.c.state == QUEUED
    )
    hook = update(webhook).where(webhook.c.id == due.webhook_id)
    attempts = due.attempts + 1
    values: dict[str, Any] = {"holder": None, "attempts": attempts, "status": status, "error": error[:300]}
    if not error:
        transaction.execute(held.values(**values, state=DELIVERED, done_at=now))
        transaction.execute(hook.where(webhook.c.failing_since.is_not(None)).values(failing_since=None))
        return False
    delay = rules.delay_after(attempts)
    if delay is None:
        transaction.execute(held.values(**values, state=FAILED, done_at=now))
    else:
        transaction.execute(held.values(**values, due_at=now + delay))
    transaction.execute(hook.where(webhook.c.failing_since.is_(None)).values(failing_since=now))
    # The others that wait for it need not find out one by one that it is not there.
    transaction.execute(hook.values(rests_until=now + rules.DELAYS[0]))
    gone = hook.where(webhook.c.enabled, webhook.c.failing_since <= now - rules.PATIENCE)
    return transaction.execute(gone.values(enabled=False)).rowcount == 1
