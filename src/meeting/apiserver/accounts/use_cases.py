"""Signing in by a code, sessions, and guests.

Nothing here tells whether an address is known: a code is asked for, counted, stored and mailed the same way for every
address, and an account comes to be with its first good code. For an address that may have no account the same rows are
written and the mail is marked as not to be sent, so that even the time it takes says nothing.

What takes a `transaction` runs inside that of whoever calls it.
"""

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, bindparam, case, delete, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts import rules
from meeting.apiserver.accounts.people import (
    NOBODY,
    Caller,
    Guest,
    Person,
    appoint,
    people_by_email,
    people_by_id,
    person_for,
)
from meeting.apiserver.accounts.rules import Device
from meeting.apiserver.accounts.sessions import Sessions, new_cookie
from meeting.apiserver.accounts.tables import guest, oidc_attempt, passkey_challenge, rate, session, sign_in_code
from meeting.apiserver.database import Database, insert_new, upsert
from meeting.apiserver.mail.use_cases import Mail
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import Forbidden, MeetingError, TooManyRequests

__all__ = [
    "NOBODY",
    "Accounts",
    "Caller",
    "Guest",
    "Person",
    "WrongCode",
    "appoint",
    "count",
    "people_by_email",
    "people_by_id",
]


class WrongCode(MeetingError):
    """The code is not the one that was sent, or it is over."""

    status = 401
    problem = "wrong-code"
    title = "This code is wrong or too old."


class NoCodes(Forbidden):
    """People sign in by the single sign-on alone."""

    problem = "no-codes"
    title = "Nobody signs in by a mailed code here; use the single sign-on."


