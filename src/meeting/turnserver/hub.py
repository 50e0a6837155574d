"""What the hub and a turnserver tell one another, and how a server goes out of service without tearing calls."""

from collections.abc import Callable
from ipaddress import ip_address

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from meeting.daemon.converters import host_port
from meeting.daemon.registration import MOST_ROOMS, HeartbeatAnswer
from meeting.stun import Address
from meeting.turnserver.allocations import Allocations

#: Seconds between two looks whether the last allocation has ended.
LOOK = 0.5


class Word:
    """Asks after the rooms it relays for, a part of them with each heartbeat, and ends what is over."""

    _log = Logger()

    def __init__(self, allocations: Allocations) -> None:
        self._allocations = allocations
        self._waiting: list[str] = []
        self._others: list[Address] = []

    def some_rooms(self) -> list[str]:
        """The next ones to ask about: all of them come round."""
        if not self._waiting:
            self._waiting = sorted(room for room in self._allocations.rooms() if len(room) <= 128)
        asked, self._waiting = self._waiting[:MOST_ROOMS], self._waiting[MOST_ROOMS:]
        return asked

    def hear(self, answer: HeartbeatAnswer) -> None:
        """Which of them are over, and which other turnservers there are."""
        ended = self._allocations.end_rooms(answer.over)
        if ended:
            self._log.info("{count} allocations ended with their meetings", count=ended)
        self._others = [address for text in answer.others for address in _address(text)]

    def elsewhere(self, family: int) -> Address | None:
        """Another turnserver, for clients of a family (1: IPv4, 2: IPv6)."""
        return next((each for each in self._others if each.family == family), None)


class Drain:
    """Before the server stops: nobody new, and `seconds` for those who are there."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        allocations: Allocations,
        elsewhere: Callable[[int], Address | None],
        seconds: float,
    ) -> None:
        self._clock = clock
        self._allocations = allocations
        self._elsewhere = elsewhere
        self._seconds = seconds
        self.begun = False

    async def drained(self) -> None:
        """Until the last has gone, or the time is over."""
        self.begun = True
        self._allocations.redirect(self._elsewhere)
        until = self._clock.seconds() + self._seconds
        if self._seconds and len(self._allocations):
            self._log.info("draining {count} allocations", count=len(self._allocations))
        while len(self._allocations) and self._clock.seconds() < until:
            later: Deferred[None] = Deferred()
            self._clock.callLater(min(LOOK, until - self._clock.seconds()), later.callback, None)
            await later


def _address(text: str) -> list[Address]:
    """A turnserver that registered by a name is none to send anybody to: ALTERNATE-SERVER holds an address."""
    try:
        address = host_port(text)
        return [Address(ip_address(address.host), address.port)]
    except ValueError:
        return []
