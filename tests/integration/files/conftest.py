"""A file server for each test that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.files.servers import FileServer


@pytest.fixture
def make_file_server(tmp_path: Path) -> Iterator[Callable[..., FileServer]]:
    """Makes and starts file servers with further settings; ends them."""
    from tests.integration.files.servers import FileServer

    made: list[FileServer] = []

    def make(**settings: object) -> FileServer:
        directory = tmp_path / f"fs{len(made)}"
        directory.mkdir()
        made.append(FileServer(directory, **settings))
        made[-1].start()
        return made[-1]

    yield make
    for server in made:
        server.daemon.kill()
