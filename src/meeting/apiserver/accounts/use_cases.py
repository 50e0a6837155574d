"""Signing in by a code, sessions, and guests.

Nothing here tells whether an address is known: a code is asked for, counted, stored and mailed the same way for every
address, and an account comes to be with its first good code. For an address that may have no account the same rows are
written and the mail is marked as not to be sent, so that even the time it takes says nothing.

What takes a `transaction` runs inside that of whoever calls it.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, Row, delete, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts import rules
from meeting.apiserver.accounts.tables import guest, person, rate, session, sign_in_code
from meeting.apiserver.database import Database, insert_if_absent, insert_new, upsert
from meeting.apiserver.mail.use_cases import Mail
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import MeetingError, TooManyRequests


class WrongCode(MeetingError):
    """The code is not the one that was sent, or it is over."""

    status = 401
    problem = "wrong-code"
    title = "This code is wrong or too old."


@dataclass(frozen=True)
class Person:
    """Someone with an account."""

    id: str
    email: str
    name: str
    zone: str
    language: str
    #: Whether they administer this hub.
    administrator: bool = False


@dataclass(frozen=True)
class Guest:
    """Someone let into one meeting by its link, under a name nobody has checked."""

    id: str
    meeting_id: str
    name: str


@dataclass(frozen=True)
class Caller:
    """Who is calling: a person, a guest of a meeting, or nobody known (both None)."""

    person: Person | None = None
    guest: Guest | None = None
    token_id: str | None = None
    """The API token that speaks for the person; None: their browser."""
    scopes: frozenset[str] = frozenset()
    """What that token is good for."""


NOBODY = Caller()


class Accounts:
    """People and their sessions."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        mail: Mail,
        key: bytes,
        *,
        allowed_domains: frozenset[str] = frozenset(),
        administrators: frozenset[str] = frozenset(),
    ) -> None:
        """`key`: the secret's key of the purpose `sign-in-code`, under which codes and cookies are stored as HMACs.

        `administrators`: the addresses, as `rules.normal_email` writes them, of those who are made administrators.
        """
        self._database = database
        self._clock = clock
        self._mail = mail
        self._key = key
        self._allowed_domains = allowed_domains
        self._administrators = administrators

    # -- signing in -------------------------------------------------------------------------------------------------

    async def request_code(self, address: str, source: str) -> timedelta:
        """Mail a new code to `address`; returns how long it is good. `source`: where the request comes from.

        Raises TooManyRequests over the limits per address and per source.
        """
        email = rules.normal_email(address)
        code = f"{secrets.randbelow(10**rules.CODE_DIGITS):0{rules.CODE_DIGITS}}"
        now = utc_now(self._clock)
        letter = self._mail.compose(
            "sign_in_code",
            email,
            now,
            wipe=True,
            expires_at=now + rules.CODE_LIFETIME,
            discard=not rules.may_sign_in(email, self._allowed_domains),
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

    async def sign_in(self, address: str, code: str, source: str) -> tuple[Person, str]:
        """The person of `address` and the cookie of a new session, if `code` is the one that was mailed.

        Raises WrongCode (with `attempts_left`), TooManyRequests after five wrong ones.
        """
        email = rules.normal_email(address)
        now = utc_now(self._clock)
        fresh_person = new_id(now)
        cookie = secrets.token_urlsafe(32)
        given = self._hash(f"code:{email}:{code}")

        def check(transaction: Connection) -> Person | int | float:
            """The person; or how many tries are left; or, as a float, for how many seconds there are none."""
            wait = count(transaction, rules.TRIES_PER_SOURCE, source, now) or count(
                transaction, rules.TRIES_PER_ADDRESS, email, now
            )
            if wait:
                return wait
            # The try is counted before it is judged: of many at once, each uses one up.
            took = update(sign_in_code).where(
                sign_in_code.c.email == email, sign_in_code.c.expires_at > now, sign_in_code.c.tries_left > 0
            )
            counted = transaction.execute(took.values(tries_left=sign_in_code.c.tries_left - 1)).rowcount
            row = transaction.execute(select(sign_in_code).where(sign_in_code.c.email == email)).first()
            if not counted:
                if row is not None and row.expires_at > now:
                    return float((row.expires_at - now).total_seconds())
                return 0
            assert row is not None
            if not hmac.compare_digest(row.code_hash, given) or not rules.may_sign_in(email, self._allowed_domains):
                return int(row.tries_left)
            transaction.execute(delete(sign_in_code).where(sign_in_code.c.email == email))
            insert_if_absent(
                transaction,
                person,
                id=fresh_person,
                email=email,
                name=rules.first_name(email),
                zone="UTC",
                language="en",
                created_at=now,
            )
            if email in self._administrators:
                appoint(transaction, frozenset({email}))
            someone = _person(transaction.execute(select(person).where(person.c.email == email)).one())
            self._open_session(transaction, cookie, now, now + rules.SESSION_LIFETIME, person_id=someone.id)
            return someone

        answer = await self._database.run(check)
        if isinstance(answer, Person):
            return answer, cookie
        if isinstance(answer, float):
            _refuse(answer, "Too many tries. Ask for a new code later.")
        raise WrongCode("Look at the newest mail, or ask for a new code.", extra={"attempts_left": int(answer)})

    async def sign_out(self, cookie: str) -> None:
        """End the session of this cookie; nothing happens where there is none."""
        await self._database.run(_close_session, self._hash(f"session:{cookie}"))

    async def change(self, who: Person, *, name: str | None, zone: str | None, language: str | None) -> Person:
        """The person, with what was given changed."""
        changes = {
            "name": None if name is None else rules.clean_name(name),
            "zone": None if zone is None else rules.known_zone(zone),
            "language": language,
        }

        def write(transaction: Connection) -> Person:
            given = {key: value for key, value in changes.items() if value is not None}
            if given:
                transaction.execute(update(person).where(person.c.id == who.id).values(**given))
            return _person(transaction.execute(select(person).where(person.c.id == who.id)).one())

        return await self._database.run(write)

    # -- who is calling ---------------------------------------------------------------------------------------------

    async def caller(self, cookie: str | None) -> Caller:
        """Who has this session cookie. A person's session that is used is renewed."""
        if not cookie or len(cookie) > 100:
            return NOBODY
        now = utc_now(self._clock)
        digest = self._hash(f"session:{cookie}")
        found, renewed_at = await self._database.read(_find_session, digest, now)
        if found.person is not None and now - renewed_at > rules.SESSION_RENEWAL:
            await self._database.run(_renew_session, digest, now)
        return found

    def admit_guest(self, transaction: Connection, who: Guest, cookie: str, now: datetime) -> None:
        """Write a guest and the session of their cookie, in the transaction that lets them in."""
        insert_new(
            transaction, guest, [{"id": who.id, "meeting_id": who.meeting_id, "name": who.name, "created_at": now}]
        )
        self._open_session(transaction, cookie, now, now + rules.GUEST_SESSION_LIFETIME, guest_id=who.id)

    async def sweep(self) -> None:
        """Forget what is over: codes, sessions, counters."""
        await self._database.run(_sweep, utc_now(self._clock))

    def _open_session(
        self,
        transaction: Connection,
        cookie: str,
        now: datetime,
        expires_at: datetime,
        *,
        person_id: str | None = None,
        guest_id: str | None = None,
    ) -> None:
        row = {"cookie_hash": self._hash(f"session:{cookie}"), "person_id": person_id, "guest_id": guest_id}
        insert_new(transaction, session, [{**row, "created_at": now, "renewed_at": now, "expires_at": expires_at}])

    def _hash(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), "sha256")


