"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_admin_meetings import *  # noqa: F403
