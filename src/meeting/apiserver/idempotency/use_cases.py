"""A call that is sent again under its `Idempotency-Key` gets the first answer again (draft-ietf-httpapi-idempotency-key
-header-07), whichever replica it reaches.

A row claims the key before the handler runs; it holds the id of what the call will make. The claim is short, and
renewed while the handler runs. When a replica dies between the handler's transaction and the answer, the next try takes
the claim over with that same id, and the use case finds its own row there instead of making a second one (decision 2).
Refusals (4xx) are not kept: nothing was made, and the same key may be used again.
"""

import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, select, update
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.apiserver.accounts.use_cases import Caller
from meeting.apiserver.database import Database, insert_if_absent
from meeting.apiserver.idempotency.tables import idempotent_call
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.call import Call, Reply
from meeting.daemon.errors import BadRequest, Conflict, KeyReused, MeetingError
from meeting.daemon.route import Route

#: How long an answer is kept.
MEMORY = timedelta(hours=24)
#: A call that has not renewed its claim for so long is broken off, its replica dead; who waits for it waits no longer.
#: Taken over while it still goes on, as a replica may be cut off, it makes nothing twice: both make what has one id.
CLAIM = timedelta(seconds=6)
RENEW_CLAIM = CLAIM / 4
LONGEST_KEY = 255

Handler = Callable[[Call], Awaitable[Reply]]


class StillGoingOn(Conflict):
    """The first call with this key has not been answered yet."""

    problem = "idempotency-key-in-use"
    title = "The first request with this Idempotency-Key is still going on."


@dataclass(frozen=True)
class _Claim:
    digest: bytes
    fingerprint: bytes
    id: str


class Idempotency:
    """The calls of the last day that carried a key (`daemon.web.Once`)."""

    log = Logger()

    def __init__(self, database: Database, clock: IReactorTime, secret: bytes) -> None:
        """`secret`: the key of the purpose `idempotency`; with the client's key it seals the answers that are kept."""
        self._database = database
        self._clock = clock
        self._secret = secret

    async def answer(self, route: Route, call: Call, handler: Handler) -> Reply:
        """What `handler` answers, or has answered under this key. Raises BadRequest, KeyReused, StillGoingOn."""
        given = call.header("Idempotency-Key")
        who = _caller(call.caller)
        if given is None or who is None:
            return await handler(call)
        key = _key(given)
        asked = _asked(call)
        now = utc_now(self._clock)
        digest = sha256(f"{who}\0{route.method} {route.path}\0{key}".encode()).digest()
        fresh = _Claim(digest, sha256(asked).digest(), new_id(now))
        found = await self._database.run(_claim, fresh, now)
        if isinstance(found, bytes):
            return _opened(self._cipher(key), digest, found)
        renewing = self._renewing(digest)
        try:
            reply = await handler(replace(call, new_id=found))
        except MeetingError as error:
            if error.status < 500:
                await self._database.run(_release, digest)
            raise
        finally:
            renewing.stop()
        answer = _sealed(self._cipher(key), digest, reply)
        await self._database.run(_keep, digest, answer, utc_now(self._clock) + MEMORY)
        return reply

    def _renewing(self, digest: bytes) -> LoopingCall:
        def tell(failure: Failure) -> None:
            # Somebody else may begin now; what both make has one id, so it is made once.
            self.log.warn("a call's Idempotency-Key could not be kept: {error}", error=failure.getErrorMessage())

        def renew() -> Deferred[None]:
            work = self._database.run(_renew, digest, utc_now(self._clock))
            return Deferred.fromCoroutine(work).addErrback(tell)

        renewing = LoopingCall(renew)
        renewing.clock = self._clock
        renewing.start(RENEW_CLAIM.total_seconds(), now=False)
        return renewing

    def _cipher(self, key: str) -> AESGCM:
        return AESGCM(hmac.digest(self._secret, key.encode(), "sha256"))

    async def sweep(self) -> None:
        """Forget what was kept long enough."""
        await self._database.run(_sweep, utc_now(self._clock))


