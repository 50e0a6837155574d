"""What Prometheus sees of a turnserver."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from meeting.dataplane.interfaces import IRelay
from meeting.turnserver.allocations import Allocations
from meeting.turnserver.listeners import Requests

#: Of the relay's totals: the metric's name, its help, the totals by label value.
_TOTALS = (
    ("meeting_turn_relayed_packets", "Packets relayed", {"peer": "to_peers", "client": "to_clients"}),
    ("meeting_turn_relayed_bytes", "Their payload", {"peer": "to_peers_bytes", "client": "to_clients_bytes"}),
    (
        "meeting_turn_stateless",
        "Packets dealt with before anybody was known",
        {"binding": "bindings", "challenge": "challenges", "handed_up": "requests"},
    ),
)


class TurnMetrics(Collector):
    """Collected when asked, from what is counted anyway."""

    def __init__(self, relay: IRelay, allocations: Allocations, requests: Requests) -> None:
        self._relay = relay
        self._allocations = allocations
        self._requests = requests

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        counters = self._relay.counters()
        yield GaugeMetricFamily("meeting_turn_allocations", "Allocations that exist", len(self._allocations))
        for name, help, totals in _TOTALS:
            family = CounterMetricFamily(name, help, labels=["what"])
            for label, total in totals.items():
                family.add_metric([label], counters.totals.get(total, 0))
            yield family
        dropped = CounterMetricFamily("meeting_turn_dropped_packets", "Packets dropped", labels=["cause"])
        for cause, count in counters.dropped.items():
            dropped.add_metric([cause], count)
        yield dropped
        answers = CounterMetricFamily(
            "meeting_turn_answers",
            "Answers to requests with credentials; code 200 is success",
            labels=["method", "code"],
        )
        for (method, code), count in self._allocations.answers.items():
            answers.add_metric([method.lower(), str(code)], count)
        yield answers
        yield CounterMetricFamily("meeting_turn_troubles", "Panics and the like; any is a bug", self._requests.troubles)
