"""Servers that the integration tests share, started once, when the first test asks for them."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.support.mariadb import MariaDb


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A MariaDB server of this run's own."""
    server = MariaDb(Path(mkdtemp(prefix="meeting-mariadb-")))
    try:
        server.start()
        yield server
    finally:
        server.stop()
