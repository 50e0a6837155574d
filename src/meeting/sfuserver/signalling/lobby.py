"""From an admission to a session: a new participant, one who comes back, or one who has to join anew."""

from __future__ import annotations

from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest

from meeting.dataplane.errors import LimitReached
from meeting.sfuserver.room.outgoing import Outbox, Outgoing
from meeting.sfuserver.room.room import leave_request
from meeting.sfuserver.room.rooms import Rooms
from meeting.sfuserver.signalling.admission import Admission
from meeting.sfuserver.signalling.greeting import Greeting
from meeting.sfuserver.signalling.session import Session

__all__ = ["Lobby"]


class Lobby:
    """Where sockets become sessions."""

    def __init__(self, rooms: Rooms, greeting: Greeting) -> None:
        self._rooms = rooms
        self._greeting = greeting

    def enter(self, admission: Admission, outbox: Outbox, now: float) -> Session | None:
        """A session that has said its first word; None if that was goodbye."""
        if self._rooms.is_revoked(admission.room, admission.who.identity, admission.made):
            self._turn_away(outbox, DisconnectReason.PARTICIPANT_REMOVED, LeaveRequest.DISCONNECT)
            return None
        if admission.join.reconnect:
            return self._return(admission, outbox, now)
        if self._rooms.closing:
            self._turn_away(outbox, DisconnectReason.SERVER_SHUTDOWN, LeaveRequest.RECONNECT)
            return None
        room = self._rooms.get_or_create(admission.room, now)
        try:
            participant = room.join(admission.who, now)
        except LimitReached:
            self._turn_away(outbox, DisconnectReason.JOIN_FAILURE, LeaveRequest.DISCONNECT)
            return None
        session = Session(room, participant, outbox, self._greeting)
        session.begin(admission.join, now)
        return session

    def _return(self, admission: Admission, outbox: Outbox, now: float) -> Session | None:
        """The same participant on another socket, if it is still here with its media; else it has to join anew."""
        room = self._rooms.get(admission.room)
        participant = room.participants.get(admission.who.identity) if room is not None else None
        if room is None or participant is None or participant.sid != admission.join.participant_sid:
            self._turn_away(outbox, DisconnectReason.STATE_MISMATCH, LeaveRequest.RECONNECT)
            return None
        if participant.lost_link or participant.who.single_connection != admission.who.single_connection:
            room.leave(participant, DisconnectReason.STATE_MISMATCH, now)
            self._turn_away(outbox, DisconnectReason.STATE_MISMATCH, LeaveRequest.RECONNECT)
            return None
        if participant.outbox is not None:
            participant.outbox.close("the participant came back on another socket")
        session = Session(room, participant, outbox, self._greeting)
        session.resume(admission.join, now)
        return session

    def _turn_away(self, outbox: Outbox, reason: DisconnectReason, action: LeaveRequest.Action) -> None:
        outbox.send(Outgoing(leave_request(reason, action)))
        outbox.close(DisconnectReason.Name(reason))
