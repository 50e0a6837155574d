"""Registering webhooks, and writing down what is to be told by them."""

import hmac
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.database import Database, afterwards
from meeting.apiserver.hooks import rules
from meeting.apiserver.hooks.rules import Event, Network
from meeting.apiserver.hooks.tables import webhook, webhook_delivery
from meeting.apiserver.pages import Order, Page, Slice
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import Conflict, NotFound

__all__ = ["DELIVERED", "FAILED", "QUEUED", "Delivery", "Event", "Hooks", "Webhook"]

#: States of a delivery.
QUEUED, DELIVERED, FAILED = "queued", "delivered", "failed"

_NEWEST = Order(webhook_delivery.c.created_at, webhook_delivery.c.id, descending=True)


@dataclass(frozen=True)
class Webhook:
    """Who is told what."""

    id: str
    url: str
    description: str
    events: tuple[str, ...]
    enabled: bool
    generation: int
    created_at: datetime
    failing_since: datetime | None


@dataclass(frozen=True)
class Delivery:
    """What became of one event."""

    id: str
    event: str
    state: str
    created_at: datetime
    attempts: int
    status: int | None
    error: str
    done_at: datetime | None


class Hooks:
    """The webhooks of the hub."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        key: bytes,
        networks: Collection[Network],
        *,
        wake: Callable[[], None],
    ) -> None:
        """`key`: the secret's key of the purpose `webhook`. `networks`: private ones that may be reached. `wake`: lets
        the sender look.
        """
        self._database = database
        self._clock = clock
        self._key = key
        self._networks = tuple(networks)
        self._wake = wake

    # -- telling ------------------------------------------------------------------------------------------------------

    def tell(
        self, transaction: Connection, event: Event, data: Callable[[], Sequence[Mapping[str, Any]]], now: datetime
    ) -> None:
        """Write down for each webhook that wants it what has happened, with the transaction in which it happens.

        `data` gives what to tell, one for each time the event has happened; it is asked only if somebody wants to know.
        """
        wanting = [row.id for row in transaction.execute(_ENABLED) if event in row.events]
        if not wanting:
            return
        queued = (
            select(webhook_delivery.c.webhook_id, func.count().label("waiting"))
            .where(webhook_delivery.c.state == QUEUED, webhook_delivery.c.webhook_id.in_(wanting))
            .group_by(webhook_delivery.c.webhook_id)
        )
        waiting = {row.webhook_id: row.waiting for row in transaction.execute(queued)}
        open_ = [id for id in wanting if waiting.get(id, 0) < rules.MOST_WAITING]
        rows = [_row(id, event, each, now) for each in (data() if open_ else ()) for id in open_]
        if rows:
            transaction.execute(webhook_delivery.insert(), rows)
            afterwards(transaction, self._wake)

    # -- administrators ---------------------------------------------------------------------------------------------

    async def all(self) -> list[Webhook]:
        """Every webhook, the newest first."""
        return await self._database.read(_all)

    async def add(
        self,
        url: str,
        events: Sequence[str],
        description: str,
        also: Callable[[Connection, Webhook], None],
        *,
        webhook_id: str | None = None,
    ) -> tuple[Webhook, str]:
        """A new webhook, and its secret, which is shown now only. One that is there under `webhook_id` was made by a
        call whose answer was lost. Raises BadRequest, Conflict.
        """
        now = utc_now(self._clock)
        row = {
            "id": webhook_id or new_id(now),
            "url": rules.check_url(url, self._networks),
            "description": " ".join(description.split()),
            "events": json.dumps(rules.check_events(events)),
            "enabled": True,
            "generation": 1,
            "created_at": now,
            "failing_since": None,
            "rests_until": now,
        }

        def write(transaction: Connection) -> Webhook:
            there = _find(transaction, str(row["id"]))
            if there is not None:
                return there
            if (transaction.execute(select(func.count()).select_from(webhook)).scalar() or 0) >= rules.MOST_WEBHOOKS:
                raise Conflict(f"There are {rules.MOST_WEBHOOKS} webhooks already; remove one.")
            transaction.execute(webhook.insert().values(**row))
            made = _one(transaction, str(row["id"]))
            also(transaction, made)
            return made

        made = await self._database.run(write)
        return made, rules.secret_text(self.secret(made.id, made.generation))

    async def change(
        self,
        id: str,
        *,
        url: str | None,
        events: Sequence[str] | None,
        description: str | None,
        enabled: bool | None,
        also: Callable[[Connection, Webhook, Webhook], None],
    ) -> Webhook:
        """Change what is given; to enable one again forgets that it failed. Raises NotFound, BadRequest."""
        values: dict[str, Any] = {}
        if url is not None:
            values["url"] = rules.check_url(url, self._networks)
        if events is not None:
            values["events"] = json.dumps(rules.check_events(events))
        if description is not None:
            values["description"] = " ".join(description.split())
        if enabled is not None:
            values |= {"enabled": enabled, "failing_since": None, "rests_until": utc_now(self._clock)}

        def write(transaction: Connection) -> Webhook:
            before = _one(transaction, id)
            if values:
                transaction.execute(update(webhook).where(webhook.c.id == id).values(**values))
            after = _one(transaction, id)
            also(transaction, before, after)
            return after

        return await self._database.run(write)

    async def renew_secret(self, id: str, also: Callable[[Connection, Webhook], None]) -> str:
        """A new secret in place of the old one, which is good for nothing any more. Raises NotFound."""

        def write(transaction: Connection) -> Webhook:
            transaction.execute(update(webhook).where(webhook.c.id == id).values(generation=webhook.c.generation + 1))
            found = _one(transaction, id)
            also(transaction, found)
            return found

        renewed = await self._database.run(write)
        return rules.secret_text(self.secret(renewed.id, renewed.generation))

    async def remove(self, id: str, also: Callable[[Connection, Webhook], None]) -> None:
        """Remove a webhook and what waits for it. Raises NotFound."""

        def write(transaction: Connection) -> None:
            found = _one(transaction, id)
            transaction.execute(delete(webhook_delivery).where(webhook_delivery.c.webhook_id == id))
            transaction.execute(delete(webhook).where(webhook.c.id == id))
            also(transaction, found)

        await self._database.run(write)

    async def test(self, id: str) -> None:
        """Send a webhook an event that says nothing. Raises NotFound."""
        now = utc_now(self._clock)
        row = _row(id, Event.TEST, {"text": "It works."}, now)

        def write(transaction: Connection) -> None:
            _one(transaction, id)
            transaction.execute(update(webhook).where(webhook.c.id == id).values(rests_until=now))
            transaction.execute(webhook_delivery.insert().values(**row))

        await self._database.run(write)

    async def deliveries(self, id: str, page: Page) -> Slice[Delivery]:
        """The deliveries of a webhook, the newest first. Raises NotFound."""
        return await self._database.read(_deliveries, id, page)

    async def sweep(self) -> None:
        """Forget deliveries that are over for long."""
        before = utc_now(self._clock) - rules.MEMORY
        await self._database.run(_forget, before)

    def secret(self, id: str, generation: int) -> bytes:
        """The secret by which a webhook's deliveries are signed."""
        return hmac.digest(self._key, f"{id}:{generation}".encode(), "sha256")


