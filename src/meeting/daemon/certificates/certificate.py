"""What every kind of certificate has: a context for the port, and what can be told of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from meeting.daemon.certificates.context import Pair, SwappableContext
from meeting.daemon.observe import Metrics


class Certificate:
    """A certificate of a daemon. Subclasses are services that `take` pairs; until the first, handshakes fail."""

    source: ClassVar[str]
    """Where it comes from: files, self-signed, acme."""
    trouble: str = ""
    """What went wrong last; empty when nothing did."""
    renewal: datetime | None = None
    """When a new one will be asked for, where that is ours to do."""
    orders: dict[str, int] = {}

    def __init__(self) -> None:
        self.creator = SwappableContext()
        self.pair: Pair | None = None
        self._takers: list[Callable[[Pair], None]] = []

    def take(self, pair: Pair) -> None:
        """The next handshake has it."""
        self.pair = pair
        self.creator.context = pair.context
        for taker in self._takers:
            taker(pair)

    def tell(self, taker: Callable[[Pair], None]) -> None:
        """Call `taker` with each new pair: for TLS that ends elsewhere."""
        self._takers.append(taker)

    @property
    def until(self) -> datetime | None:
        """When it ends; None while there is none."""
        return None if self.pair is None else self.pair.certificate.not_valid_after_utc

    def serves(self, now: float) -> bool:
        """Whether clients get through a handshake at `now`, Unix seconds."""
        return self.until is not None and self.until.timestamp() > now

    def condition(self, now: float) -> str:
        """One line for `/readyz`."""
        if self.until is None:
            return f"none yet{f': {self.trouble}' if self.trouble else ''}"
        if not self.serves(now):
            return f"ended {self.until:%Y-%m-%d}{f': {self.trouble}' if self.trouble else ''}"
        return f"good until {self.until:%Y-%m-%d}"

    def state(self) -> dict[str, Any]:
        """For administrators: moments in ISO 8601, UTC."""
        return {
            "source": self.source,
            "until": _text(self.until),
            "renewal": _text(self.renewal),
            "trouble": self.trouble,
        }

    def add_metrics(self, metrics: Metrics, clock: Any) -> None:
        """`clock.seconds()` is Unix time."""

        def days_left() -> float:
            return 0.0 if self.until is None else (self.until.timestamp() - clock.seconds()) / 86_400

        metrics.gauge("meeting_certificate_days_left", "Days until the certificate ends; 0: none.").set_function(
            days_left
        )
        orders = metrics.gauge("meeting_certificate_orders", "Orders since the start, by outcome.", ["outcome"])
        for outcome in self.orders:
            orders.labels(outcome).set_function(partial(self._count, outcome))

    def _count(self, outcome: str) -> float:
        return self.orders[outcome]


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
