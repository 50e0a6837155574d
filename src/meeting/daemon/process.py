"""One daemon as one process: the reactor, the log, and an orderly end by SIGTERM or SIGINT."""

import sys
from collections.abc import Callable
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.daemon.errors import ConfigurationError
from meeting.daemon.observe import configure_logging

STOP_WITHIN = 20.0
"""Seconds for services to end; what is not done then is cut off. systemd waits longer (90 s)."""


def install_reactor() -> None:
    """The asyncio reactor, before anything imports `twisted.internet.reactor`; if one is there, it stays."""
    if "twisted.internet.reactor" in sys.modules:
        return
    from asyncio import new_event_loop  # noqa: TID251  the one place: Twisted runs on its loop

    from twisted.internet import asyncioreactor

    asyncioreactor.install(new_event_loop())


def run(options: Any, make_service: Callable[[Any], IService]) -> int:
    """Run the service of `options` until it is told to end; gives the exit status.

    :raise ConfigurationError: it cannot start as it was told to.
    """
    from twisted.internet import reactor

    configure_logging(options["logFormat"], options["logLevel"])
    return run_service(reactor, make_service(options))


def run_service(reactor: Any, service: IService) -> int:
    """The same for a service that is there already; `reactor` is not running yet."""
    log = Logger()
    trouble: list[BaseException] = []
    status = 0

    def start() -> None:
        # With the reactor running, so that what has begun when a later part cannot begin is ended in order too.
        try:
            service.startService()
        except Exception as error:
            trouble.append(error)
            reactor.stop()

    def stop() -> Deferred[Any]:
        log.info("stopping")
        stopping: Deferred[Any] = maybeDeferred(service.stopService)
        return stopping.addTimeout(STOP_WITHIN, reactor, late).addErrback(stopped_badly)

    def late(_: Any, seconds: float) -> None:
        nonlocal status
        status = 1
        log.error("not all services ended within {seconds} s", seconds=seconds)

    def stopped_badly(failure: Failure) -> None:
        nonlocal status
        status = 1
        if not trouble:
            log.failure("a service ended with an error", failure=failure)

    try:
        service.privilegedStartService()
        reactor.callWhenRunning(start)
        reactor.addSystemEventTrigger("before", "shutdown", stop)
        reactor.run()
        if trouble:
            raise trouble[0]
        if reactor._exitSignal is None:
            # A part of it could not go on and stopped the reactor, having said why (Twisted's
            # _ISupportsExitSignalCapturing): whoever watches over the process has to start it again.
            status = 1
    except CannotListenError as error:
        place = f"{error.interface or '*'}:{error.port}"
        raise ConfigurationError(f"cannot listen on {place}: {error.socketError}") from None
    return status
