"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_leases import *  # noqa: F403
