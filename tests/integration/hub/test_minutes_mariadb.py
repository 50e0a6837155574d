"""The same as the unit tests, over MariaDB."""

from tests.unit.apiserver.test_minutes_conversation import *  # noqa: F403
from tests.unit.apiserver.test_minutes_kept import *  # noqa: F403
