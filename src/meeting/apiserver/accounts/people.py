"""Who people, guests and callers are, and how a person comes to be."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, select, update

from meeting.apiserver.accounts import rules
from meeting.apiserver.accounts.tables import person
from meeting.apiserver.database import insert_if_absent


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
    #: What their personal link ends with, if they chose one.
    handle: str | None = None
    #: Which picture they have, if they have one: it changes with the picture.
    picture_version: str | None = None

    @property
    def picture(self) -> str | None:
        """The path of their picture, if they have one."""
        return f"/api/v1/people/{self.id}/picture?version={self.picture_version}" if self.picture_version else None


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
    #: The id of the session they call in, if they do.
    session_id: str | None = None
    token_id: str | None = None
    """The API token that speaks for the person; None: their browser."""
    scopes: frozenset[str] = frozenset()
    """What that token is good for."""


NOBODY = Caller()

#: The columns that make a person.
PERSON = tuple(
    person.c[name] for name in ("id", "email", "name", "zone", "language", "administrator", "handle", "picture")
)
_BY_ID = select(*PERSON).where(person.c.id == bindparam("id"))
_BY_IDS = select(*PERSON).where(person.c.id.in_(bindparam("ids", expanding=True)))
_BY_EMAIL = select(*PERSON).where(person.c.email == bindparam("email"))
_BY_EMAILS = select(*PERSON).where(person.c.email.in_(bindparam("emails", expanding=True)))


def with_person(rows: Select[Any], of: Table, column: ColumnElement[str], name: str) -> Select[Any]:
    """`rows` of a table, each with the person whose id stands in `column`: their columns begin with `name`."""
    labelled = (each.label(f"{name}_{each.name}") for each in PERSON if each.name != "id")
    return rows.add_columns(*labelled).join_from(of, person, person.c.id == column)


def person_of(row: Any) -> Person:
    """The person of a row of `person`."""
    return Person(row.id, row.email, row.name, row.zone, row.language, row.administrator, row.handle, row.picture)


def by_id(transaction: Connection, person_id: str) -> Person | None:
    """The person with this id, if there is one."""
    row = transaction.execute(_BY_ID, {"id": person_id}).first()
    return None if row is None else person_of(row)


def by_email(transaction: Connection, email: str) -> Person | None:
    """The person with this address, if there is one."""
    row = transaction.execute(_BY_EMAIL, {"email": email}).first()
    return None if row is None else person_of(row)


def people_by_id(transaction: Connection, ids: set[str]) -> dict[str, Person]:
    """The people with these ids, by id; in one query."""
    if not ids:
        return {}
    return {row.id: person_of(row) for row in transaction.execute(_BY_IDS, {"ids": list(ids)})}


def people_by_email(transaction: Connection, emails: Collection[str]) -> dict[str, Person]:
    """The people with these addresses, by address; in one query."""
    if not emails:
        return {}
    return {row.email: person_of(row) for row in transaction.execute(_BY_EMAILS, {"emails": list(emails)})}


def appoint(transaction: Connection, administrators: frozenset[str]) -> None:
    """Make the people with these addresses administrators. Those who are no longer named stay what they are."""
    if administrators:
        transaction.execute(update(person).where(person.c.email.in_(administrators)).values(administrator=True))


def person_for(
    transaction: Connection, email: str, fresh_id: str, now: datetime, administrators: frozenset[str], name: str = ""
) -> Person:
    """The person with an address that has just been proved; a new one, with `fresh_id` and `name`, if there is none.

    `administrators`: the addresses of those who are made administrators by coming in.
    """
    someone = by_email(transaction, email)
    if someone is None:
        insert_if_absent(
            transaction,
            person,
            id=fresh_id,
            email=email,
            name=name or rules.first_name(email),
            zone="UTC",
            language="en",
            created_at=now,
        )
    if someone is None or (email in administrators and not someone.administrator):
        if email in administrators:
            appoint(transaction, frozenset({email}))
        someone = by_email(transaction, email)
    assert someone is not None
    return someone
