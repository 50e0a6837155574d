"""A sfuserver's RoomService in memory, behind a hub's agent: who is in a room, and what was done to them."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from livekit.protocol import room as calls
from livekit.protocol.models import ParticipantInfo, ParticipantPermission, TrackInfo, TrackSource
from livekit.protocol.models import Room as RoomInfo

from tests.support.hub import Hub

SOURCES = {
    "microphone": TrackSource.MICROPHONE,
    "camera": TrackSource.CAMERA,
    "screen": TrackSource.SCREEN_SHARE,
}


class FakeRoom:
    """The room of one meeting. `diary`: what was asked, without the questions."""

    def __init__(self, hub: Hub, sfu: str, name: str) -> None:
        self.name = name
        self.participants: dict[str, ParticipantInfo] = {}
        self.metadata = ""
        self.sent: list[calls.SendDataRequest] = []
        self.removed: list[calls.RoomParticipantIdentity] = []
        self.diary: list[str] = []
        self.closed = False
        requests: dict[str, tuple[type[Message], Callable[[Any], Message | None]]] = {
            "DeleteRoom": (calls.DeleteRoomRequest, self._delete),
            "ListParticipants": (calls.ListParticipantsRequest, self._list),
            "GetParticipant": (calls.RoomParticipantIdentity, lambda asked: self.participants.get(asked.identity)),
            "RemoveParticipant": (calls.RoomParticipantIdentity, self._remove),
            "MutePublishedTrack": (calls.MuteRoomTrackRequest, self._mute),
            "UpdateParticipant": (calls.UpdateParticipantRequest, self._update),
            "UpdateRoomMetadata": (calls.UpdateRoomMetadataRequest, self._set_metadata),
            "SendData": (calls.SendDataRequest, self._send),
        }

        def serve(method: str, kind: type[Message], do: Callable[[Any], Message | None]) -> None:
            def answer(body: bytes) -> tuple[int, bytes]:
                asked = kind.FromString(body)
                assert asked.room == self.name  # type: ignore[attr-defined]
                done = do(asked)
                if method not in ("ListParticipants", "GetParticipant"):
                    self.diary.append(method)
                return (404, b"{}") if done is None else (200, done.SerializeToString())

            hub.agent.services[f"https://{sfu.removesuffix(':443')}/twirp/livekit.RoomService/{method}"] = answer

        for method, (kind, do) in requests.items():
            serve(method, kind, do)

    def enter(self, joined: dict[str, Any], *sources: str, grants: dict[str, Any]) -> ParticipantInfo:
        """Somebody with an answer of the hub to joining comes in and publishes."""
        info = ParticipantInfo(
            sid=f"PA_{len(self.participants)}",
            identity=joined["identity"],
            name=joined["name"],
            attributes=grants.get("attributes", {}),
            permission=ParticipantPermission(
                can_subscribe=True,
                can_publish=grants.get("canPublish", True),
                can_publish_data=grants.get("canPublishData", True),
                can_publish_sources=[name.upper() for name in grants.get("canPublishSources", ())],
            ),
        )
        for source in sources:
            info.tracks.append(TrackInfo(sid=f"TR_{source}_{info.sid}", source=SOURCES[source]))
        self.participants[info.identity] = info
        return info

    def muted(self, identity: str) -> set[str]:
        """Which of somebody's sources are muted."""
        names = {value: name for name, value in SOURCES.items()}
        return {names[track.source] for track in self.participants[identity].tracks if track.muted}

    def _delete(self, asked: calls.DeleteRoomRequest) -> Message:
        self.participants.clear()
        self.closed = True
        return calls.DeleteRoomResponse()

    def _list(self, asked: calls.ListParticipantsRequest) -> Message:
        return calls.ListParticipantsResponse(participants=self.participants.values())

    def _remove(self, asked: calls.RoomParticipantIdentity) -> Message | None:
        self.removed.append(asked)
        return None if self.participants.pop(asked.identity, None) is None else calls.RemoveParticipantResponse()

    def _mute(self, asked: calls.MuteRoomTrackRequest) -> Message | None:
        info = self.participants.get(asked.identity)
        for track in info.tracks if info is not None else ():
            if track.sid == asked.track_sid:
                track.muted = asked.muted
                return calls.MuteRoomTrackResponse(track=track)
        return None

    def _update(self, asked: calls.UpdateParticipantRequest) -> Message | None:
        info = self.participants.get(asked.identity)
        if info is None:
            return None
        for name, value in asked.attributes.items():
            if value:
                info.attributes[name] = value
            else:
                info.attributes.pop(name, None)
        if asked.HasField("permission"):
            info.permission.CopyFrom(asked.permission)
            allowed = asked.permission.can_publish_sources
            kept = [track for track in info.tracks if not allowed or track.source in allowed]
            del info.tracks[:]
            info.tracks.extend(kept)
        return info

    def _set_metadata(self, asked: calls.UpdateRoomMetadataRequest) -> Message:
        self.metadata = asked.metadata
        return RoomInfo(name=self.name, metadata=asked.metadata)

    def _send(self, asked: calls.SendDataRequest) -> Message:
        self.sent.append(asked)
        return calls.SendDataResponse()
