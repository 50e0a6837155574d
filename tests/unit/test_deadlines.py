"""The deadline under asynchronous tests ends a test that would wait for ever."""

import pytest
from twisted.internet.defer import Deferred, TimeoutError

from tests.support.deadlines import deadline


async def test_waiting_for_ever_fails_with_timeout_error() -> None:
    @deadline(0.01)
    async def wait() -> None:
        await Deferred[None]()

    with pytest.raises(TimeoutError):
        await wait()


@deadline(5)
async def test_a_fixture_reaches_a_test_with_a_deadline(tmp_path: object) -> None:
    assert tmp_path is not None
