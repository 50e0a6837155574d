"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_presence import *  # noqa: F403