def _caller(caller: Caller) -> str | None:
    """Whose key it is: those of two people are two keys. Nobody known has none."""
    if caller.person is not None:
        return caller.person.id
    return None if caller.guest is None else caller.guest.id


def _key(given: str) -> str:
    """The key: a string of structured fields (RFC 8941, section 3.3.3), or bare, as many clients send it."""
    key = given.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise BadRequest(f"Idempotency-Key: write 1 to {LONGEST_KEY} printable ASCII characters, a UUID for example.")
    return key


def _asked(call: Call) -> bytes:
    content = call.request.content
    content.seek(0)
    body: bytes = content.read()
    content.seek(0)
    return bytes(call.request.uri) + b"\0" + body


def _claim(transaction: Connection, fresh: _Claim, now: datetime) -> str | bytes:
    """The id under which the call is to be made; or its answer, if it was."""
    transaction.execute(
        delete(idempotent_call).where(idempotent_call.c.digest == fresh.digest, idempotent_call.c.expires_at <= now)
    )
    row = {"digest": fresh.digest, "fingerprint": fresh.fingerprint, "id": fresh.id}
    if insert_if_absent(
        transaction, idempotent_call, **row, claimed_until=now + CLAIM, answer=None, expires_at=now + MEMORY
    ):
        return fresh.id
    found = transaction.execute(select(idempotent_call).where(idempotent_call.c.digest == fresh.digest)).one()
    if found.fingerprint != fresh.fingerprint:
        raise KeyReused()
    if found.answer is not None:
        return bytes(found.answer)
    mine = found.id == fresh.id  # this transaction is done again: the answer to its commit was lost
    if not mine:
        takes = update(idempotent_call).where(
            idempotent_call.c.digest == fresh.digest,
            idempotent_call.c.claimed_until == found.claimed_until,
            idempotent_call.c.claimed_until <= now,
        )
        if not transaction.execute(takes.values(claimed_until=now + CLAIM)).rowcount:
            wait = max(1, round((found.claimed_until - now).total_seconds()))
            raise StillGoingOn(headers={"Retry-After": str(min(wait, 2))})
    return str(found.id)


def _renew(transaction: Connection, digest: bytes, now: datetime) -> None:
    going_on = (idempotent_call.c.digest == digest) & idempotent_call.c.answer.is_(None)
    transaction.execute(update(idempotent_call).where(going_on).values(claimed_until=now + CLAIM))


def _release(transaction: Connection, digest: bytes) -> None:
    transaction.execute(delete(idempotent_call).where(idempotent_call.c.digest == digest))


def _keep(transaction: Connection, digest: bytes, answer: bytes, until: datetime) -> None:
    change = update(idempotent_call).where(idempotent_call.c.digest == digest)
    transaction.execute(change.values(answer=answer, expires_at=until))


def _sweep(transaction: Connection, now: datetime) -> None:
    transaction.execute(delete(idempotent_call).where(idempotent_call.c.expires_at <= now))


def _sealed(cipher: AESGCM, digest: bytes, reply: Reply) -> bytes:
    """Status, headers and body; no cookies: who sends a call again has those they had."""
    plain: dict[str, Any] = {"status": reply.status, "headers": {**reply.headers}, "body": reply.content.decode()}
    plain["headers"].setdefault("Content-Type", "application/json")
    nonce = secrets.token_bytes(12)
    return nonce + cipher.encrypt(nonce, json.dumps(plain).encode(), digest)


def _opened(cipher: AESGCM, digest: bytes, answer: bytes) -> Reply:
    plain = json.loads(cipher.decrypt(answer[:12], answer[12:], digest))
    headers = {**plain["headers"], "Idempotency-Replayed": "true"}
    return Reply(plain["status"], plain["body"].encode(), headers)
