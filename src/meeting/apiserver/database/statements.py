"""Statements that each engine writes in its own way.

Building a statement costs more than having a database do it, so each is built once, for its table and its columns.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Table, bindparam
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import IntegrityError

#: Of tables and the columns they are updated in there are fewer.
_MOST = 500


def upsert(
    transaction: Connection, into: Table, values: Mapping[str, Any], update: Mapping[str, Any], **parameters: Any
) -> None:
    """Insert `values`; where the primary key exists, update with `update` (values or expressions) instead.

    One statement. Expressions are constants of their module, and take what changes as `parameters`.
    """
    changes = tuple((name, value if isinstance(value, ColumnElement) else None) for name, value in update.items())
    plain = {_new(name): value for name, value in update.items() if not isinstance(value, ColumnElement)}
    transaction.execute(_upsert(transaction.dialect.name, into, changes), {**values, **plain, **parameters})


def insert_new(transaction: Connection, into: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`, leaving alone those whose primary key is there (this transaction may be done again).

    One round trip.
    """
    if rows:
        transaction.execute(_insert_new(transaction.dialect.name, into), rows)


def insert_if_absent(transaction: Connection, into: Table, **values: Any) -> bool:
    """Insert a row unless one of its keys is taken; says whether it was inserted.

    The transaction goes on either way: what fails is undone as one statement, on every engine (SQLite's ON CONFLICT
    ABORT; InnoDB and TiDB roll back the statement on a duplicate key).
    """
    try:
        transaction.execute(_insert(into), values)
    except IntegrityError:
        return False
    return True


def _new(name: str) -> str:
    return f"new_{name}"


@lru_cache(_MOST)
def _upsert(dialect: str, into: Table, changes: tuple[tuple[str, ColumnElement[Any] | None], ...]) -> Insert:
    # In this order: MySQL evaluates one after the other, and sees what it has assigned.
    assigned = [
        (name, bindparam(_new(name), type_=into.c[name].type) if expression is None else expression)
        for name, expression in changes
    ]
    if dialect == "sqlite":
        keys = list(into.primary_key.columns)
        return sqlite.insert(into).on_conflict_do_update(index_elements=keys, set_=dict(assigned))
    return mysql.insert(into).on_duplicate_key_update(assigned)


@lru_cache(_MOST)
def _insert_new(dialect: str, into: Table) -> Insert:
    keys = list(into.primary_key.columns)
    if dialect == "sqlite":
        return sqlite.insert(into).on_conflict_do_nothing(index_elements=keys)
    return mysql.insert(into).on_duplicate_key_update({keys[0].name: keys[0]})


@lru_cache(_MOST)
def _insert(into: Table) -> Insert:
    return into.insert()
