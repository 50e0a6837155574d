"""What can be seen of a running daemon: logs, health, metrics, and its state as JSON."""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TextIO, cast

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    formatTime,
    globalLogBeginner,
)
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from meeting.daemon.site import Tree

LogFormat = Literal["text", "json"]

# --- logs

# The last net. Nothing is meant to log these; but a library may quote an address or a header in an error.
_SECRETS = re.compile(
    r"(?P<jwt>\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)"
    r"|(?P<signed>\bMeeting v1 \S+ \S+ \S+ )\S+"
    r"|(?P<header>\b(?:Authorization|Cookie|Set-Cookie)\b['\"]?\s*[:=]\s*)[^\r\n]+"
    r"|(?P<bearer>\bBearer )\S+"
    r"|(?P<name>\b(?:access_token|join_request|token|signature|password|secret|code)['\"]?\s*[=:]\s*['\"]?)[^\s&'\",)}]+",
    re.IGNORECASE,
)


#: None of them can be found in a text that has none of these: looking for a word is a tenth of looking for a pattern,
#: and most lines have none.
_WORDS = (
    *("eyj", "meeting v1 ", "authorization", "cookie", "bearer ", "token"),
    *("join_request", "signature", "password", "secret", "code"),
)


def redacted(text: str) -> str:
    """`text` without what looks like a token, a signature or a password."""
    folded = text.casefold()
    if not any(word in folded for word in _WORDS):
        return text

    def hide(found: re.Match[str]) -> str:
        kept = next((kept for name, kept in found.groupdict().items() if kept is not None and name != "jwt"), "")
        return f"{kept}[hidden]"

    return _SECRETS.sub(hide, text)


def configure_logging(format: LogFormat, level: str, stream: TextIO | None = None) -> None:
    """Send the process's log to `stream` (stderr), as lines of text or of JSON, from `level` up. Once per process."""
    out = stream or sys.stderr
    write = _json_line if format == "json" else _text_line

    def observe(event: LogEvent) -> None:
        out.write(write(event) + "\n")
        out.flush()

    wanted = LogLevelFilterPredicate(LogLevel.lookupByName(level))
    if level == "info":
        # Twisted tells of each factory that starts and stops; ports and stops are told by our own services.
        for namespace in ("twisted", "log_legacy"):
            wanted.setLogLevelForNamespace(namespace, LogLevel.warn)
    observer = FilteringLogObserver(cast(ILogObserver, observe), [wanted])
    globalLogBeginner.beginLoggingTo([cast(ILogObserver, observer)], redirectStandardIO=False)


def _text_line(event: LogEvent) -> str:
    level = getattr(event.get("log_level"), "name", "info")
    text = f"{formatTime(event['log_time'])} {level:<8} {event.get('log_namespace', '-')}: {formatEvent(event)}"
    return redacted(text + _traceback(event))


def _json_line(event: LogEvent) -> str:
    members: dict[str, Any] = {
        "time": formatTime(event["log_time"]),
        "level": getattr(event.get("log_level"), "name", "info"),
        "logger": event.get("log_namespace", "-"),
        "message": redacted(formatEvent(event)),
    }
    for name, value in event.items():
        if not name.startswith("log_") and name not in ("time", "isError", "system", "format", "message"):
            members.setdefault(name, value if isinstance(value, int | float | bool) else redacted(str(value)))
    traceback = _traceback(event)
    if traceback:
        members["traceback"] = redacted(traceback.strip())
    return _as_json(members)


_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return "" if failure is None else "\n" + str(failure.getTraceback()).rstrip()


# --- metrics


class Metrics:
    """Prometheus metrics in a registry of their own: several daemons in one process do not mix theirs."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """Something that only grows."""
        return Counter(name, help, labels, registry=self.registry)

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        """Something that goes up and down."""
        return Gauge(name, help, labels, registry=self.registry)

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS
    ) -> Histogram:
        """How values are spread."""
        return Histogram(name, help, labels, buckets=buckets, registry=self.registry)


# --- pages


@dataclass(frozen=True)
class Readiness:
    """Whether requests should be sent here, and what was looked at: name → how it is."""

    ready: bool
    checks: Mapping[str, str] = field(default_factory=dict)


class _Json(Resource):
    """A page whose JSON is made anew for each request."""

    isLeaf = True

    def __init__(self, dump: Callable[[], tuple[int, Any]]) -> None:
        super().__init__()
        self._dump = dump

    def render_GET(self, request: IRequest) -> bytes:
        status, value = self._dump()
        request.setResponseCode(status)
        request.setHeader(b"Content-Type", b"application/json")
        request.setHeader(b"Cache-Control", b"no-store")
        return json.dumps(value, ensure_ascii=False, default=str).encode()


class _MetricsPage(Resource):
    """Made in the reactor's thread: prometheus_client's own resource needs the global reactor and its threads."""

    isLeaf = True

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_GET(self, request: IRequest) -> bytes:
        request.setHeader(b"Content-Type", CONTENT_TYPE_LATEST.encode("ascii"))
        return generate_latest(self._registry)


def health_resource(ready: Callable[[], Readiness]) -> IResource:
    """`/healthz`: the process answers. `/readyz`: 200 or 503, and why."""

    def readiness() -> tuple[int, Any]:
        now = ready()
        return (200 if now.ready else 503), {"ready": now.ready, "checks": dict(now.checks)}

    return Tree({b"healthz": _Json(lambda: (200, {"alive": True})), b"readyz": _Json(readiness)})


def metrics_resource(metrics: Metrics) -> IResource:
    """`/metrics`, in Prometheus's text format."""
    return _MetricsPage(metrics.registry)


def state_resource(dump: Callable[[], Any]) -> IResource:
    """`/state`: what `dump` gives, as JSON. For administrators, on the private port only."""
    return _Json(lambda: (200, dump()))


class Watched(Protocol):
    """A certificate, as the status pages show it (meeting.daemon.certificates.certificate). `now` in Unix seconds."""

    def serves(self, now: float) -> bool: ...
    def condition(self, now: float) -> str: ...
    def state(self) -> dict[str, Any]: ...
    def add_metrics(self, metrics: Metrics, clock: Any) -> None: ...


def status_resource(
    metrics: Metrics,
    ready: Callable[[], Readiness],
    dump: Callable[[], dict[str, Any]] | None = None,
    certificate: Watched | None = None,
    clock: Any = None,
) -> IResource:
    """All of the above, as the private port (`--status`) serves them; `certificate` (with `clock`) on each of them."""
    if certificate is not None:
        certificate.add_metrics(metrics, clock)
        ready, dump = _with_certificate(ready, dump, certificate, clock)
    branches = {b"metrics": metrics_resource(metrics)}
    if dump is not None:
        branches[b"state"] = state_resource(dump)
    return Tree(branches, default=health_resource(ready))


def _with_certificate(
    ready: Callable[[], Readiness], dump: Callable[[], dict[str, Any]] | None, certificate: Watched, clock: Any
) -> tuple[Callable[[], Readiness], Callable[[], dict[str, Any]]]:
    def ready_too() -> Readiness:
        found, now = ready(), clock.seconds()
        checks = {**found.checks, "certificate": certificate.condition(now)}
        return Readiness(found.ready and certificate.serves(now), checks)

    def dump_too() -> dict[str, Any]:
        return {**(dump() if dump else {}), "certificate": certificate.state()}

    return ready_too, dump_too
