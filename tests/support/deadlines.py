"""A deadline that fails one test and leaves the reactor running.

pytest-timeout stops the reactor, and then every later test fails; so it is only the last resort (setup.cfg), and
each asynchronous test that waits for something says here how long it may.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred

P = ParamSpec("P")
T = TypeVar("T")


def deadline(seconds: float) -> Callable[[Callable[P, Coroutine[Deferred[Any], Any, T]]], Callable[P, Deferred[T]]]:
    """Decorate an `async def` test: it is cancelled and fails with TimeoutError after `seconds`."""

    def decorate(test: Callable[P, Coroutine[Deferred[Any], Any, T]]) -> Callable[P, Deferred[T]]:
        @wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
            from twisted.internet import reactor
            from twisted.internet.interfaces import IReactorTime

            return Deferred.fromCoroutine(test(*args, **kwargs)).addTimeout(seconds, IReactorTime(reactor))

        return run

    return decorate
