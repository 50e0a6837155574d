"""What the database says of a person, found by the columns' types and names; given out, or made to say nothing.

Every subject keeps something of people, and new ones will. So this does not list tables: a column that refers to a
person is one of `_REFERENCES`, one that holds an address is one of `_ADDRESSES`, and a test holds every table to it. It
is the one place that looks into the tables of all subjects, and it does so by the schema alone.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, delete, or_, select, update

from meeting.apiserver.migrations import schema
from meeting.apiserver.schema import Digest, Id

#: Columns with the id of a person (or, in the tables that know both, of a guest).
_REFERENCES = frozenset(
    {
        "person_id",
        "owner_id",
        "instant_owner_id",
        "author_id",
        "subject_id",
        "actor_id",
        "target_id",
        "changed_by",
        "created_by",
    }
)
#: Columns with an address.
_ADDRESSES = frozenset({"email", "recipient"})
#: Where participants stand as `<id>:<device>`.
_IDENTITY = "identity"
#: Columns with the name that somebody had at the time.
_NAMES = frozenset({"name", "author_name"})

#: The record of the organisation: it stays, and says ERASED instead of a name.
RECORDS = frozenset({"meeting", "member", "attendance", "chat_message", "file", "audit_entry", "settings_version"})

#: What stands where the name of somebody stood.
ERASED = "Erased person"

#: Rows of one table that are given out; nobody has as many.
_MOST_ROWS = 100_000

#: What of `person` stays when somebody is erased: that there was somebody, and since when.
_KEPT = frozenset({"id", "created_at"})


def tables() -> Iterator[Table]:
    """Every table that can say something of a person."""
    for table in schema().sorted_tables:
        if table.name == "person" or _references(table) or _addresses(table) or _IDENTITY in table.c:
            yield table


def export(transaction: Connection, id: str, email: str) -> dict[str, list[dict[str, Any]]]:
    """All rows about someone, by table. Without what only the hub may know: hashes, keys, secrets."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in tables():
        columns = [column for column in table.columns if not _is_secret(column)]
        rows = transaction.execute(select(*columns).where(_about(table, id, email)).limit(_MOST_ROWS))
        found[table.name] = [_plain(row) for row in rows]
    meeting, member, invitee = (schema().tables[name] for name in ("meeting", "member", "invitee"))
    mine = or_(
        meeting.c.id.in_(select(member.c.meeting_id).where(member.c.subject_id == id)),
        meeting.c.id.in_(select(invitee.c.meeting_id).where(invitee.c.email == email)),
    )
    shown = (meeting.c.id, meeting.c.code, meeting.c.title, meeting.c.begin_at, meeting.c.end_at)
    rows = transaction.execute(select(*shown).where(mine).limit(_MOST_ROWS))
    found["meetings_of_others"] = [_plain(row) for row in rows]
    return {name: each for name, each in found.items() if each}


def erase(transaction: Connection, id: str, email: str, now: datetime) -> None:
    """Forget someone: what is theirs alone is removed, the organisation's record says ERASED."""
    # Those that refer to others first.
    for table in reversed(list(tables())):
        about = _about(table, id, email)
        if table.name == "person":
            continue
        if table.name not in RECORDS:
            transaction.execute(delete(table).where(about))
            continue
        for name in _NAMES & set(table.c.keys()):
            if table.name != "file":  # there it is the file's
                transaction.execute(update(table).where(about).values({name: ERASED}))
    meeting, audit, person = (schema().tables[name] for name in ("meeting", "audit_entry", "person"))
    # The title of an instant meeting is made from its owner's name.
    transaction.execute(update(meeting).where(meeting.c.instant_owner_id == id).values(title=ERASED))
    # The one exception to "nothing changes an entry": an address somebody typed is not an id.
    transaction.execute(update(audit).where(audit.c.target_text == email).values(target_text=""))
    blank: dict[str, Any] = {
        column.name: None for column in person.columns if column.nullable and column.name not in _KEPT
    }
    blank |= {
        "email": f"{id}@erased.invalid",
        "name": ERASED,
        "zone": "UTC",
        "language": "en",
        "administrator": False,
        "blocked_at": now,
        "erased_at": now,
    }
    transaction.execute(update(person).where(person.c.id == id).values(**blank))


def _about(table: Table, id: str, email: str) -> ColumnElement[bool]:
    """What makes a row one about this person."""
    conditions: list[ColumnElement[bool]] = [column == id for column in _references(table)]
    conditions += [column == email for column in _addresses(table)]
    if table.name == "person":
        conditions = [table.c.id == id]
    if _IDENTITY in table.c:
        conditions.append(table.c[_IDENTITY].startswith(f"{id}:", autoescape=True))
    return or_(*conditions)


def _references(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.name in _REFERENCES and isinstance(column.type, Id)]


def _addresses(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.name in _ADDRESSES]


def _is_secret(column: Column[Any]) -> bool:
    return isinstance(column.type, Digest) or any(
        word in column.name for word in ("secret", "hash", "token", "public_key")
    )


def _plain(row: Row[Any]) -> dict[str, Any]:
    return {name: _json(value) for name, value in row._mapping.items()}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return f"{len(value)} bytes" if isinstance(value, bytes) else value
