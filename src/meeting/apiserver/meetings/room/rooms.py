"""The rooms on their sfuservers, by LiveKit's RoomService: what is done to those who are in one.

Each call has a deadline. What cannot be done now is not lost: it stands in the database, and `alignment.py` brings a
room in line with it again whenever somebody comes in.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from livekit.protocol.models import DataPacket, ParticipantInfo, ParticipantPermission
from livekit.protocol.models import Room as RoomInfo
from livekit.protocol.room import (
    DeleteRoomRequest,
    DeleteRoomResponse,
    ListParticipantsRequest,
    ListParticipantsResponse,
    MuteRoomTrackRequest,
    MuteRoomTrackResponse,
    RemoveParticipantResponse,
    RoomParticipantIdentity,
    SendDataRequest,
    SendDataResponse,
    UpdateParticipantRequest,
    UpdateRoomMetadataRequest,
)
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from meeting.apiserver.allocation.use_cases import Allocation
from meeting.apiserver.meetings.queries import Meeting
from meeting.daemon.client import Unreachable
from meeting.daemon.secret import AccessClaims, Secret, mint_access_token

#: Seconds for the sfuserver to answer one call.
TIMEOUT = 5.0
#: A list of a thousand people with all their tracks is below this.
LARGEST_ANSWER = 4 << 20

Answer = TypeVar("Answer", bound=Message)


class NotInTheRoom(Unreachable):
    """The room, the participant or the track is not there (any more)."""

    status = 404
    problem = "not-in-the-room"
    title = "Nobody of this identity is in the meeting."


class Rooms:
    """The rooms, on whichever sfuserver they are."""

    log = Logger()

    def __init__(self, agent: IAgent, clock: IReactorTime, secret: Secret, allocation: Allocation) -> None:
        self._treq = HTTPClient(agent)
        self._clock = clock
        self._secret = secret
        self._allocation = allocation

    async def open(self, meeting_id: str) -> "OpenRoom | None":
        """A meeting's room; None while no sfuserver was ever asked to serve it."""
        sfu = await self._allocation.current(meeting_id)
        return None if sfu is None else OpenRoom(self, sfu.url, meeting_id)

    async def close(self, of: Meeting) -> None:
        """Send everyone out of a meeting's room. Best effort: the meeting is over in the database in any case."""
        room = await self.open(of.id)
        if room is None:
            return
        try:
            await room.close()
        except NotInTheRoom:
            pass  # nobody was in it
        except Unreachable as error:
            self.log.warn("room {room} could not be closed: {error}", room=of.id, error=error.detail)

    async def call(self, url: str, room: str, method: str, request: Message, answer: type[Answer]) -> Answer:
        """One call of RoomService. Raises NotInTheRoom, Unreachable."""
        exchange = Deferred.fromCoroutine(self._exchange(f"{url}/twirp/livekit.RoomService/{method}", room, request))
        late = self._clock.callLater(TIMEOUT, exchange.cancel)
        try:
            status, body = await exchange
        except CancelledError:
            raise Unreachable(f"The media server did not answer within {TIMEOUT:g} s.") from None
        except Exception as error:  # whatever the network has in store
            self.log.warn("{method} at {url}: {error}", method=method, url=url, error=type(error).__name__)
            raise Unreachable("The media server cannot be reached.") from error
        finally:
            if late.active():
                late.cancel()
        if status == 404:
            raise NotInTheRoom()
        if status != 200:
            self.log.warn("{method} at {url}: HTTP {status}", method=method, url=url, status=status)
            raise Unreachable("The media server refused.")
        try:
            return answer.FromString(body)
        except DecodeError as error:
            raise Unreachable("The media server answered with something else.") from error

    async def _exchange(self, url: str, room: str, request: Message) -> tuple[int, bytes]:
        claims = AccessClaims(
            identity="apiserver",
            room=room,
            grants={"roomCreate": True, "roomAdmin": True},
            expires_at=int(self._clock.seconds()) + 60,
        )
        headers: dict[bytes | str, bytes | str] = {
            "Authorization": f"Bearer {mint_access_token(self._secret, claims)}",
            "Content-Type": "application/protobuf",
        }
        response = await self._treq.post(url, headers=headers, data=request.SerializeToString(), allow_redirects=False)
        body = bytearray()

        def collect(data: bytes) -> None:
            body.extend(data)
            if len(body) > LARGEST_ANSWER:
                raise ValueError("the answer is too long")

        await response.collect(collect)
        return int(response.code), bytes(body)


class OpenRoom:
    """One room. What is not there any more raises NotInTheRoom, a server that does not answer Unreachable."""

    def __init__(self, rooms: Rooms, url: str, name: str) -> None:
        self._rooms = rooms
        self._url = url
        self._name = name

    async def close(self) -> None:
        """Send everyone out."""
        await self._call("DeleteRoom", DeleteRoomRequest(room=self._name), DeleteRoomResponse)

    async def participants(self) -> list[ParticipantInfo]:
        """Everyone who is there; nobody, where there is no room."""
        request = ListParticipantsRequest(room=self._name)
        try:
            answer = await self._call("ListParticipants", request, ListParticipantsResponse)
        except NotInTheRoom:
            return []
        return list(answer.participants)

    async def participant(self, identity: str) -> ParticipantInfo:
        """One of them."""
        request = RoomParticipantIdentity(room=self._name, identity=identity)
        return await self._call("GetParticipant", request, ParticipantInfo)

    async def update(
        self, identity: str, attributes: Mapping[str, str], permission: ParticipantPermission | None = None
    ) -> None:
        """Change what everybody sees of a participant, and what they may do. An empty attribute goes away."""
        request = UpdateParticipantRequest(room=self._name, identity=identity, attributes=attributes)
        if permission is not None:
            request.permission.CopyFrom(permission)
        await self._call("UpdateParticipant", request, ParticipantInfo)

    async def mute(self, identity: str, track_sid: str) -> None:
        """Mute one track. Nobody's track is unmuted by others."""
        request = MuteRoomTrackRequest(room=self._name, identity=identity, track_sid=track_sid, muted=True)
        await self._call("MutePublishedTrack", request, MuteRoomTrackResponse)

    async def remove(self, identity: str, tokens_before: int) -> None:
        """Send somebody away; their tokens from before this time (Unix seconds) are good no more."""
        request = RoomParticipantIdentity(room=self._name, identity=identity, revoke_token_ts=tokens_before)
        await self._call("RemoveParticipant", request, RemoveParticipantResponse)

    async def set_metadata(self, metadata: str) -> None:
        """What everybody, also those who come later, is told of the room."""
        await self._call("UpdateRoomMetadata", UpdateRoomMetadataRequest(room=self._name, metadata=metadata), RoomInfo)

    async def send(self, data: bytes, topic: str, identities: Sequence[str]) -> None:
        """Data from the server itself; nobody in the room can make such a packet."""
        request = SendDataRequest(room=self._name, data=data, kind=DataPacket.RELIABLE, topic=topic)
        request.destination_identities.extend(identities)
        await self._call("SendData", request, SendDataResponse)

    async def _call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        return await self._rooms.call(self._url, self._name, method, request, answer)
