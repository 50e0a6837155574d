"""The words all tables of the hub are written in: ids, moments, texts, and the one MetaData.

Ids are 128 bit, made by us before the row is written, ordered by time: an insert lands at the end of its index on every
engine, needs no auto-increment (whose order means nothing on a cluster), and a transaction that is repeated after a
lost connection repeats with the same id. Their form is RFC 9562 UUID version 7, 32 hex digits in Python and on the
wire, 16 bytes in the database.

A moment is a UTC `datetime` in Python and the count of microseconds since 1970 in the database: the same number on
every engine, whatever its time zone, and exact to order by.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, MetaData, String, Table
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator, TypeEngine
from twisted.internet.interfaces import IReactorTime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Names for every constraint, so that a migration can name what it drops on either engine.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: The longest e-mail address SMTP can carry (RFC 5321 section 4.5.3.1.3, less the angle brackets).
EMAIL_LENGTH = 254


def utc_now(clock: IReactorTime) -> datetime:
    """The moment it is by `clock`, whose seconds count from 1970."""
    return _EPOCH + timedelta(seconds=clock.seconds())


def new_id(now: datetime) -> str:
    """A fresh id: 48 bits of milliseconds, then 74 random ones, as 32 hex digits (RFC 9562 section 5.7)."""
    milliseconds = (now - _EPOCH) // timedelta(milliseconds=1)
    random = secrets.randbits(74)
    value = (
        (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    )
    return f"{value:032x}"


class Id(TypeDecorator[str]):
    """32 hex digits in Python, 16 bytes in the database."""

    impl = LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary(16))
        return dialect.type_descriptor(mysql.BINARY(16))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else value.hex()


class Digest(TypeDecorator[bytes]):
    """A SHA-256 or an HMAC with it: 32 bytes."""

    impl = LargeBinary(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary(32))
        return dialect.type_descriptor(mysql.BINARY(32))


class Moment(TypeDecorator[datetime]):
    """A UTC `datetime` in Python, microseconds since 1970 in the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


#: Up to 16 MiB on every engine (MySQL's BLOB alone would end at 64 KiB).
MediumBytes = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def Email() -> String:
    """An address as `accounts.rules.normal_email` writes it: compared byte by byte on every engine."""
    return String(EMAIL_LENGTH)


def table(name: str, *items: SchemaItem) -> Table:
    """A table of the hub. Its text compares byte by byte, as SQLite's does: case is folded by us or means something."""
    return Table(
        name,
        metadata,
        *items,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
