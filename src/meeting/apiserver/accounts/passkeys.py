"""Passkeys: signing in with a key of one's device instead of a mailed code (WebAuthn level 3).

The relying party is the host of the public URL; where that is an address, or not reached by https, there are none. Each
ceremony signs a challenge of ours that is good once and soon over. Keys are discoverable, so nobody types an address to
sign in, and the device asks for a finger or a PIN (user verification), so a found device is no way in.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from twisted.internet.interfaces import IReactorTime
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from meeting.apiserver.accounts import people, rules
from meeting.apiserver.accounts.people import Person
from meeting.apiserver.accounts.rules import Device
from meeting.apiserver.accounts.sessions import Sessions, new_cookie
from meeting.apiserver.accounts.tables import passkey, passkey_challenge
from meeting.apiserver.accounts.use_cases import count
from meeting.apiserver.database import Database, insert_new
from meeting.apiserver.mail.use_cases import Mail
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import Conflict, MeetingError, NotFound, TooManyRequests


class PasskeyRefused(MeetingError):
    """The passkey's answer does not prove anything to us."""

    status = 401
    problem = "passkey-refused"
    title = "This passkey cannot be used here."


class TooManyPasskeys(Conflict):
    """A person has as many as they may."""

    problem = "too-many-passkeys"
    title = f"One can have {rules.PASSKEYS} passkeys. Delete one that you no longer use."


class PasskeyKnown(Conflict):
    """The same key was registered before."""

    problem = "passkey-known"
    title = "This passkey is registered already."


@dataclass(frozen=True)
class Passkey:
    """A key of a person."""

    id: str
    name: str
    #: Whether it is kept by a service that brings it to other devices.
    synced: bool
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class RelyingParty:
    """Whom a passkey is for: the host, and the origin its pages have."""

    id: str
    origin: str


def relying_party(public_origin: str) -> RelyingParty | None:
    """The relying party of a public origin; None where browsers have no passkeys (WebAuthn section 5.1.3)."""
    parts = urlsplit(public_origin)
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
            return RelyingParty(host, public_origin)
    return None


