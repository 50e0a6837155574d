"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_allocation import *  # noqa: F403
