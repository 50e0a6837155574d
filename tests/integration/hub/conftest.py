"""The hub of the unit tests, over MariaDB: the same fixtures, another engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.mariadb import PASSWORD, USER, MariaDb

if TYPE_CHECKING:
    from sqlalchemy import URL

    from tests.support.hub import Hub, MakeHub

DATABASE = "Meeting"


@pytest.fixture
def make_hub(mariadb: MariaDb) -> Iterator[MakeHub]:
    """Makes and starts a hub with further options; the database is empty when the test begins."""
    from tests.support.hub import Hub, empty_tables

    hubs: list[Hub] = []

    def make(*arguments: str) -> Hub:
        hub = Hub(["--demo", *mariadb.options(DATABASE), *arguments]).start()
        if not hubs:
            hub.sql(empty_tables)
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        hub.stop()


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    """A demo's hub."""
    return make_hub()


@pytest.fixture
def empty_database(mariadb: MariaDb) -> Iterator[URL]:
    """The URL of a database that is not there yet."""
    from meeting.apiserver.database import mysql_url

    yield mysql_url("127.0.0.1", mariadb.port, USER, PASSWORD, "Empty-`one")
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS `Empty-``one`")