class Accounts:
    """Signing in by a code that is mailed, and letting guests in."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        mail: Mail,
        sessions: Sessions,
        key: bytes,
        *,
        allowed_domains: Callable[[], frozenset[str]] = frozenset,
        administrators: frozenset[str] = frozenset(),
        codes: bool = True,
    ) -> None:
        """`key`: the secret's key of the purpose `sign-in-code`, under which codes are stored as HMACs.

        `administrators`: the addresses, as `rules.normal_email` writes them, of those who are made administrators.
        `codes`: whether codes are mailed at all.
        """
        self._database = database
        self._clock = clock
        self._mail = mail
        self._sessions = sessions
        self._key = key
        self._allowed_domains = allowed_domains
        self._administrators = administrators
        self._codes = codes

    # -- signing in -------------------------------------------------------------------------------------------------

    async def request_code(self, address: str, source: str) -> timedelta:
        """Mail a new code to `address`; returns how long it is good. `source`: where the request comes from.

        Raises TooManyRequests over the limits per address and per source, NoCodes.
        """
        self._check_codes()
        email = rules.normal_email(address)
        code = f"{secrets.randbelow(10**rules.CODE_DIGITS):0{rules.CODE_DIGITS}}"
        now = utc_now(self._clock)
        letter = self._mail.compose(
            "sign_in_code",
            email,
            now,
            wipe=True,
            expires_at=now + rules.CODE_LIFETIME,
            discard=not rules.may_sign_in(email, self._allowed_domains()),
            code=code,
            minutes=rules.CODE_LIFETIME // timedelta(minutes=1),
        )

        def store(transaction: Connection) -> float:
            # Only what is within the limits is counted against the address: a source over its own cannot lock others
            # out.
            wait = count(transaction, rules.CODES_PER_SOURCE, source, now) or count(
                transaction, rules.CODES_PER_ADDRESS, email, now
            )
            if wait:
                return wait
            fresh = {
                "code_hash": self._hash(f"code:{email}:{code}"),
                "expires_at": now + rules.CODE_LIFETIME,
                "tries_left": rules.CODE_TRIES,
            }
            upsert(transaction, sign_in_code, {"email": email, **fresh}, fresh)
            self._mail.post(transaction, letter)
            return 0

        _refuse(await self._database.run(store), "Too many codes were asked for.")
        self._mail.wake()
        return rules.CODE_LIFETIME

    async def sign_in(self, address: str, code: str, device: Device) -> tuple[Person, str]:
        """The person of `address` and the cookie of a new session, if `code` is the one that was mailed.

        Raises WrongCode (with `attempts_left`), TooManyRequests after five wrong ones, NoCodes.
        """
        self._check_codes()
        email = rules.normal_email(address)
        now = utc_now(self._clock)
        fresh_person = new_id(now)
        cookie = new_cookie()
        given = self._hash(f"code:{email}:{code}")

        def check(transaction: Connection) -> Person | int | float:
            """The person; or how many tries are left; or, as a float, for how many seconds there are none."""
            wait = count(transaction, rules.TRIES_PER_SOURCE, device.address, now) or count(
                transaction, rules.TRIES_PER_ADDRESS, email, now
            )
            if wait:
                return wait
            # The try is counted before it is judged: of many at once, each uses one up.
            counted = transaction.execute(_TAKE_A_TRY, {"whose": email, "now": now}).rowcount
            row = transaction.execute(_CODE_OF, {"email": email}).first()
            if not counted:
                if row is not None and row.expires_at > now:
                    return float((row.expires_at - now).total_seconds())
                return 0
            assert row is not None
            if not hmac.compare_digest(row.code_hash, given) or not rules.may_sign_in(email, self._allowed_domains()):
                return int(row.tries_left)
            transaction.execute(_FORGET_CODE, {"email": email})
            someone = person_for(transaction, email, fresh_person, now, self._administrators)
            self._sessions.open_for_person(transaction, someone, now, device, cookie)
            return someone

        answer = await self._database.run(check)
        if isinstance(answer, Person):
            return answer, cookie
        if isinstance(answer, float):
            _refuse(answer, "Too many tries. Ask for a new code later.")
        raise WrongCode("Look at the newest mail, or ask for a new code.", extra={"attempts_left": int(answer)})

    # -- guests, and what is over ------------------------------------------------------------------------------------

    def admit_guest(self, transaction: Connection, who: Guest, cookie: str, now: datetime) -> None:
        """Write a guest and the session of their cookie, in the transaction that lets them in."""
        insert_new(
            transaction, guest, [{"id": who.id, "meeting_id": who.meeting_id, "name": who.name, "created_at": now}]
        )
        self._sessions.open_for_guest(transaction, who, now, cookie)

    async def sweep(self) -> None:
        """Forget what is over: codes, sessions, challenges, counters."""
        await self._database.run(_sweep, utc_now(self._clock))

    def _check_codes(self) -> None:
        if not self._codes:
            raise NoCodes()

    def _hash(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), "sha256")


_TAKE_A_TRY = (
    update(sign_in_code)
    .where(
        sign_in_code.c.email == bindparam("whose"),
        sign_in_code.c.expires_at > bindparam("now"),
        sign_in_code.c.tries_left > 0,
    )
    .values(tries_left=sign_in_code.c.tries_left - 1)
)
_CODE_OF = select(sign_in_code).where(sign_in_code.c.email == bindparam("email"))
_FORGET_CODE = delete(sign_in_code).where(sign_in_code.c.email == bindparam("email"))

# An old span is replaced by a new one; a running one's end stays as it is.
_IS_OLD = rate.c.until <= bindparam("now")
_COUNTED = {
    "count": case((_IS_OLD, bindparam("amount", type_=rate.c.count.type)), else_=rate.c.count + bindparam("amount")),
    "until": case((_IS_OLD, bindparam("span_end", type_=rate.c.until.type)), else_=rate.c.until),
}
_COUNT_OF = select(rate.c.count, rate.c.until).where(rate.c.bucket == bindparam("bucket"))


def count(transaction: Connection, limit: rules.Limit, whom: str, now: datetime, amount: int = 1) -> float:
    """Count `amount` more of `limit` for `whom`; returns 0, or the seconds until it is allowed again."""
    bucket = sha256(f"{limit.what}\0{whom}".encode()).digest()
    fresh = {"bucket": bucket, "count": amount, "until": now + limit.span}
    upsert(transaction, rate, fresh, _COUNTED, now=now, amount=amount, span_end=now + limit.span)
    counted, until = transaction.execute(_COUNT_OF, {"bucket": bucket}).one()
    return max(1.0, (until - now).total_seconds()) if counted > limit.count else 0.0


def _refuse(wait: float, why: str) -> None:
    if wait:
        raise TooManyRequests(why, retry_after=int(wait) + 1)


def _sweep(transaction: Connection, now: datetime) -> None:
    for over in (sign_in_code, session, passkey_challenge, oidc_attempt):
        transaction.execute(delete(over).where(over.c.expires_at <= now))
    transaction.execute(delete(rate).where(rate.c.until <= now))
