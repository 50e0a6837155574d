"""How many allocations there may be: for one participant, one meeting, one source address, and in all."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import IPv6Network

from meeting.dataplane.values import RelayClient
from meeting.stun import ErrorCode
from meeting.turnserver.authentication import Caller
from meeting.turnserver.refused import Refused


@dataclass(frozen=True, slots=True)
class Quotas:
    """Bounds. A browser makes an allocation for each network interface and connection, and leaves some behind."""

    per_user: int = 40
    per_room: int = 8000
    per_source: int = 8000
    """A whole company may come from one address."""
    total: int = 16000
    permissions: int = 64
    """Of one allocation."""
    channels: int = 32
    """Of one allocation."""
    connections: int = 16
    """With peers by TCP, of one allocation."""


class Ledger:
    """Who has how many."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._taken: Counter[Hashable] = Counter()

    def check(self, client: RelayClient, caller: Caller) -> None:
        """Raises Refused when one more would be too many."""
        for account, bound, code in self._accounts(client, caller):
            if self._taken[account] >= bound:
                raise Refused(code)

    def check_source(self, client: RelayClient) -> None:
        """Raises Refused when one more from its address would be too many."""
        if self._taken["source", _source(client)] >= self._quotas.per_source:
            raise Refused(ErrorCode.ALLOCATION_QUOTA_REACHED)

    def take(self, client: RelayClient, caller: Caller) -> None:
        """One more."""
        for account, _, _ in self._accounts(client, caller):
            self._taken[account] += 1

    def give_back(self, client: RelayClient, caller: Caller) -> None:
        """One less; who has none leaves no trace."""
        for account, _, _ in self._accounts(client, caller):
            self._taken[account] -= 1
            if not self._taken[account]:
                del self._taken[account]

    def _accounts(self, client: RelayClient, caller: Caller) -> list[tuple[Hashable, int, ErrorCode]]:
        quotas, reached = self._quotas, ErrorCode.ALLOCATION_QUOTA_REACHED
        return [
            (("user", *caller.user), quotas.per_user, reached),
            (("room", caller.room), quotas.per_room, reached),
            (("source", _source(client)), quotas.per_source, reached),
            ("total", quotas.total, ErrorCode.INSUFFICIENT_CAPACITY),
        ]


def _source(client: RelayClient) -> Hashable:
    """An IPv4 address, or the /64 that one host has of IPv6."""
    if ":" not in client.host:
        return client.host
    return IPv6Network((client.host, 64), strict=False)
