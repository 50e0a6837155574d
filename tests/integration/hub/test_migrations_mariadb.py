"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_migrations import *  # noqa: F403
