"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_events import *  # noqa: F403
