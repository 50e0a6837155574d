"""An sfuserver in memory for each test that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.sfuserver.clients import World


@pytest.fixture
def world() -> World:
    """Nobody is in it yet."""
    from tests.unit.sfuserver.clients import World

    return World()
