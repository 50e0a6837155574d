"""The rooms of this process: made when someone enters, gone when empty for long; the clock that makes them move."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from meeting.sfuserver.room.chance import Chance
from meeting.sfuserver.room.events import RoomEvents
from meeting.sfuserver.room.media import Media
from meeting.sfuserver.room.room import Room, RoomSettings

__all__ = ["Rooms"]

log = Logger()

TICK = 0.2
BATCH = 0.1
"""Seconds between two rounds of news to a room: a thousand joins make ten messages a second, not a thousand."""


MOST_REVOKED = 10_000
"""Removals remembered; the hub looks at each arrival in any case (docs/decisions/0005)."""


class Rooms(Service):
    """By name. A room's news go out at once when it was quiet, and else together after BATCH."""

    def __init__(
        self,
        clock: IReactorTime,
        media: Media,
        settings: RoomSettings,
        chance: Chance,
        events: RoomEvents,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.closing = False
        self._clock = clock
        self._media = media
        self._settings = settings
        self._chance = chance
        self._events = events
        self._count = count
        self._rooms: dict[str, Room] = {}
        self._revoked: dict[tuple[str, str], float] = {}
        self._settling: dict[str, IDelayedCall] = {}
        self._settled_at: dict[str, float] = {}
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def __len__(self) -> int:
        return len(self._rooms)

    @property
    def participants(self) -> int:
        return sum(len(room.participants) for room in self._rooms.values())

    def get(self, name: str) -> Room | None:
        return self._rooms.get(name)

    def get_or_create(self, name: str, now: float) -> Room:
        room = self._rooms.get(name)
        if room is None:
            room = Room(
                name,
                self._media,
                self._settings,
                self._chance,
                self._events,
                lambda: self._wake(name),
                now,
                self._count,
            )
            self._rooms[name] = room
        return room

    def revoke(self, name: str, identity: str, before: float) -> None:
        """Tokens of this identity for this room that were made until `before` (Unix seconds) are good no more."""
        self._revoked.pop((name, identity), None)
        self._revoked[name, identity] = before
        while len(self._revoked) > MOST_REVOKED:
            del self._revoked[next(iter(self._revoked))]

    def is_revoked(self, name: str, identity: str, made: float) -> bool:
        """Whether a token made at that time has been revoked since."""
        return made <= self._revoked.get((name, identity), -1.0)

    def remove(self, room: Room, reason: DisconnectReason, now: float) -> None:
        """End a room: whoever is in it is sent away."""
        room.end(reason, now)
        self._forget(room, now)

    def startService(self) -> None:
        super().startService()
        self._ticking.start(TICK, now=False).addErrback(
            lambda failure: log.failure("the rooms' clock stopped", failure)
        )

    def stopService(self) -> None:
        """Everyone is told to come back: to this server after a restart, or to where the hub sends them."""
        super().stopService()
        self.closing = True
        if self._ticking.running:
            self._ticking.stop()
        now = self._clock.seconds()
        for room in self:
            for participant in list(room.participants.values()):
                room.dismiss(participant, DisconnectReason.SERVER_SHUTDOWN, now, LeaveRequest.RECONNECT)
            self._forget(room, now)

    def _tick(self) -> None:
        now = self._clock.seconds()
        for room in self:
            self._guarded(room, room.tick, now)
            if room.over(now):
                self._forget(room, now)

    def _wake(self, name: str) -> None:
        if name not in self._settling:
            now = self._clock.seconds()
            delay = max(0.0, self._settled_at.get(name, 0.0) + BATCH - now)
            self._settling[name] = self._clock.callLater(delay, self._settle, name)

    def _settle(self, name: str) -> None:
        self._settling.pop(name, None)
        room = self._rooms.get(name)
        if room is not None:
            now = self._clock.seconds()
            self._settled_at[name] = now
            self._guarded(room, room.settle, now)

    def _guarded(self, room: Room, step: Callable[[float], None], now: float) -> None:
        """A fault of ours in one room must not stop the clock of the others."""
        try:
            step(now)
        except Exception:
            self._count("faults")
            log.failure("room {room} stumbled", room=room.name)

    def _forget(self, room: Room, now: float) -> None:
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self._settled_at.pop(room.name, None)
            waiting = self._settling.pop(room.name, None)
            if waiting is not None:
                waiting.cancel()
            self._events.room_finished(room, now)
