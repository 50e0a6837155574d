"""One socket's worth of a participant's signalling: which request does what, and which are refused.

A table of requests and three states: `joined` while the socket serves a participant of a room, `away` after the socket
was lost (the participant stays for a while; another session takes it over), `left`. Requests outside of
`joined` are late and ignored. No I/O: messages come in with `now` (Unix seconds), answers go to the outbox.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from livekit.protocol.models import DisconnectReason, VideoQuality
from livekit.protocol.rtc import (
    JoinRequest,
    ParticipantUpdate,
    Pong,
    RequestResponse,
    RoomUpdate,
    SessionDescription,
    SignalRequest,
    SignalResponse,
    SubscriptionResponse,
    UpdateTrackSettings,
)

from meeting.sfuserver.negotiation.description import read
from meeting.sfuserver.negotiation.sdp import SdpError
from meeting.sfuserver.room.outgoing import Outbox
from meeting.sfuserver.room.participant import Participant
from meeting.sfuserver.room.permissions import subscription_rules
from meeting.sfuserver.room.room import Room
from meeting.sfuserver.signalling import publishing
from meeting.sfuserver.signalling.greeting import Greeting

__all__ = ["Session", "State"]


class State(enum.Enum):
    JOINED = "joined"
    AWAY = "away"
    LEFT = "left"


class Session:
    """Speaks for one socket; usable once built, after `begin` or `resume` said the first word."""

    def __init__(self, room: Room, participant: Participant, outbox: Outbox, greeting: Greeting) -> None:
        self.room = room
        self.participant = participant
        self.state = State.JOINED
        self._outbox = outbox
        self._greeting = greeting
        participant.outbox = outbox
        participant.away_since = None

    def begin(self, join: JoinRequest, now: float) -> None:
        """The first word of a participant who just joined; what the join request brought along is done at once."""
        self.participant.send(self._greeting.joined(self.room, self.participant, now))
        for told in self.room.moment():
            self.participant.send(told)
        for request in join.add_track_requests:
            publishing.add_track(self.room, self.participant, request)
        if join.HasField("publisher_offer"):
            self._offer(join.publisher_offer, now)
        self.participant.downstream.negotiate(now)

    def resume(self, join: JoinRequest, now: float) -> None:
        """The first word to one who came back: everything it may have missed, and new ways for its media."""
        participant = self.participant
        participant.send(self._greeting.resumed(self.room, participant, now))
        everyone = [participant.info(), *self.room.others(participant)]
        participant.send(SignalResponse(update=ParticipantUpdate(participants=everyone)))
        participant.send(SignalResponse(room_update=RoomUpdate(room=self.room.info())))
        if join.HasField("publisher_offer"):
            self._offer(join.publisher_offer, now)
        if participant.offered is not None:
            participant.offered.restart()
        participant.downstream.negotiate(now)

    def request(self, request: SignalRequest, now: float) -> None:
        """One message of the client's."""
        if self.state is not State.JOINED or self.participant.outbox is not self._outbox:
            return
        name = request.WhichOneof("message")
        if name is not None and name in REQUESTS:
            REQUESTS[name](self, request, now)

    def socket_lost(self, now: float, *, for_good: bool) -> None:
        """The socket is gone. `for_good`: the page went away, nobody will come back on another socket."""
        if self.state is not State.JOINED or self.participant.outbox is not self._outbox:
            return
        self.participant.outbox = None
        if for_good or self.participant.lost_link:
            self.state = State.LEFT
            self.room.leave(self.participant, DisconnectReason.CLIENT_INITIATED, now)
        else:
            self.state = State.AWAY
            self.participant.away_since = now

    # Negotiation

    def _offer(self, message: SessionDescription, now: float) -> None:
        participant = self.participant
        try:
            text, changes = participant.answer(read(message.sdp))
        except SdpError as error:
            self._refuse(f"The offer cannot be used: {error}")
            return
        tracks = participant.slots.tracks if participant.slots is not None else {}
        answer = SessionDescription(type="answer", sdp=text, id=message.id, mid_to_track_id=tracks)
        participant.send(SignalResponse(answer=answer))
        for track in changes.ended:
            self.room.unpublish(participant, track, now)
        for track in changes.published:
            self.room.publish(participant, track, now)
        participant.downstream.negotiate(now)

    def _on_offer(self, request: SignalRequest, now: float) -> None:
        self._offer(request.offer, now)

    def _on_answer(self, request: SignalRequest, now: float) -> None:
        if self.participant.offered is None:
            self._refuse("Nothing was offered here; with /rtc/v1 the client offers.")
            return
        try:
            self.participant.offered.answered(read(request.answer.sdp), request.answer.id, now)
        except SdpError as error:
            self._refuse(f"The answer cannot be used: {error}")

    # Subscribing

    def _on_subscription(self, request: SignalRequest, now: float) -> None:
        wish = request.subscription
        sids = [*wish.track_sids, *(sid for entry in wish.participant_tracks for sid in entry.track_sids)]
        for unknown in self.room.subscribe(self.participant, sids, wish.subscribe):
            if wish.subscribe:
                response = SubscriptionResponse(track_sid=unknown, err="SE_TRACK_NOTFOUND")
                self.participant.send(SignalResponse(subscription_response=response))

    def _on_track_setting(self, request: SignalRequest, now: float) -> None:
        for sid in request.track_setting.track_sids:
            subscription = self.participant.subscriptions.get(sid)
            if subscription is not None:
                subscription.adjust(request.track_setting)

    def _on_subscription_permission(self, request: SignalRequest, now: float) -> None:
        self.room.set_rules(self.participant, subscription_rules(request.subscription_permission))

    def _on_sync_state(self, request: SignalRequest, now: float) -> None:
        """After a resume, what the client believes: its wishes may have changed while it was away."""
        state = request.sync_state
        sids = [
            *state.subscription.track_sids,
            *(sid for entry in state.subscription.participant_tracks for sid in entry.track_sids),
        ]
        known = [sid for sid in sids if self.room.publisher_of(sid) is not None]
        self.room.subscribe(self.participant, known, state.subscription.subscribe)
        disabled = set(state.track_sids_disabled)
        for sid, subscription in self.participant.subscriptions.items():
            if subscription.paused != (sid in disabled):
                settings = UpdateTrackSettings(disabled=sid in disabled, quality=VideoQuality.HIGH)
                subscription.adjust(settings)

    # The rest

    def _on_leave(self, request: SignalRequest, now: float) -> None:
        self.state = State.LEFT
        self.participant.outbox = None
        self._outbox.close("the client left")
        self.room.leave(self.participant, DisconnectReason.CLIENT_INITIATED, now)

    def _on_ping(self, request: SignalRequest, now: float) -> None:
        self.participant.send(SignalResponse(pong=int(now * 1000)))

    def _on_ping_req(self, request: SignalRequest, now: float) -> None:
        milliseconds = int(now * 1000)
        self.participant.send(SignalResponse(pong=milliseconds))
        pong = Pong(last_ping_timestamp=request.ping_req.timestamp, timestamp=milliseconds)
        self.participant.send(SignalResponse(pong_resp=pong))

    def _on_add_track(self, request: SignalRequest, now: float) -> None:
        publishing.add_track(self.room, self.participant, request.add_track)

    def _on_mute(self, request: SignalRequest, now: float) -> None:
        publishing.mute(self.room, self.participant, request.mute)

    def _on_update_metadata(self, request: SignalRequest, now: float) -> None:
        publishing.update_metadata(self.room, self.participant, request.update_metadata)

    def _on_update_audio_track(self, request: SignalRequest, now: float) -> None:
        publishing.update_audio_track(self.room, self.participant, request.update_audio_track)

    def _on_update_video_track(self, request: SignalRequest, now: float) -> None:
        publishing.update_video_track(self.room, self.participant, request.update_video_track)

    def _on_publish_data_track(self, request: SignalRequest, now: float) -> None:
        response = RequestResponse(
            reason=RequestResponse.UNSUPPORTED_TYPE,
            message="This server has no data tracks; send data packets instead.",
            publish_data_track=request.publish_data_track_request,
        )
        self.participant.send(SignalResponse(request_response=response))

    def _accept(self, request: SignalRequest, now: float) -> None:
        """Nothing to do: we are ICE-lite (trickle), forward one layer (update_layers)."""

    def _refuse(self, why: str) -> None:
        response = RequestResponse(reason=RequestResponse.INVALID_REQUEST, message=why)
        self.participant.send(SignalResponse(request_response=response))


REQUESTS: dict[str, Callable[[Session, SignalRequest, float], None]] = {
    "offer": Session._on_offer,
    "answer": Session._on_answer,
    "trickle": Session._accept,
    "add_track": Session._on_add_track,
    "mute": Session._on_mute,
    "subscription": Session._on_subscription,
    "track_setting": Session._on_track_setting,
    "leave": Session._on_leave,
    "update_layers": Session._accept,
    "subscription_permission": Session._on_subscription_permission,
    "sync_state": Session._on_sync_state,
    "ping": Session._on_ping,
    "ping_req": Session._on_ping_req,
    "update_metadata": Session._on_update_metadata,
    "update_audio_track": Session._on_update_audio_track,
    "update_video_track": Session._on_update_video_track,
    "publish_data_track_request": Session._on_publish_data_track,
}
