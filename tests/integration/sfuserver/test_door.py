"""The signalling port over real sockets: who gets in, who does not, and what each is told."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import treq
from livekit import api
from livekit.protocol.rtc import JoinRequest, LeaveRequest, SessionDescription, WrappedJoinRequest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.web.http_headers import Headers

from meeting.cli import run as run_command
from tests.integration.sfuserver.servers import SECRET, RunningServer, token
from tests.integration.sfuserver.sockets import Socket, connect
from tests.support.deadlines import deadline


def join_request() -> str:
    wrapped = WrappedJoinRequest(join_request=JoinRequest().SerializeToString())
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).decode().rstrip("=")


async def get(address: str, path: str, authorization: str | None = None) -> tuple[int, str, Any]:
    headers = Headers({"Authorization": [authorization]} if authorization else {})
    response = await treq.get(f"http://{address}{path}", headers=headers, persistent=False)
    return response.code, await response.text(), response.headers


@deadline(10)
async def test_the_root_answers_health_checks(server: RunningServer) -> None:
    assert (await get(server.address, "/"))[0] == 200


@pytest.mark.parametrize("path", ["/rtc/validate", "/rtc/v1/validate", "//rtc/validate"])
@deadline(10)
async def test_a_good_token_is_valid(server: RunningServer, path: str) -> None:
    query = f"?access_token={token()}&join_request={join_request()}"
    status, text, headers = await get(server.address, path + query)
    assert (status, text) == (200, "success")
    assert headers.getRawHeaders("Access-Control-Allow-Origin") == ["*"]
    assert (await get(server.address, path + query, "Bearer wrong"))[0] == 401


REFUSALS = {
    "no token": ("", 401),
    "garbage": ("x.y.z", 401),
    "another secret": (token(secret="another secret entirely"), 401),
    "over": (token(expires_at=1_700_000_000), 401),
    "no roomJoin": (token("anna", "roomList"), 401),
    "no identity": (token(identity=""), 400),
    "no room": (token(room=""), 400),
}


@pytest.mark.parametrize("why", REFUSALS)
@pytest.mark.parametrize("path", ["/rtc", "/rtc/v1"])
@deadline(10)
async def test_a_bad_token_is_refused_before_the_upgrade(server: RunningServer, path: str, why: str) -> None:
    text, expected = REFUSALS[why]
    query = f"?access_token={text}&join_request={join_request()}"
    status, reason, headers = await get(server.address, f"{path}/validate{query}")
    assert status == expected
    assert reason
    assert headers.getRawHeaders("Access-Control-Allow-Origin") == ["*"]
    socket = await connect(server.address, path + query)
    assert socket.closed is not None
    assert not socket.responses


@deadline(10)
async def test_who_is_refused_disturbs_nobody(server: RunningServer) -> None:
    bert = await connect(server.address, f"/rtc?access_token={token('bert')}")
    await bert.first("join")
    for text, _ in REFUSALS.values():
        # The same name and room as Bert's, where the token has any.
        await connect(server.address, f"/rtc?access_token={text}")
    await connect(server.address, f"/rtc?access_token={token('bert', expires_at=1_700_000_000)}")
    bert.ask(ping=1)
    await bert.first("pong")
    assert bert.closed is None
    assert [list(room.participants) for room in server.server.rooms] == [["bert"]]
    await leave(bert)


@deadline(10)
async def test_a_token_made_with_the_pair_of_meeting_keys_joins(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["keys", "--secret", SECRET]) == 0
    pair = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    made = (
        api.AccessToken(pair["LIVEKIT_API_KEY"], pair["LIVEKIT_API_SECRET"])
        .with_identity("robot")
        .with_grants(api.VideoGrants(room_join=True, room="standup"))
    )
    socket = await connect(server.address, f"/rtc?access_token={made.to_jwt()}")
    assert (await socket.first("join")).participant.identity == "robot"
    await leave(socket)


@deadline(10)
async def test_a_garbled_join_request_is_refused(server: RunningServer) -> None:
    status, reason, _ = await get(server.address, f"/rtc/v1/validate?access_token={token()}&join_request=%21")
    assert status == 400
    assert "join_request" in reason


@deadline(10)
async def test_another_path_is_not_found_and_a_plain_get_is_no_socket(server: RunningServer) -> None:
    assert (await get(server.address, f"/rtc/v2/validate?access_token={token()}"))[0] == 404
    assert (await get(server.address, f"/rtc?access_token={token()}"))[0] == 400


@pytest.mark.parametrize("where", ["header", "query"])
@pytest.mark.parametrize("path", ["/rtc", "/rtc/v1"])
@deadline(10)
async def test_a_good_token_joins(server: RunningServer, path: str, where: str) -> None:
    query = f"?join_request={join_request()}"
    if where == "query":
        socket = await connect(server.address, f"{path}{query}&access_token={token()}")
    else:
        socket = await connect(server.address, path + query, {"Authorization": f"Bearer {token()}"})
    join = await socket.first("join")
    assert join.participant.identity == "anna"
    assert join.participant.name == "Anna"
    socket.ask(leave=LeaveRequest())
    await socket.until(lambda: socket.closed is not None)


@deadline(10)
async def test_a_very_long_address_is_read(server: RunningServer) -> None:
    socket = await connect(server.address, f"/rtc?access_token={token()}&filler={'x' * 60_000}")
    await socket.first("join")
    await leave(socket)


@deadline(10)
async def test_a_client_that_writes_json_is_answered_in_json(server: RunningServer) -> None:
    socket = await connect(server.address, f"/rtc?access_token={token()}")
    await socket.first("join")
    socket.sendMessage(b'{"ping": "7"}', isBinary=False)
    await socket.until(lambda: bool(socket.texts))
    assert "pong" in json.loads(socket.texts[0])
    socket.ask(ping=8)
    await socket.first("pong")
    await leave(socket)


@deadline(10)
async def test_garbage_frames_are_refused_one_by_one_and_disturb_nobody(server: RunningServer) -> None:
    anna = await connect(server.address, f"/rtc?access_token={token('anna')}")
    bert = await connect(server.address, f"/rtc?access_token={token('bert')}")
    await bert.first("join")
    anna.sendMessage(b"\xff\xff", isBinary=True)
    anna.sendMessage(b"{", isBinary=False)
    anna.ask(offer=SessionDescription(type="offer", sdp="garbage", id=1))
    await anna.until(lambda: len(anna.got("request_response")) >= 2)
    for _ in range(20):
        anna.sendMessage(b"\xff\xff", isBinary=True)
    await anna.until(lambda: anna.closed is not None)
    bert.ask(ping=1)
    await bert.first("pong")
    assert bert.closed is None
    await leave(bert)


@deadline(10)
async def test_an_oversize_frame_ends_its_sender_only(server: RunningServer) -> None:
    anna = await connect(server.address, f"/rtc?access_token={token('anna')}")
    bert = await connect(server.address, f"/rtc?access_token={token('bert')}")
    await bert.first("join")
    anna.sendMessage(b"x" * (1024 * 1024 + 1), isBinary=True)
    await anna.until(lambda: anna.closed is not None)
    bert.ask(ping=1)
    await bert.first("pong")
    await leave(bert)


@deadline(20)
async def test_a_client_that_does_not_read_loses_its_socket(server: RunningServer) -> None:
    anna = await connect(server.address, f"/rtc?access_token={token('anna')}")
    await anna.first("join")
    from twisted.internet import reactor

    transport: Any = anna.transport
    transport.pauseProducing()
    room = next(iter(server.server.rooms))
    outbox = room.participants["anna"].outbox
    assert outbox is not None
    room.set_metadata("x" * 1_000_000)
    while room.participants["anna"].outbox is outbox:
        room.set_metadata(room.metadata)
        room.settle(0)
        await deferLater(IReactorTime(reactor), 0)
    transport.abortConnection()
    await anna.until(lambda: anna.closed is not None)


@deadline(10)
async def test_the_same_socket_again_comes_back_or_starts_anew(server: RunningServer) -> None:
    anna = await connect(server.address, f"/rtc?access_token={token()}")
    sid = (await anna.first("join")).participant.sid
    anna.dropConnection(abort=True)
    back = await connect(server.address, f"/rtc?access_token={token()}&reconnect=1&sid={sid}")
    await back.first("reconnect")
    lost = await connect(server.address, f"/rtc?access_token={token('bert')}&reconnect=1&sid=PA_none")
    assert (await lost.first("leave")).action == LeaveRequest.RECONNECT
    await lost.until(lambda: lost.closed is not None)
    await leave(back)


@deadline(10)
async def test_stopping_tells_everyone_to_come_back(server: RunningServer) -> None:
    anna = await connect(server.address, f"/rtc?access_token={token()}")
    await anna.first("join")
    server.server.rooms.stopService()
    assert (await anna.first("leave")).action == LeaveRequest.RECONNECT
    await anna.until(lambda: anna.closed is not None)


@deadline(10)
async def test_tokens_do_not_reach_the_log(server: RunningServer) -> None:
    events: list[str] = []

    def observe(event: LogEvent) -> None:
        events.append(formatEvent(event) + repr(event))

    globalLogPublisher.addObserver(observe)  # type: ignore[arg-type]
    try:
        secret = token()
        await get(server.address, f"/rtc/validate?access_token={secret}")
        socket = await connect(server.address, f"/rtc?access_token={secret}")
        await socket.first("join")
        await leave(socket)
    finally:
        globalLogPublisher.removeObserver(observe)  # type: ignore[arg-type]
    assert events
    assert not any(secret in event for event in events)


async def leave(socket: Socket) -> None:
    socket.ask(leave=LeaveRequest())
    await socket.until(lambda: socket.closed is not None)
