"""A hub over SQLite. tests/integration/test_hub_mariadb.py runs the tests that take `hub` or `make_hub` on MariaDB."""

# pytest reads this before pytest-twisted has installed its reactor, and the hub imports what would install another:
# so the hub is imported within the fixtures.
from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sqlalchemy import URL

    from tests.support.hub import Hub, MakeHub


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with the schema in it, made once."""
    from tests.support.hub import sqlite_hub

    directory = tmp_path_factory.mktemp("migrated")
    sqlite_hub(directory).start().stop()
    return directory / "apiserver.sqlite"


@pytest.fixture
def make_hub(tmp_path: Path, migrated: Path) -> Iterator[MakeHub]:
    """Makes and starts a hub with further options; stops it in the end."""
    from tests.support.hub import sqlite_hub

    hubs: list[Hub] = []

    def make(*arguments: str) -> Hub:
        directory = tmp_path / f"hub{len(hubs)}"
        directory.mkdir()
        shutil.copy(migrated, directory)
        hubs.append(sqlite_hub(directory, *arguments))
        return hubs[-1].start()

    yield make
    for hub in hubs:
        hub.stop()


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    """A demo's hub."""
    return make_hub()


@pytest.fixture
def empty_database(tmp_path: Path) -> URL:
    """The URL of a database with nothing in it."""
    from meeting.apiserver.database import sqlite_url

    return sqlite_url(tmp_path / "empty.sqlite")
