"""A hub for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.minutes.hubs import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub as a process of its own."""
    from tests.integration.minutes.hubs import Hub

    hub = Hub(tmp_path)
    hub.start()
    yield hub
    hub.daemon.kill()
