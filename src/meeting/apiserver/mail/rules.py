"""When a mail is tried again, by which server, and when it is given up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

#: A mail is tried again after 5 s, 10 s, … at most half an hour, until it expires.
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=30)

#: A server that failed is left alone for 1 s, 2 s, … at most five minutes, unless there is no other.
FIRST_REST = timedelta(seconds=1)
LONGEST_REST = timedelta(minutes=5)

#: Longer than one attempt over all servers may take: then another sender takes the mail over.
LEASE = timedelta(minutes=5)

#: How long it makes sense to deliver an invitation late.
LIFETIME = timedelta(days=3)


class Outcome(Enum):
    """What an attempt with one server came to."""

    SENT = "sent"
    #: This server cannot do it now: ask the next one, or the same one later.
    NOT_NOW = "not now"
    #: The recipient's address is refused for good: no server will do better.
    REFUSED = "refused"


def judge_recipient(code: int) -> Outcome:
    """The outcome of a reply to RCPT TO (RFC 5321 section 4.2.1): 4xx may pass, 5xx will not."""
    if 200 <= code < 300:
        return Outcome.SENT
    return Outcome.REFUSED if 500 <= code < 600 else Outcome.NOT_NOW


def delay_after(attempts: int) -> timedelta:
    """How long a mail waits after its `attempts`th attempt failed (1 is the first)."""
    return min(FIRST_DELAY * (1 << min(attempts - 1, 20)), LONGEST_DELAY)


@dataclass
class Rests:
    """Which servers are resting after a failure. A machine: `now` goes in, an order comes out."""

    count: int
    _until: dict[int, datetime] = field(default_factory=dict)
    _failures: dict[int, int] = field(default_factory=dict)

    def order(self, now: datetime) -> Sequence[int]:
        """The servers to try, in order: those as configured that do not rest, then those whose rest ends first."""
        rested = [n for n in range(self.count) if n not in self._until or self._until[n] <= now]
        resting = sorted(set(range(self.count)) - set(rested), key=lambda n: self._until[n])
        return [*rested, *resting]

    def failed(self, server: int, now: datetime) -> None:
        """The server could not do it."""
        failures = self._failures.get(server, 0)
        self._failures[server] = failures + 1
        self._until[server] = now + min(FIRST_REST * (1 << min(failures, 20)), LONGEST_REST)

    def worked(self, server: int) -> None:
        """The server did its work."""
        self._failures.pop(server, None)
        self._until.pop(server, None)
