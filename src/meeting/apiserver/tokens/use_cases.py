"""Making, listing, revoking API tokens, and whom one stands for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.rules import clean_name
from meeting.apiserver.accounts.use_cases import Caller, Person, people_by_id
from meeting.apiserver.database import Database, insert_new
from meeting.apiserver.mail.use_cases import Letter, Mail
from meeting.apiserver.pages import Order, Page, Slice
from meeting.apiserver.schema import new_id, utc_now
from meeting.apiserver.tokens import rules
from meeting.apiserver.tokens.tables import api_token
from meeting.daemon.errors import Conflict, NotFound, SignInNeeded


class BadToken(SignInNeeded):
    """No token, one that was revoked, or one that is over."""

    problem = "token"
    title = "This API token is not (or no longer) good."


@dataclass(frozen=True)
class Token:
    """A token, without its secret."""

    id: str
    person_id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class Tokens:
    """The API tokens of all people."""

    def __init__(self, database: Database, clock: IReactorTime, mail: Mail) -> None:
        self._database = database
        self._mail = mail
        self._clock = clock

    async def make(
        self, owner: Person, name: str, scopes: frozenset[str], lifetime: timedelta, *, token_id: str | None = None
    ) -> tuple[Token, str]:
        """A new token and its secret, which is told this once; a mail tells the owner that there is one.

        `token_id`: made again under the id it had.

        Raises BadRequest, Forbidden (scopes of administrators), Conflict (too many).
        """
        now = utc_now(self._clock)
        secret = rules.new_token()
        token = Token(
            token_id or new_id(now),
            owner.id,
            clean_name(name),
            rules.checked_scopes(scopes, administrator=owner.administrator),
            now,
            now + lifetime,
            None,
        )
        named = ", ".join(sorted(token.scopes))
        notice = self._mail.security_notice(owner, now, "token", token.name, named)
        await self._database.run(self._keep, token, rules.digest(secret), notice)
        self._mail.wake()
        return token, secret

    def _keep(self, transaction: Connection, token: Token, digest: bytes, notice: Letter) -> None:
        _insert(transaction, token, digest)
        self._mail.post(transaction, notice)

    async def of_person(self, owner: Person, page: Page) -> Slice[Token]:
        """Someone's tokens, the newest first."""
        return await self._database.read(_list, page, owner.id)

    async def all(self, page: Page) -> Slice[tuple[Token, Person]]:
        """Everybody's tokens with whose they are, the newest first."""
        return await self._database.read(_list_all, page)

    async def revoke(self, token_id: str, owner: Person | None = None) -> None:
        """End a token at once; `owner`: only if it is theirs. Raises NotFound."""
        if not await self._database.run(_revoke, token_id, None if owner is None else owner.id):
            raise NotFound("There is no such token.")

    async def caller(self, text: str) -> Caller:
        """Whom a token stands for. Raises BadToken."""
        found = None
        if rules.is_token(text):
            now = utc_now(self._clock)
            found = await self._database.read(_find, rules.digest(text), now)
        if found is None:
            raise BadToken("Make a new one on the account page.", headers={"WWW-Authenticate": "Bearer"})
        token, person = found
        if token.used_at is None or now - token.used_at > rules.USE_NOTED:
            await self._database.run(_note_use, token.id, now)
        return Caller(person=person, token_id=token.id, scopes=token.scopes)

    async def sweep(self) -> None:
        """Forget tokens that have long been over."""
        await self._database.run(_sweep, utc_now(self._clock) - rules.MEMORY)


def revoke_all(transaction: Connection, person_id: str) -> None:
    """End all tokens of someone, in the transaction that bars or erases them."""
    transaction.execute(delete(api_token).where(api_token.c.person_id == person_id))


_NEWEST = Order(api_token.c.created_at, api_token.c.id, descending=True)


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        row.id,
        row.person_id,
        row.name,
        frozenset(row.scopes.split()),
        row.created_at,
        row.expires_at,
        row.used_at,
    )


def _insert(transaction: Connection, token: Token, digest: bytes) -> None:
    mine = select(func.count()).select_from(api_token)
    others = api_token.c.person_id == token.person_id, api_token.c.id != token.id
    if transaction.execute(mine.where(*others)).scalar_one() >= rules.MOST_TOKENS:
        raise Conflict(f"There are {rules.MOST_TOKENS} tokens already: revoke one first.")
    row = {
        "id": token.id,
        "person_id": token.person_id,
        "name": token.name,
        "digest": digest,
        "scopes": " ".join(sorted(token.scopes)),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
    insert_new(transaction, api_token, [row])
    # Made again under its id, after an answer that was lost: the secret is a new one.
    transaction.execute(update(api_token).where(api_token.c.id == token.id).values(digest=digest))


def _list(transaction: Connection, page: Page, person_id: str) -> Slice[Token]:
    query = _NEWEST.of_page(select(api_token).where(api_token.c.person_id == person_id), page)
    return _NEWEST.cut(transaction.execute(query).all(), page).map(_token)


def _list_all(transaction: Connection, page: Page) -> Slice[tuple[Token, Person]]:
    found = _NEWEST.cut(transaction.execute(_NEWEST.of_page(select(api_token), page)).all(), page).map(_token)
    people = people_by_id(transaction, {token.person_id for token in found.items})
    return found.map(lambda token: (token, people[token.person_id]))


def _revoke(transaction: Connection, token_id: str, owner_id: str | None) -> bool:
    one = delete(api_token).where(api_token.c.id == token_id)
    return transaction.execute(one if owner_id is None else one.where(api_token.c.person_id == owner_id)).rowcount > 0


_BY_DIGEST = select(api_token).where(
    api_token.c.digest == bindparam("digest"), api_token.c.expires_at > bindparam("now")
)


def _find(transaction: Connection, digest: bytes, now: datetime) -> tuple[Token, Person] | None:
    row = transaction.execute(_BY_DIGEST, {"digest": digest, "now": now}).first()
    if row is None:
        return None
    person = people_by_id(transaction, {row.person_id}).get(row.person_id)
    return None if person is None else (_token(row), person)


def _note_use(transaction: Connection, token_id: str, now: datetime) -> None:
    transaction.execute(update(api_token).where(api_token.c.id == token_id).values(used_at=now))


def _sweep(transaction: Connection, before: datetime) -> None:
    transaction.execute(delete(api_token).where(api_token.c.expires_at <= before))
