"""What the server shows of itself: its load for the hub, its rooms for an administrator."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from meeting.sfuserver.room.layers import HIGHEST
from meeting.sfuserver.room.media import Media
from meeting.sfuserver.room.participant import Participant
from meeting.sfuserver.room.rooms import Rooms

__all__ = ["Load", "dump"]


class Load:
    """0…1: the share of the machine's processors this process used since last asked, or how full it is, if more."""

    def __init__(
        self,
        clock: IReactorTime,
        processors: int,
        fullness: Callable[[], float],
        used: Callable[[], float] = time.process_time,
    ) -> None:
        """`used`: CPU seconds of this process, all threads."""
        self._clock = clock
        self._processors = processors
        self._fullness = fullness
        self._used = used
        self._then = (clock.seconds(), used())

    def now(self) -> float:
        seconds, used = self._clock.seconds(), self._used()
        passed = seconds - self._then[0]
        share = (used - self._then[1]) / passed / self._processors if passed > 0 else 0.0
        self._then = (seconds, used)
        return round(min(1.0, max(0.0, share, self._fullness())), 3)


def dump(rooms: Rooms, media: Media) -> dict[str, Any]:
    """Everything an administrator may want to look at; no token, no metadata, no text that people wrote."""
    return {
        "addresses": [" ".join(map(str, candidate)) for candidate in media.candidates],
        "links": media.links,
        "rooms": {
            room.name: {
                "sid": room.sid,
                "participants": {
                    participant.identity: _participant(participant) for participant in room.participants.values()
                },
            }
            for room in rooms
        },
        "data_plane": media.port.statistics().as_json(),
    }


def _participant(participant: Participant) -> dict[str, Any]:
    return {
        "sid": participant.sid,
        "connections": 1 if participant.who.single_connection else 2,
        "active": participant.active,
        "away_since": participant.away_since,
        "client": f"{participant.who.client.sdk} {participant.who.client.version}",
        "tracks": {
            track.sid: {
                "mime": track.info.mime_type,
                "muted": track.info.muted,
                "subscribers": len(track.subscriptions),
                "flows": bool(track.encodings(HIGHEST)),
                "needed": track.demand.highest,
            }
            for track in participant.tracks.values()
        },
        "subscriptions": {
            sid: {"bound": subscription.sink is not None, "starved": subscription.starved}
            for sid, subscription in participant.subscriptions.items()
        },
    }
