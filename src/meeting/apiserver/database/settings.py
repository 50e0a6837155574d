"""The database as the options name it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL

from meeting.apiserver.database.engine import Access, mysql_url, sqlite_url


def database_url(settings: Mapping[str, Any]) -> URL:
    """Which database."""
    if not settings["mysqlAddress"]:
        return sqlite_url(settings["stateDirectory"] / "apiserver.sqlite")
    first = settings["mysqlAddress"][0]
    password = settings["mysqlPassword"] or ""
    return mysql_url(first.host, first.port, settings["mysqlUser"], password, settings["mysqlDatabase"])


def access(settings: Mapping[str, Any]) -> Access:
    """How it is reached."""
    return Access(
        nodes=tuple(settings["mysqlAddress"]),
        ca=settings["mysqlCa"],
        connect_timeout=settings["mysqlConnectTimeout"],
        read_timeout=settings["mysqlReadTimeout"],
    )
