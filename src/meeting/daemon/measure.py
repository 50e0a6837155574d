"""What an Api measures of itself: how many requests each route had, how they ended, how long they took."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from meeting.daemon.observe import Metrics
from meeting.daemon.route import Route

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Measure:
    """Labels are the route as it is declared and the class of the status, so there are never more than those."""

    _log = Logger()

    def __init__(self, metrics: Metrics, clock: IReactorTime, slow: float) -> None:
        """`slow`: seconds after which a request is logged."""
        self._clock = clock
        self._slow = slow
        labels = ("method", "route")
        self._requests = metrics.counter("meeting_requests", "Requests answered.", (*labels, "status"))
        self._seconds = metrics.histogram(
            "meeting_request_seconds", "What answering a request took.", labels, buckets=_BUCKETS
        )

    def watch(self, answer: Deferred[bytes], request: Any, route: Route) -> Deferred[bytes]:
        """`answer`, measured. A connection that a handler owns (`raw`) is counted when it ends and not timed."""
        began = self._clock.seconds()

        def answered(body: bytes) -> bytes:
            self.count(request, route)
            if not route.raw:
                seconds = self._clock.seconds() - began
                self._seconds.labels(route.method, route.path).observe(seconds)
                if seconds > self._slow:
                    self._log.warn(
                        "slow: {method} {route} took {seconds:.2f} s [{request_id}]",
                        method=route.method,
                        route=route.path,
                        seconds=seconds,
                        request_id=getattr(request, "id", "?"),
                    )
            return body

        return answer.addCallback(answered)

    def count(self, request: Any, route: Route | None) -> None:
        """One request; `route` None: none was found."""
        method, path = ("other", "none") if route is None else (route.method, route.path)
        self._requests.labels(method, path, f"{request.code // 100}xx").inc()
