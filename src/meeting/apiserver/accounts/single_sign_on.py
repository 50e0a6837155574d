"""Signing in by the enterprise's own service: begun in a browser, and ended in that same one.

An attempt is a row, good once: whichever replica somebody comes back to knows it. The row is bound to the browser by a
cookie, so that nobody can be signed in as somebody else by a link they were sent (RFC 9700 section 4.7).
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts import people, rules
from meeting.apiserver.accounts.oidc import OidcFailed, OidcSettings, Provider, has_claim
from meeting.apiserver.accounts.people import Person
from meeting.apiserver.accounts.rules import Device
from meeting.apiserver.accounts.sessions import Sessions, new_cookie
from meeting.apiserver.accounts.tables import oidc_attempt, oidc_identity, person
from meeting.apiserver.accounts.use_cases import count
from meeting.apiserver.database import Database, insert_new
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import BadRequest, TooManyRequests


class SingleSignOn:
    """Signing in by another service's word."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        sessions: Sessions,
        provider: Provider,
        settings: OidcSettings,
        *,
        domains: Callable[[], frozenset[str]],
        administrators: frozenset[str],
    ) -> None:
        """`domains`: those whose people may sign in, none: all; `administrators`: addresses, as Accounts has them."""
        self._database = database
        self._clock = clock
        self._sessions = sessions
        self._provider = provider
        self._settings = settings
        self._domains = domains
        self._administrators = administrators

    async def begin(self, next: str, source: str) -> tuple[str, str]:
        """Where to send the browser, and the cookie that binds the attempt to it. `next`: where to go afterwards.

        Raises OidcFailed, TooManyRequests.
        """
        state, nonce, verifier, cookie = (secrets.token_urlsafe(32) for _ in range(4))
        now = utc_now(self._clock)
        wait = await self._database.run(count, rules.ATTEMPTS_PER_SOURCE, source, now)
        if wait:
            raise TooManyRequests("Too many sign-ins were begun.", retry_after=wait)
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        url = await self._provider.authorization_url(state, nonce, challenge)
        row = {
            "state_hash": sha256(state.encode()).digest(),
            "browser_hash": sha256(cookie.encode()).digest(),
            "nonce": nonce,
            "verifier": verifier,
            "next": rules.safe_next(next),
            "expires_at": now + rules.ATTEMPT_LIFETIME,
        }
        await self._database.run(insert_new, oidc_attempt, [row])
        return url, cookie

    async def finish(self, state: str, code: str, browser: str, device: Device) -> tuple[Person, str, str]:
        """The person the provider names, the cookie of a new session, and where they were going. Raises OidcFailed."""
        now = utc_now(self._clock)
        attempt = await self._database.run(_take, state, now)
        if attempt is None or attempt.browser_hash != sha256(browser.encode()).digest():
            raise OidcFailed("state", "This sign-in was begun elsewhere, has ended already, or took too long.")
        claims = await self._provider.claims(code, attempt.verifier, attempt.nonce)
        email = self._email(claims)
        identity = sha256(f"{claims['iss']}\0{claims['sub']}".encode()).digest()
        administers = any(has_claim(claims, name, value) for name, value in self._settings.administrators)
        name = _name(claims)
        cookie, fresh_person = new_cookie(), new_id(now)

        def enter(transaction: Connection) -> Person:
            someone = self._someone(transaction, identity, email, fresh_person, now, name)
            if self._settings.administrators:
                _administer(transaction, someone, administers)
            someone = people.by_id(transaction, someone.id) or someone
            self._sessions.open_for_person(transaction, someone, now, device, cookie)
            return someone

        return await self._database.run(enter), cookie, attempt.next

    def _email(self, claims: dict[str, Any]) -> str:
        """The address, if it is one that may sign in and is proved."""
        try:
            email = rules.normal_email(str(claims.get("email", "")))
        except BadRequest:
            raise OidcFailed("email", "The provider does not say which e-mail address this is.") from None
        # Some providers write booleans as text.
        if claims.get("email_verified") not in (True, "true") and not self._settings.trust_email:
            raise OidcFailed("email-unverified", "The provider has not verified this e-mail address.")
        if not rules.may_sign_in(email, self._domains()):
            raise OidcFailed("domain", "Addresses of this domain may not sign in here.")
        return email

    def _someone(
        self, transaction: Connection, identity: bytes, email: str, fresh_person: str, now: datetime, name: str
    ) -> Person:
        """Who it is: whom this identity was before, or else the person with the address. A new address is taken over
        unless it is somebody else's.
        """
        query = select(oidc_identity.c.person_id).where(oidc_identity.c.identity_hash == identity)
        known = transaction.execute(query).scalar()
        if known is not None:
            someone = people.by_id(transaction, known)
            if someone is not None and someone.email != email and people.by_email(transaction, email) is None:
                transaction.execute(update(person).where(person.c.id == known).values(email=email))
            if someone is not None:
                return someone
        someone = people.person_for(transaction, email, fresh_person, now, self._administrators, name)
        row = {"identity_hash": identity, "person_id": someone.id, "created_at": now}
        insert_new(transaction, oidc_identity, [row])
        return someone


def _take(transaction: Connection, state: str, now: datetime) -> Row[Any] | None:
    """The attempt with this state, if it is open; it no longer is."""
    digest = sha256(state.encode()).digest()
    query = select(oidc_attempt).where(oidc_attempt.c.state_hash == digest, oidc_attempt.c.expires_at > now)
    row = transaction.execute(query).first()
    used = transaction.execute(delete(oidc_attempt).where(oidc_attempt.c.state_hash == digest)).rowcount
    return row if used else None


def _administer(transaction: Connection, someone: Person, by_claim: bool) -> None:
    """A claim makes an administrator, and its absence takes back what a claim gave; other reasons stay."""
    if by_claim:
        change = update(person).where(person.c.id == someone.id, person.c.administrator.is_(False))
        transaction.execute(change.values(administrator=True, administrator_by_claim=True))
    else:
        change = update(person).where(person.c.id == someone.id, person.c.administrator_by_claim.is_(True))
        transaction.execute(change.values(administrator=False, administrator_by_claim=False))


def _name(claims: dict[str, Any]) -> str:
    try:
        return rules.clean_name(str(claims.get("name") or "")[: rules.NAME_LENGTH])
    except BadRequest:
        return ""
