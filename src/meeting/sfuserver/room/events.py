"""What a room tells the world: the hub's webhooks, the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from meeting.sfuserver.room.participant import Participant
    from meeting.sfuserver.room.room import Room
    from meeting.sfuserver.room.track import Track

__all__ = ["RoomEvents"]


class RoomEvents(Protocol):
    """All calls return at once; `now` is Unix seconds."""

    def room_started(self, room: Room, now: float) -> None: ...
    def room_finished(self, room: Room, now: float) -> None: ...
    def participant_joined(self, room: Room, participant: Participant, now: float) -> None: ...
    def participant_left(self, room: Room, participant: Participant, now: float) -> None: ...
    def track_published(self, room: Room, participant: Participant, track: Track, now: float) -> None: ...
    def track_unpublished(self, room: Room, participant: Participant, track: Track, now: float) -> None: ...
    def link_lost(self, room: Room, participant: Participant, reason: str) -> None: ...
