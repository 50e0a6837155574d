"""Whole conversations in memory: sockets and media that are lost, and the ways back."""

from __future__ import annotations

import pytest
from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import (
    JoinRequest,
    LeaveRequest,
    Ping,
)

from meeting.sfuserver.negotiation.sdp import parse
from meeting.sfuserver.room.room import RoomSettings
from tests.unit.sfuserver.clients import BOTH, World


def test_pings_are_answered_in_both_forms(world: World) -> None:
    anna = world.join("anna")
    anna.ask(ping=5)
    anna.ask(ping_req=Ping(timestamp=1234))
    assert anna.last("pong") == int(world.clock.seconds() * 1000)
    assert anna.last("pong_resp").last_ping_timestamp == 1234


def test_a_lost_socket_is_waited_for_and_then_given_up(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    anna.publish("cam", "video")
    world.advance()
    anna.serve()
    bert.drop()  # with an offer that it has not answered
    world.advance(29)
    assert "bert" in anna.sees()
    world.advance(2)
    assert "bert" not in anna.sees()


@pytest.mark.parametrize("sign", ["page", "link"])
def test_one_who_left_for_good_is_not_waited_for(world: World, sign: str) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    if sign == "link":
        world.port.listener.link_closed(bert.sending, "peer closed")
    bert.drop(for_good=sign == "page")
    world.advance()
    assert "bert" not in anna.sees()


@BOTH
def test_one_who_comes_back_in_time_goes_on_with_the_same_media(world: World, single: bool) -> None:
    anna, bert = world.join("anna", single=single), world.join("bert", single=single)
    anna.connect()
    bert.connect()
    anna.publish("cam", "video")
    world.advance()
    bert.serve()
    bert.drop()
    sid = bert.participant.sid
    anna.publish("mic", "audio")
    world.advance(3)
    bert.forget()
    bert.ufrag = "newufrag"
    bert.enter(JoinRequest(reconnect=True, participant_sid=sid))
    assert bert.names()[0] == "reconnect"
    assert bert.participant.sid == sid
    assert {track.name for track in bert.sees()["anna"].tracks} == {"cam", "mic"}
    bert.serve()
    if single:
        bert.offer()
    world.advance()
    bert.serve()
    assert [remote for _, _, remote in bert.sending.restarts] == ["newufrag"]
    ufrag, password, _ = bert.sending.restarts[0]
    description = parse(bert.last("answer" if single else "offer").sdp)
    assert description.sections[0].value("ice-ufrag") == ufrag
    assert description.sections[0].value("ice-pwd") == password
    assert len([sink for sink in bert.sending.sinks if not sink.closed]) == 2
    world.advance(30)
    assert "bert" in anna.sees()


@pytest.mark.parametrize("why", ["unknown room", "unknown participant", "dead link"])
def test_one_who_cannot_go_on_is_told_to_join_anew(world: World, why: str) -> None:
    sid = "PA_unknown"
    if why != "unknown room":
        anna = world.join("anna")
        if why == "dead link":
            anna.connect()
            world.port.listener.link_closed(anna.sending, "consent lost")
            sid = anna.participant.sid
    again = world.join("anna", join=JoinRequest(reconnect=True, participant_sid=sid))
    leave = again.last("leave")
    assert (leave.action, leave.reason) == (LeaveRequest.RECONNECT, DisconnectReason.STATE_MISMATCH)
    assert leave.can_reconnect
    assert again.outbox.closed is not None
    fresh = world.join("anna")
    assert fresh.names()[0] == "join"


def test_one_whose_media_dies_is_told_to_join_anew(world: World) -> None:
    anna = world.join("anna")
    anna.connect()
    world.port.listener.link_closed(anna.sending, "consent lost")
    world.advance()
    assert anna.last("leave").action == LeaveRequest.RECONNECT
    assert not world.room.participants


def test_an_offer_that_is_never_answered_ends_in_joining_anew(world: World) -> None:
    anna = world.join("anna")
    world.advance(21)
    assert anna.last("leave").action == LeaveRequest.RECONNECT


def test_everyone_is_told_to_come_back_when_the_server_stops(world: World) -> None:
    anna = world.join("anna")
    world.rooms.stopService()
    assert anna.last("leave").action == LeaveRequest.RECONNECT
    assert anna.last("leave").reason == DisconnectReason.SERVER_SHUTDOWN
    assert world.clock.getDelayedCalls() == []
    late = world.join("bert", settle=False)
    assert late.last("leave").action == LeaveRequest.RECONNECT


def test_an_empty_room_ends() -> None:
    world = World(RoomSettings(departure_timeout=20))
    anna = world.join("anna")
    anna.ask(leave=LeaveRequest())
    world.advance(19)
    assert len(world.rooms) == 1
    world.advance(2)
    assert len(world.rooms) == 0
    assert [entry[0] for entry in world.events.diary] == [
        "room_started",
        "participant_joined",
        "participant_left",
        "room_finished",
    ]


def test_a_closed_link_takes_nothing_with_it_that_others_use(world: World) -> None:
    anna, bert, clara = world.join("anna"), world.join("bert"), world.join("clara")
    for client in (anna, bert, clara):
        client.connect()
    anna.publish("cam", "video")
    world.advance()
    bert.serve()
    clara.serve()
    bert.ask(leave=LeaveRequest())
    world.advance()
    assert [sink.closed for sink in clara.sending.sinks] == [False]
    assert bert.sending.closed
    anna.ask(leave=LeaveRequest())
    world.advance()
    assert all(sink.closed for sink in clara.sending.sinks)
