"""What the server API does: look into rooms, mute, send data, remove, end (livekit.RoomService)."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message
from livekit.protocol.models import DataPacket, DisconnectReason, ParticipantInfo, UserPacket
from livekit.protocol.models import Room as RoomInfo
from livekit.protocol.room import (
    CreateRoomRequest,
    DeleteRoomRequest,
    DeleteRoomResponse,
    ListParticipantsRequest,
    ListParticipantsResponse,
    ListRoomsRequest,
    ListRoomsResponse,
    MuteRoomTrackRequest,
    MuteRoomTrackResponse,
    RemoveParticipantResponse,
    RoomParticipantIdentity,
    SendDataRequest,
    SendDataResponse,
    UpdateParticipantRequest,
    UpdateRoomMetadataRequest,
)
from livekit.protocol.rtc import MuteTrackRequest, SignalResponse

from meeting.sfuserver.room.participant import Participant
from meeting.sfuserver.room.room import Room
from meeting.sfuserver.room.rooms import Rooms
from meeting.sfuserver.signalling.twirp import Method, TwirpError

__all__ = ["SERVICE", "RoomService"]

SERVICE = "livekit.RoomService"


class RoomService:
    """The methods, by name, in `methods`."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self.methods: Mapping[str, Method] = {
            "CreateRoom": Method(CreateRoomRequest, "roomCreate", self._create_room),
            "DeleteRoom": Method(DeleteRoomRequest, "roomCreate", self._delete_room),
            "ListRooms": Method(ListRoomsRequest, "roomList", self._list_rooms),
            "ListParticipants": Method(ListParticipantsRequest, "roomAdmin", self._list_participants),
            "GetParticipant": Method(RoomParticipantIdentity, "roomAdmin", self._get_participant),
            "RemoveParticipant": Method(RoomParticipantIdentity, "roomAdmin", self._remove_participant),
            "MutePublishedTrack": Method(MuteRoomTrackRequest, "roomAdmin", self._mute_published_track),
            "UpdateParticipant": Method(UpdateParticipantRequest, "roomAdmin", self._update_participant),
            "UpdateRoomMetadata": Method(UpdateRoomMetadataRequest, "roomAdmin", self._update_room_metadata),
            "SendData": Method(SendDataRequest, "roomAdmin", self._send_data),
        }

    def _create_room(self, request: CreateRoomRequest, now: float) -> Message:
        if not request.name:
            raise TwirpError("invalid_argument", "A room needs a name.")
        room = self._rooms.get_or_create(request.name, now)
        if request.metadata:
            room.set_metadata(request.metadata)
        return room.info()

    def _delete_room(self, request: DeleteRoomRequest, now: float) -> Message:
        self._rooms.remove(self._room(request.room), DisconnectReason.ROOM_DELETED, now)
        return DeleteRoomResponse()

    def _list_rooms(self, request: ListRoomsRequest, now: float) -> Message:
        wanted = set(request.names)
        rooms: list[RoomInfo] = [room.info() for room in self._rooms if not wanted or room.name in wanted]
        return ListRoomsResponse(rooms=rooms)

    def _list_participants(self, request: ListParticipantsRequest, now: float) -> Message:
        participants = self._room(request.room).participants.values()
        return ListParticipantsResponse(participants=[participant.info() for participant in participants])

    def _get_participant(self, request: RoomParticipantIdentity, now: float) -> Message:
        return self._participant(request.room, request.identity).info()

    def _remove_participant(self, request: RoomParticipantIdentity, now: float) -> Message:
        if request.revoke_token_ts > 0:
            self._rooms.revoke(request.room, request.identity, request.revoke_token_ts)
        participant = self._participant(request.room, request.identity)
        self._room(request.room).dismiss(participant, DisconnectReason.PARTICIPANT_REMOVED, now)
        return RemoveParticipantResponse()

    def _mute_published_track(self, request: MuteRoomTrackRequest, now: float) -> Message:
        participant = self._participant(request.room, request.identity)
        info = participant.published(request.track_sid)
        if info is None:
            raise TwirpError("not_found", "There is no such track.")
        if not request.muted and info.muted:
            raise TwirpError("failed_precondition", "Nobody's microphone or camera is switched on by others.")
        if request.muted and not info.muted:
            info.muted = True
            participant.send(SignalResponse(mute=MuteTrackRequest(sid=info.sid, muted=True)))
            self._room(request.room).changed(participant)
        return MuteRoomTrackResponse(track=info)

    def _update_participant(self, request: UpdateParticipantRequest, now: float) -> Message:
        room, participant = self._room(request.room), self._participant(request.room, request.identity)
        participant.update(name=request.name or None, metadata=request.metadata or None, attributes=request.attributes)
        if request.HasField("permission"):
            participant.permission.CopyFrom(request.permission)
            room.permission_changed(participant, now)
        room.changed(participant)
        answer = ParticipantInfo()
        answer.CopyFrom(participant.info())
        return answer

    def _update_room_metadata(self, request: UpdateRoomMetadataRequest, now: float) -> Message:
        room = self._room(request.room)
        room.set_metadata(request.metadata)
        return room.info()

    def _send_data(self, request: SendDataRequest, now: float) -> Message:
        packet = DataPacket(
            kind=request.kind,
            destination_identities=request.destination_identities,
            user=UserPacket(
                payload=request.data,
                destination_sids=request.destination_sids,
                destination_identities=request.destination_identities,
                nonce=request.nonce,
            ),
        )
        if request.HasField("topic"):
            packet.user.topic = request.topic
        label = "_reliable" if request.kind == DataPacket.RELIABLE else "_lossy"
        self._room(request.room).send_data(packet, label)
        return SendDataResponse()

    def _room(self, name: str) -> Room:
        room = self._rooms.get(name)
        if room is None:
            raise TwirpError("not_found", "The requested room does not exist.")
        return room

    def _participant(self, room: str, identity: str) -> Participant:
        participant = self._room(room).participants.get(identity)
        if participant is None:
            raise TwirpError("not_found", "The participant is not in the room.")
        return participant
