"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_minutes_replicas import *  # noqa: F403
