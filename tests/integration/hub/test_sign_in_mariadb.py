"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_sign_in import *  # noqa: F403