_ENABLED = select(webhook.c.id, webhook.c.events).where(webhook.c.enabled)


def _row(webhook_id: str, event: Event, data: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    body = {"type": event.value, "timestamp": f"{now:%Y-%m-%dT%H:%M:%S.%f}Z", "data": dict(data)}
    return {
        "id": new_id(now),
        "webhook_id": webhook_id,
        "event": event.value,
        "body": json.dumps(body, ensure_ascii=False, default=_json),
        "state": QUEUED,
        "created_at": now,
        "due_at": now,
        "attempts": 0,
        "error": "",
    }


def _json(value: object) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else str(value)


def _webhook(row: Row[Any]) -> Webhook:
    events = tuple(json.loads(row.events))
    return Webhook(
        row.id, row.url, row.description, events, bool(row.enabled), row.generation, row.created_at, row.failing_since
    )


def _all(transaction: Connection) -> list[Webhook]:
    query = select(webhook).order_by(webhook.c.created_at.desc(), webhook.c.id.desc())
    return [_webhook(row) for row in transaction.execute(query)]


def _find(transaction: Connection, id: str) -> Webhook | None:
    row = transaction.execute(select(webhook).where(webhook.c.id == id)).first()
    return None if row is None else _webhook(row)


def _one(transaction: Connection, id: str) -> Webhook:
    found = _find(transaction, id)
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


def _deliveries(transaction: Connection, id: str, page: Page) -> Slice[Delivery]:
    _one(transaction, id)
    query = select(webhook_delivery).where(webhook_delivery.c.webhook_id == id)
    return _NEWEST.cut(transaction.execute(_NEWEST.of_page(query, page)).all(), page).map(_delivery)


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(row.id, row.event, row.state, row.created_at, row.attempts, row.status, row.error, row.done_at)


def _forget(transaction: Connection, before: datetime) -> None:
    over = (webhook_delivery.c.created_at < before) & (webhook_delivery.c.state != QUEUED)
    transaction.execute(delete(webhook_delivery).where(over))