def count(transaction: Connection, limit: rules.Limit, whom: str, now: datetime, amount: int = 1) -> float:
    """Count `amount` more of `limit` for `whom`; returns 0, or the seconds until it is allowed again."""
    bucket = sha256(f"{limit.what}\0{whom}".encode()).digest()
    # An old span is replaced by a new one; the update leaves a running one's end as it is.
    transaction.execute(delete(rate).where(rate.c.bucket == bucket, rate.c.until <= now))
    upsert(
        transaction,
        rate,
        {"bucket": bucket, "count": amount, "until": now + limit.span},
        {"count": rate.c.count + amount},
    )
    row = transaction.execute(select(rate.c.count, rate.c.until).where(rate.c.bucket == bucket)).one()
    return max(1.0, (row.until - now).total_seconds()) if row._mapping["count"] > limit.count else 0.0


def appoint(transaction: Connection, administrators: frozenset[str]) -> None:
    """Make the people with these addresses administrators. Those who are no longer named stay what they are."""
    if administrators:
        transaction.execute(update(person).where(person.c.email.in_(administrators)).values(administrator=True))


def people_by_id(transaction: Connection, ids: set[str]) -> dict[str, Person]:
    """The people with these ids, by id; in one query."""
    if not ids:
        return {}
    return {row.id: _person(row) for row in transaction.execute(select(person).where(person.c.id.in_(ids)))}


def _refuse(wait: float, why: str) -> None:
    if wait:
        raise TooManyRequests(why, retry_after=int(wait) + 1)


def _person(row: Row[tuple[object, ...]]) -> Person:
    return Person(row.id, row.email, row.name, row.zone, row.language, row.administrator)


def _find_session(transaction: Connection, digest: bytes, now: datetime) -> tuple[Caller, datetime]:
    query = (
        select(
            session.c.renewed_at,
            person,
            guest.c.id.label("guest_id"),
            guest.c.meeting_id.label("guest_meeting_id"),
            guest.c.name.label("guest_name"),
        )
        .select_from(
            session.outerjoin(person, person.c.id == session.c.person_id).outerjoin(
                guest, guest.c.id == session.c.guest_id
            )
        )
        .where(session.c.cookie_hash == digest, session.c.expires_at > now)
    )
    row = transaction.execute(query).first()
    if row is None:
        return NOBODY, now
    if row.id is not None:
        return Caller(person=_person(row)), row.renewed_at
    return Caller(guest=Guest(row.guest_id, row.guest_meeting_id, row.guest_name)), row.renewed_at


def _renew_session(transaction: Connection, digest: bytes, now: datetime) -> None:
    change = update(session).where(session.c.cookie_hash == digest)
    transaction.execute(change.values(renewed_at=now, expires_at=now + rules.SESSION_LIFETIME))


def _close_session(transaction: Connection, digest: bytes) -> None:
    transaction.execute(delete(session).where(session.c.cookie_hash == digest))


def _sweep(transaction: Connection, now: datetime) -> None:
    transaction.execute(delete(sign_in_code).where(sign_in_code.c.expires_at <= now))
    transaction.execute(delete(session).where(session.c.expires_at <= now))
    transaction.execute(delete(rate).where(rate.c.until <= now))
