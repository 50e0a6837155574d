"""Relay ports kept for a second allocation: RTP on the even port, RTCP on the next (RFC 8656 §7.2, §18.6, §18.8)."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from meeting.dataplane.interfaces import IRelay
from meeting.stun import ErrorCode
from meeting.stun.addresses import IPV6
from meeting.turnserver.authentication import Caller
from meeting.turnserver.refused import Refused

KEPT_SECONDS = 30
TOKEN_LENGTH = 8
#: For one user at a time: nobody fills the port range with what nobody comes for.
MOST_OF_A_USER = 8


@dataclass(frozen=True, slots=True)
class Reservation:
    """A port that waits."""

    user: tuple[str, str]
    family: int
    port: int
    until: float
    """Unix seconds."""


class Reservations:
    """All of them, by token."""

    def __init__(self, relay: IRelay, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._relay = relay
        self._random = random
        self._kept: dict[bytes, Reservation] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def check(self, now: float, caller: Caller) -> None:
        """Raises Refused when this user may keep no more."""
        self.expire(now)
        if sum(each.user == caller.user for each in self._kept.values()) >= MOST_OF_A_USER:
            raise Refused(ErrorCode.INSUFFICIENT_CAPACITY)

    def keep(self, now: float, caller: Caller, family: int, port: int) -> bytes:
        """The token for a port that the relay keeps from now on."""
        token = self._random(TOKEN_LENGTH)
        self._kept[token] = Reservation(caller.user, family, port, now + KEPT_SECONDS)
        return token

    def claim(self, now: float, caller: Caller, token: bytes) -> Reservation:
        """What was kept for the token, once. Raises Refused when there is nothing, or it is another's."""
        self.expire(now)
        reservation = self._kept.get(token)
        if reservation is None or reservation.user != caller.user:
            raise Refused(ErrorCode.INSUFFICIENT_CAPACITY)
        del self._kept[token]
        return reservation

    def forget(self, reservation: Reservation) -> None:
        """Give a claimed port back that could not be used."""
        self._relay.forget_kept(reservation.port, ipv6=reservation.family == IPV6)

    def expire(self, now: float) -> None:
        """Close what nobody came for."""
        for token, reservation in list(self._kept.items()):
            if reservation.until <= now:
                del self._kept[token]
                self.forget(reservation)
