"""How often somebody may ask: so many calls in any minute, counted in memory.

Each replica counts for itself, so that no call costs a write: over n replicas a caller gets at most n times as much.
What must hold exactly over all of them (sign-in codes) is counted in the database.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from twisted.internet.interfaces import IReactorTime

from meeting.daemon.errors import TooManyRequests

_WINDOW = 60.0


@dataclass(frozen=True)
class Level:
    """What is left to a caller after a call, under a policy's name."""

    policy: str
    limit: int
    left: int
    full_after: float
    """Seconds after which all of it is there again."""
    wait: float
    """Seconds until the next call is let in; 0: this one was."""

    @property
    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 has them."""
        # A policy's name is a string of structured fields: printable ASCII, as all ours are.
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={int(_WINDOW)}',
            "RateLimit": f'"{self.policy}";r={self.left};t={-int(-self.full_after // 1)}',
        }

    def check(self) -> None:
        """Raises TooManyRequests if the call was one too many."""
        if self.wait:
            detail = f"At most {self.limit} in a minute are answered."
            raise TooManyRequests(detail, self.wait, headers=self.headers)


class Throttle:
    """The calls of everybody in the last minute (GCRA: one number for each caller)."""

    def __init__(self, clock: IReactorTime, *, most: int = 100_000) -> None:
        """`most`: callers that are remembered; beyond, who has called least lately begins anew."""
        self._clock = clock
        self._most = most
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, policy: str, whom: Hashable, limit: int) -> Level:
        """Count a call of `whom` under `policy`, of `limit` in a minute. One that is refused is not counted."""
        now = self._clock.seconds()
        key = (policy, whom)
        step = _WINDOW / limit
        until = max(self._until.get(key, now), now) + step
        wait = until - now - _WINDOW
        if wait > 1e-6:
            return Level(policy, limit, 0, until - step - now, wait)
        self._until[key] = until
        self._until.move_to_end(key)
        if len(self._until) > self._most:
            self._until.popitem(last=False)
        return Level(policy, limit, int((_WINDOW - (until - now)) / step + 1e-6), until - now, 0.0)


def source_of(address: str) -> str:
    """What of an address counts as one source: an IPv6 network of 64 bits is one subscriber's (RFC 6177)."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(IPv6Address(int(found) >> 64 << 64))
    return address
