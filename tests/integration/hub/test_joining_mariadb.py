"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_joining import *  # noqa: F403
