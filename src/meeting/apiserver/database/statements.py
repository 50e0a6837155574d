"""Statements that each engine writes in its own way."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import IntegrityError


def upsert(transaction: Connection, into: Table, values: Mapping[str, Any], update: Mapping[str, Any]) -> None:
    """Insert `values`; where the primary key exists, update with `update` (values or expressions) instead.

    One statement.
    """
    if transaction.dialect.name == "sqlite":
        keys = list(into.primary_key.columns)
        transaction.execute(
            sqlite.insert(into).values(**values).on_conflict_do_update(index_elements=keys, set_=dict(update))
        )
    else:
        transaction.execute(mysql.insert(into).values(**values).on_duplicate_key_update(**update))


def insert_new(transaction: Connection, into: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`, leaving alone those whose primary key is there (this transaction may be done again).

    One round trip.
    """
    if not rows:
        return
    if transaction.dialect.name == "sqlite":
        transaction.execute(
            sqlite.insert(into).on_conflict_do_nothing(index_elements=list(into.primary_key.columns)), rows
        )
    else:
        key = next(iter(into.primary_key.columns))
        transaction.execute(mysql.insert(into).on_duplicate_key_update({key.name: key}), rows)


def insert_if_absent(transaction: Connection, into: Table, **values: Any) -> bool:
    """Insert a row unless one of its keys is taken; says whether it was inserted.

    The transaction goes on either way.
    """
    try:
        with transaction.begin_nested():
            transaction.execute(into.insert().values(**values))
    except IntegrityError:
        return False
    return True
