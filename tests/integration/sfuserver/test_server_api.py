"""LiveKit's server API over HTTP: what each grant opens, and the no without it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import treq
from livekit import api
from livekit.protocol.models import DataPacket, DisconnectReason
from livekit.protocol.room import ListRoomsRequest, ListRoomsResponse
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers

from meeting.daemon.secret import Secret
from tests.integration.sfuserver.servers import SECRET, RunningServer, token
from tests.integration.sfuserver.sockets import Socket, connect
from tests.support.deadlines import deadline
from tests.unit.sfuserver.fakes import FakeLink


def headers(content_type: str, authorization: str) -> Headers:
    return Headers({"Content-Type": [content_type], "Authorization": [authorization]})


async def call(
    server: RunningServer, method: str, body: dict[str, Any], *grants: str, room: str = "standup"
) -> tuple[int, Any]:
    """One call in JSON: (status, answer)."""
    response = await treq.post(
        f"http://{server.address}/twirp/livekit.RoomService/{method}",
        data=json.dumps(body).encode(),
        headers=headers("application/json", f"Bearer {token('anna', *grants, room=room)}"),
        persistent=False,
    )
    return response.code, await response.json()


async def joined(server: RunningServer, identity: str = "anna") -> Socket:
    socket = await connect(server.address, f"/rtc?access_token={token(identity)}")
    await socket.first("join")
    return socket


async def gone(*sockets: Socket) -> None:
    for socket in sockets:
        socket.dropConnection(abort=True)
        await socket.until(lambda socket=socket: socket.closed is not None)  # type: ignore[misc]


CALLS = {
    "CreateRoom": ({"name": "new"}, "roomCreate"),
    "DeleteRoom": ({"room": "standup"}, "roomCreate"),
    "ListRooms": ({}, "roomList"),
    "ListParticipants": ({"room": "standup"}, "roomAdmin"),
    "GetParticipant": ({"room": "standup", "identity": "anna"}, "roomAdmin"),
    "RemoveParticipant": ({"room": "standup", "identity": "anna"}, "roomAdmin"),
    "UpdateParticipant": ({"room": "standup", "identity": "anna", "name": "Anne"}, "roomAdmin"),
    "UpdateRoomMetadata": ({"room": "standup", "metadata": "m"}, "roomAdmin"),
    "SendData": ({"room": "standup", "data": "aGk="}, "roomAdmin"),
}
GRANTS = ("roomCreate", "roomList", "roomAdmin", "roomJoin")


@pytest.mark.parametrize("method", CALLS)
@deadline(20)
async def test_a_method_needs_its_own_grant(server: RunningServer, method: str) -> None:
    body, grant = CALLS[method]
    anna = await joined(server)
    for other in GRANTS:
        if other != grant:
            status, answer = await call(server, method, body, other)
            assert (status, answer["code"]) == (403, "permission_denied")
    if grant == "roomAdmin":
        status, answer = await call(server, method, body, grant, room="another")
        assert (status, answer["code"]) == (403, "permission_denied")
    assert (await call(server, method, body, grant))[0] == 200
    await gone(anna)


@deadline(10)
async def test_muting_needs_the_grant_too_and_nobody_is_unmuted(server: RunningServer) -> None:
    anna = await joined(server)
    anna.ask(add_track={"cid": "mic", "type": "AUDIO", "source": "MICROPHONE"})
    sid = (await anna.first("track_published")).track.sid
    body = {"room": "standup", "identity": "anna", "track_sid": sid, "muted": True}
    assert (await call(server, "MutePublishedTrack", body, "roomJoin"))[0] == 403
    status, answer = await call(server, "MutePublishedTrack", body, "roomAdmin")
    assert status == 200 and answer["track"]["muted"] is True
    mute = await anna.first("mute")
    assert (mute.sid, mute.muted) == (sid, True)
    status, answer = await call(server, "MutePublishedTrack", {**body, "muted": False}, "roomAdmin")
    assert answer["code"] == "failed_precondition"
    await gone(anna)


@deadline(10)
async def test_one_who_is_removed_is_told_and_does_not_come_back(server: RunningServer) -> None:
    anna = await joined(server)
    await call(server, "RemoveParticipant", {"room": "standup", "identity": "anna"}, "roomAdmin")
    leave = await anna.first("leave")
    assert leave.reason == DisconnectReason.PARTICIPANT_REMOVED
    assert not leave.can_reconnect
    await anna.until(lambda: anna.closed is not None)


@deadline(10)
async def test_deleting_a_room_sends_everyone_away(server: RunningServer) -> None:
    anna, bert = await joined(server), await joined(server, "bert")
    await call(server, "DeleteRoom", {"room": "standup"}, "roomCreate")
    for socket in (anna, bert):
        assert (await socket.first("leave")).reason == DisconnectReason.ROOM_DELETED
        await socket.until(lambda socket=socket: socket.closed is not None)  # type: ignore[misc]
    assert len(server.server.rooms) == 0


@deadline(10)
async def test_data_from_the_server_has_no_sender(server: RunningServer) -> None:
    anna = await joined(server)
    await call(server, "SendData", {"room": "standup", "data": "aGk=", "kind": "RELIABLE", "topic": "t"}, "roomAdmin")
    link = server.server.rooms.get("standup").participants["anna"].sending.link  # type: ignore[union-attr]
    assert isinstance(link, FakeLink)
    ((label, data),) = link.sent
    packet = DataPacket.FromString(data)
    assert (label, packet.user.payload, packet.user.topic) == ("_reliable", b"hi", "t")
    assert packet.participant_identity == ""
    await gone(anna)


@deadline(10)
async def test_a_permission_that_is_taken_takes_the_tracks_with_it(server: RunningServer) -> None:
    anna = await joined(server)
    anna.ask(add_track={"cid": "mic", "type": "AUDIO", "source": "MICROPHONE"})
    sid = (await anna.first("track_published")).track.sid
    body = {"room": "standup", "identity": "anna", "permission": {"can_subscribe": True}}
    status, answer = await call(server, "UpdateParticipant", body, "roomAdmin")
    assert status == 200 and not answer["permission"].get("can_publish")
    assert (await anna.first("track_unpublished")).track_sid == sid
    anna.ask(add_track={"cid": "mic2", "type": "AUDIO", "source": "MICROPHONE"})
    assert (await anna.first("request_response")).add_track.cid == "mic2"
    await gone(anna)


@deadline(10)
async def test_what_is_not_there_is_not_found(server: RunningServer) -> None:
    status, answer = await call(server, "ListParticipants", {"room": "none"}, "roomAdmin", room="none")
    assert (status, answer["code"]) == (404, "not_found")
    status, answer = await call(server, "Explode", {}, "roomAdmin")
    assert (status, answer["code"]) == (404, "bad_route")


@pytest.mark.parametrize(
    ("body", "content_type", "authorization", "code"),
    [
        (b"{", "application/json", None, "malformed"),
        (b"\xff\xff", "application/protobuf", None, "malformed"),
        (b"{}", "text/plain", None, "malformed"),
        (b"{}", "application/json", "Bearer x.y.z", "unauthenticated"),
        (b"{}", "application/json", "Basic abc", "unauthenticated"),
    ],
)
@deadline(10)
async def test_bad_calls_are_refused_in_twirps_words(
    server: RunningServer, body: bytes, content_type: str, authorization: str | None, code: str
) -> None:
    response = await treq.post(
        f"http://{server.address}/twirp/livekit.RoomService/ListRooms",
        data=body,
        headers=headers(content_type, authorization or f"Bearer {token('anna', 'roomList')}"),
        persistent=False,
    )
    answer = await response.json()
    assert answer["code"] == code
    assert answer["msg"]
    assert response.code == (401 if code == "unauthenticated" else 400)


@deadline(20)
async def test_the_official_client_library_is_understood(server: RunningServer) -> None:
    anna = await joined(server)

    async def ask() -> ListRoomsResponse:
        client = api.LiveKitAPI(f"http://{server.address}", "meeting", Secret(SECRET).token_key)
        try:
            rooms: ListRoomsResponse = await client.room.list_rooms(ListRoomsRequest())
            return rooms
        finally:
            await client.aclose()

    rooms: ListRoomsResponse = await Deferred.fromFuture(asyncio.ensure_future(ask()))
    assert [(room.name, room.num_participants) for room in rooms.rooms] == [("standup", 1)]
    await gone(anna)