class Passkeys:
    """Registering passkeys, and signing in with them."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        mail: Mail,
        sessions: Sessions,
        party: RelyingParty,
        domains: Callable[[], frozenset[str]],
    ) -> None:
        """`domains`: those whose people may sign in; none: all."""
        self._database = database
        self._clock = clock
        self._mail = mail
        self._sessions = sessions
        self._party = party
        self._domains = domains

    # -- one's own ----------------------------------------------------------------------------------------------------

    async def of_person(self, who: Person) -> list[Passkey]:
        """The passkeys of a person, the oldest first."""
        return [_passkey(row) for row in await self._database.read(_of_person, who.id)]

    async def registration(self, who: Person) -> dict[str, Any]:
        """What `navigator.credentials.create` takes, to register another one. Raises TooManyPasskeys."""
        known = await self._database.read(_of_person, who.id)
        if len(known) >= rules.PASSKEYS:
            raise TooManyPasskeys()
        options = generate_registration_options(
            rp_id=self._party.id,
            rp_name=self._party.id,
            user_id=bytes.fromhex(who.id),
            user_name=who.email,
            user_display_name=who.name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=row.credential_id, transports=_transports(row.transports))
                for row in known
            ],
            timeout=_milliseconds(),
        )
        await self._remember(options.challenge, who.id)
        return dict(json.loads(options_to_json(options)))

    async def register(self, who: Person, credential: dict[str, Any], name: str) -> Passkey:
        """Keep the passkey that a browser made, and tell the person by mail: nobody adds one unseen.

        Raises PasskeyRefused, PasskeyKnown, TooManyPasskeys.
        """
        name = rules.clean_name(name)
        now = utc_now(self._clock)
        try:
            parsed = parse_registration_credential_json(credential)
            challenge = parse_client_data_json(parsed.response.client_data_json).challenge
            verified = verify_registration_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=self._party.id,
                expected_origin=self._party.origin,
                require_user_verification=True,
            )
        except Exception as error:  # a stranger's bytes are not what they should be in many ways
            raise PasskeyRefused("What the browser sent is not a passkey made for this page.") from error
        row = {
            "id": new_id(now),
            "person_id": who.id,
            "credential_hash": sha256(verified.credential_id).digest(),
            "credential_id": verified.credential_id,
            "public_key": verified.credential_public_key,
            "sign_count": verified.sign_count,
            "transports": ",".join(each.value for each in parsed.response.transports or ())[:100],
            "synced": verified.credential_backed_up,
            "name": name,
            "created_at": now,
        }
        notice = self._mail.security_notice(who, now, "passkey", name)

        def keep(transaction: Connection) -> int:
            if not _use_challenge(transaction, challenge, who.id, now):
                raise PasskeyRefused("It came too late. Begin again.")
            query = select(func.count()).select_from(passkey).where(passkey.c.person_id == who.id)
            if transaction.execute(query).scalar_one() >= rules.PASSKEYS:
                raise TooManyPasskeys()
            transaction.execute(passkey.insert().values(**row))
            self._mail.post(transaction, notice)
            return 0

        try:
            await self._database.run(keep)
        except IntegrityError:
            raise PasskeyKnown() from None
        self._mail.wake()
        return Passkey(str(row["id"]), name, verified.credential_backed_up, now, None)

    async def rename(self, who: Person, passkey_id: str, name: str) -> Passkey:
        """Give a passkey of one's own another name. Raises NotFound."""
        row = await self._database.run(_rename, who.id, _checked(passkey_id), rules.clean_name(name))
        if row is None:
            raise NotFound()
        return _passkey(row)

    async def delete(self, who: Person, passkey_id: str) -> None:
        """Let a passkey of one's own be good for nothing. Raises NotFound."""
        if not await self._database.run(_delete, who.id, _checked(passkey_id)):
            raise NotFound()

    # -- signing in ---------------------------------------------------------------------------------------------------

    async def authentication(self, source: str) -> dict[str, Any]:
        """What `navigator.credentials.get` takes: any passkey for this page will do. Raises TooManyRequests."""
        options = generate_authentication_options(
            rp_id=self._party.id, user_verification=UserVerificationRequirement.REQUIRED, timeout=_milliseconds()
        )
        wait = await self._database.run(count, rules.CHALLENGES_PER_SOURCE, source, utc_now(self._clock))
        if wait:
            raise TooManyRequests("Too many sign-ins were begun.", retry_after=wait)
        await self._remember(options.challenge, None)
        return dict(json.loads(options_to_json(options)))

    async def sign_in(self, credential: dict[str, Any], device: Device) -> tuple[Person, str]:
        """Whose passkey it is, and the cookie of a new session. Raises PasskeyRefused, TooManyRequests."""
        now = utc_now(self._clock)
        try:
            parsed = parse_authentication_credential_json(credential)
            challenge = parse_client_data_json(parsed.response.client_data_json).challenge
        except Exception as error:
            raise PasskeyRefused("What the browser sent is not the answer of a passkey.") from error
        digest = sha256(parsed.raw_id).digest()
        cookie = new_cookie()

        def begin(transaction: Connection) -> Row[Any] | float | None:
            wait = count(transaction, rules.TRIES_PER_SOURCE, device.address, now)
            if wait:
                return wait
            # The challenge is used up before it is known whether the answer is right.
            if not _use_challenge(transaction, challenge, None, now):
                return None
            return transaction.execute(select(passkey).where(passkey.c.credential_hash == digest)).first()

        found = await self._database.run(begin)
        if isinstance(found, float):
            raise TooManyRequests("Too many tries.", retry_after=found)
        if found is None:
            raise PasskeyRefused("It is not known here, or came too late.")
        handle = parsed.response.user_handle
        if handle is not None and handle != bytes.fromhex(found.person_id):
            raise PasskeyRefused("It is somebody else's.")
        try:
            verified = verify_authentication_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=self._party.id,
                expected_origin=self._party.origin,
                credential_public_key=found.public_key,
                credential_current_sign_count=found.sign_count,
                require_user_verification=True,
            )
        except Exception as error:
            # A count that has not risen is among the reasons: the key may have been copied (section 6.1.1).
            raise PasskeyRefused("Its signature is not good here.") from error

        def enter(transaction: Connection) -> Person | None:
            used = {"sign_count": verified.new_sign_count, "used_at": now, "synced": verified.credential_backed_up}
            # Of two answers with the same count one is a copy's.
            change = update(passkey).where(passkey.c.id == found.id, passkey.c.sign_count == found.sign_count)
            someone = people.by_id(transaction, found.person_id)
            if not transaction.execute(change.values(**used)).rowcount or someone is None:
                return None
            if not rules.may_sign_in(someone.email, self._domains()):
                return None
            self._sessions.open_for_person(transaction, someone, now, device, cookie)
            return someone

        someone = await self._database.run(enter)
        if someone is None:
            raise PasskeyRefused("Its person may not sign in here.")
        return someone, cookie

    async def _remember(self, challenge: bytes, person_id: str | None) -> None:
        row = {
            "challenge_hash": sha256(challenge).digest(),
            "person_id": person_id,
            "expires_at": utc_now(self._clock) + rules.CHALLENGE_LIFETIME,
        }
        await self._database.run(insert_new, passkey_challenge, [row])


def _use_challenge(transaction: Connection, challenge: bytes, person_id: str | None, now: datetime) -> bool:
    """Whether a challenge of ours was open for this person (None: for anybody); it is no longer."""
    of = passkey_challenge.c.person_id
    used = delete(passkey_challenge).where(
        passkey_challenge.c.challenge_hash == sha256(challenge).digest(),
        passkey_challenge.c.expires_at > now,
        of.is_(None) if person_id is None else of == person_id,
    )
    return transaction.execute(used).rowcount == 1


def _of_person(transaction: Connection, person_id: str) -> list[Row[Any]]:
    query = select(passkey).where(passkey.c.person_id == person_id).order_by(passkey.c.id)
    return list(transaction.execute(query).all())


def _rename(transaction: Connection, person_id: str, passkey_id: str, name: str) -> Row[Any] | None:
    mine = (passkey.c.person_id == person_id, passkey.c.id == passkey_id)
    transaction.execute(update(passkey).where(*mine).values(name=name))
    return transaction.execute(select(passkey).where(*mine)).first()


def _delete(transaction: Connection, person_id: str, passkey_id: str) -> bool:
    gone = delete(passkey).where(passkey.c.person_id == person_id, passkey.c.id == passkey_id)
    return transaction.execute(gone).rowcount == 1


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(row.id, row.name, bool(row.synced), row.created_at, row.used_at)


def _transports(text: str) -> list[AuthenticatorTransport]:
    return [AuthenticatorTransport(each) for each in text.split(",") if each]


def _checked(passkey_id: str) -> str:
    if not rules.is_id(passkey_id):
        raise NotFound()
    return passkey_id


def _milliseconds() -> int:
    return int(rules.CHALLENGE_LIFETIME.total_seconds() * 1000)
