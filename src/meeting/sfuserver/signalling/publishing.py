"""What a participant asks about its own tracks and its own name; each refusal is told with its reason."""

from __future__ import annotations

from livekit.protocol.models import TrackType
from livekit.protocol.rtc import (
    AddTrackRequest,
    MuteTrackRequest,
    RequestResponse,
    SignalResponse,
    TrackPublishedResponse,
    UpdateLocalAudioTrack,
    UpdateLocalVideoTrack,
    UpdateParticipantMetadata,
)

from meeting.sfuserver.room.participant import Participant
from meeting.sfuserver.room.permissions import may_publish
from meeting.sfuserver.room.room import Room
from meeting.sfuserver.room.track import Track, track_info

__all__ = ["add_track", "mute", "update_audio_track", "update_metadata", "update_video_track"]

MAXIMUM_TRACKS = 64
"""Of one participant, announced ones included."""
MAXIMUM_NAME = 512
MAXIMUM_METADATA = 64 * 1024
MAXIMUM_ATTRIBUTES = 64 * 1024


def add_track(room: Room, participant: Participant, request: AddTrackRequest) -> None:
    """Announce a track: it gets its sid now and becomes live with the offer that carries it."""

    def refuse(reason: RequestResponse.Reason, message: str) -> None:
        response = RequestResponse(reason=reason, message=message, add_track=request)
        participant.send(SignalResponse(request_response=response))

    if not may_publish(participant.permission, request.source):
        refuse(RequestResponse.NOT_ALLOWED, "You may not publish this kind of track here.")
    elif request.type not in (TrackType.AUDIO, TrackType.VIDEO):
        refuse(RequestResponse.UNSUPPORTED_TYPE, "Only audio and video tracks can be published.")
    elif len(participant.tracks) + len(participant.upstream.pending) >= MAXIMUM_TRACKS:
        refuse(RequestResponse.LIMIT_EXCEEDED, f"More than {MAXIMUM_TRACKS} tracks.")
    else:
        info = track_info(request, room.new_sid)
        track = Track(request, info, lambda level: room.heard(participant, level), room.unsettled)
        participant.upstream.pending.append(track)
        published = TrackPublishedResponse(cid=request.cid, track=info)
        participant.send(SignalResponse(track_published=published))


def mute(room: Room, participant: Participant, request: MuteTrackRequest) -> None:
    info = participant.published(request.sid)
    if info is None:
        response = RequestResponse(reason=RequestResponse.NOT_FOUND, message="You have no such track.", mute=request)
        participant.send(SignalResponse(request_response=response))
    elif info.muted != request.muted:
        info.muted = request.muted
        room.changed(participant)


def update_metadata(room: Room, participant: Participant, request: UpdateParticipantMetadata) -> None:
    """Its own name, metadata and attributes; always answered, as the client waits for it."""
    size = sum(len(key) + len(value) for key, value in request.attributes.items())
    response = RequestResponse(request_id=request.request_id, update_metadata=request)
    if not participant.permission.can_update_metadata:
        response.reason = RequestResponse.NOT_ALLOWED
        response.message = "You may not change your name, metadata or attributes."
    elif len(request.name) > MAXIMUM_NAME or len(request.metadata) > MAXIMUM_METADATA or size > MAXIMUM_ATTRIBUTES:
        response.reason = RequestResponse.LIMIT_EXCEEDED
        response.message = (
            f"At most {MAXIMUM_NAME} characters of name, {MAXIMUM_METADATA} of metadata, "
            f"{MAXIMUM_ATTRIBUTES} of attributes."
        )
    else:
        response.reason = RequestResponse.OK
        participant.update(name=request.name or None, metadata=request.metadata or None, attributes=request.attributes)
        room.changed(participant)
    participant.send(SignalResponse(request_response=response))


def update_audio_track(room: Room, participant: Participant, request: UpdateLocalAudioTrack) -> None:
    info = participant.published(request.track_sid)
    if info is not None:
        del info.audio_features[:]
        info.audio_features.extend(request.features)
        room.changed(participant)


def update_video_track(room: Room, participant: Participant, request: UpdateLocalVideoTrack) -> None:
    info = participant.published(request.track_sid)
    if info is not None:
        info.width, info.height = request.width, request.height
        room.changed(participant)
