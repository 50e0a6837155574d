"""One service as one process: its start and its end, whatever goes wrong in them."""

from collections.abc import Callable
from typing import Any

import pytest
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from meeting.daemon.errors import ConfigurationError
from meeting.daemon.process import STOP_WITHIN, run_service
from tests.support.logs import captured_events, text_of


class Reactor(Clock):
    """A reactor that runs `main` when it is told to run, and then shuts down."""

    def __init__(self, main: Callable[["Reactor"], None] = lambda reactor: None) -> None:
        super().__init__()
        self._main = main
        self._first: list[Callable[[], Any]] = []
        self._last: list[Callable[[], Any]] = []
        self._stopped = False
        self._exitSignal: int | None = None

    def callWhenRunning(self, function: Callable[[], Any]) -> None:
        self._first.append(function)

    def addSystemEventTrigger(self, phase: str, event: str, function: Callable[[], Any]) -> None:
        assert (phase, event) == ("before", "shutdown")
        self._last.append(function)

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        for function in self._first:
            function()
        if not self._stopped:
            self._main(self)
        if not self._stopped:
            self._exitSignal = 15
        ended = [function() for function in self._last]
        self.advance(STOP_WITHIN + 1)
        assert all(each.called for each in ended)


class Recorded(Service):
    """Writes down what is done with it; `trouble` maps a step to the error raised there."""

    def __init__(self, diary: list[str], name: str, trouble: dict[str, Exception] | None = None) -> None:
        self._diary = diary
        self.setName(name)
        self._trouble = trouble or {}

    def _step(self, what: str) -> None:
        self._diary.append(f"{what} {self.name}")
        if what in self._trouble:
            raise self._trouble[what]

    def privilegedStartService(self) -> None:
        self._step("open")

    def startService(self) -> None:
        super().startService()
        self._step("start")

    def stopService(self) -> None:
        super().stopService()
        self._step("stop")


def tree(*services: Service) -> MultiService:
    parent = MultiService()
    for service in services:
        service.setServiceParent(parent)
    return parent


def test_services_start_in_order_and_stop_in_reverse() -> None:
    diary: list[str] = []
    services = tree(Recorded(diary, "a"), Recorded(diary, "b"))
    assert run_service(Reactor(lambda reactor: diary.append("running")), services) == 0
    assert diary == ["open a", "open b", "start a", "start b", "running", "stop b", "stop a"]


def test_a_port_that_is_taken_stops_before_anything_has_begun() -> None:
    diary: list[str] = []
    taken: dict[str, Exception] = {"open": CannotListenError("127.0.0.1", 443, OSError(98, "Address already in use"))}
    with pytest.raises(ConfigurationError, match=r"cannot listen on 127\.0\.0\.1:443"):
        run_service(Reactor(), tree(Recorded(diary, "a"), Recorded(diary, "b", taken)))
    assert diary == ["open a", "open b"]


def test_what_had_begun_is_ended_when_a_later_part_cannot_begin() -> None:
    diary: list[str] = []
    trouble: dict[str, Exception] = {"start": ConfigurationError("no disk")}
    services = tree(Recorded(diary, "a"), Recorded(diary, "b", trouble))
    with pytest.raises(ConfigurationError, match="no disk"):
        run_service(Reactor(lambda reactor: diary.append("running")), services)
    assert "running" not in diary
    assert diary[-2:] == ["stop b", "stop a"]


def test_a_service_that_stops_the_reactor_by_itself_has_failed() -> None:
    assert run_service(Reactor(lambda reactor: reactor.stop()), tree()) == 1


def test_a_service_that_does_not_end_is_not_waited_for_for_ever() -> None:
    class Hanging(Service):
        def stopService(self) -> Deferred[None]:
            return Deferred(lambda hanging: hanging.callback(None))

    with captured_events() as events:
        assert run_service(Reactor(), tree(Hanging())) == 1
    assert "not all services ended" in text_of(events)


def test_a_service_that_ends_badly_is_told_by_the_status(logged_failures: list[Failure]) -> None:
    class Broken(Service):
        def stopService(self) -> Deferred[None]:
            return Deferred.fromCoroutine(self._fail())

        async def _fail(self) -> None:
            raise ZeroDivisionError

    class Alone(Broken):
        pass

    assert run_service(Reactor(), Alone()) == 1
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()
