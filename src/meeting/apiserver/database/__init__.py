"""The hub's database: one function is one transaction is one retry. See `service.Database`."""

from meeting.apiserver.database.engine import Access, make_engine, mysql_url, sqlite_url
from meeting.apiserver.database.errors import Stale, Unavailable, is_transient
from meeting.apiserver.database.service import Database, Threads, afterwards
from meeting.apiserver.database.settings import access, database_url
from meeting.apiserver.database.statements import insert_if_absent, insert_new, upsert

__all__ = [
    "Access",
    "Database",
    "Stale",
    "Threads",
    "Unavailable",
    "access",
    "afterwards",
    "database_url",
    "insert_if_absent",
    "insert_new",
    "is_transient",
    "make_engine",
    "mysql_url",
    "sqlite_url",
    "upsert",
]
