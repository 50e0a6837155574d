"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_chat import *  # noqa: F403
