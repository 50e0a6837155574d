"""Whole conversations in memory: joining, and who is seen by whom."""

from __future__ import annotations

from livekit.protocol.models import DisconnectReason, ParticipantInfo
from livekit.protocol.rtc import (
    JoinRequest,
    LeaveRequest,
    SessionDescription,
)

from meeting.sfuserver.negotiation.sdp import parse
from tests.unit.sfuserver.clients import BOTH, World, media_section, session_text


def test_on_v0_the_first_word_is_the_join_and_the_second_an_offer_of_data(world: World) -> None:
    anna = world.join("anna", settle=False)
    assert anna.names() == ["join", "offer"]
    join = anna.last("join")
    assert join.participant.identity == "anna"
    assert join.server_info.version
    assert join.subscriber_primary and join.fast_publish
    assert (join.ping_interval, join.ping_timeout) == (5, 15)
    offer = parse(anna.last("offer").sdp)
    assert [section.kind for section in offer.sections] == ["application"]
    assert offer.sections[0].value("setup") == "actpass"
    assert [label for label, _, _ in anna.sending.channels] == ["_reliable", "_lossy"]
    anna.answer()
    assert anna.sending.remote is not None


def test_on_v1_the_server_waits_for_the_clients_offer(world: World) -> None:
    anna = world.join("anna", single=True, settle=False)
    assert anna.names() == ["join"]
    anna.add_slots(3, 3)
    answer = anna.offer()
    assert [section.direction for section in answer.sections[1:]] == ["inactive"] * 6
    assert anna.receiving is anna.sending


def test_on_v1_the_offer_may_come_with_the_join(world: World) -> None:
    sections = [media_section(str(number), "audio", "recvonly") for number in range(3)]
    offer = SessionDescription(type="offer", sdp=session_text(sections, "anna-ufrag"), id=9)
    anna = world.join("anna", single=True, settle=False, join=JoinRequest(publisher_offer=offer))
    assert anna.names() == ["join", "answer"]
    assert anna.last("answer").id == 9
    assert anna.sending.remote is not None


@BOTH
def test_a_participant_becomes_active_when_its_media_is_up(world: World, single: bool) -> None:
    anna, bert = world.join("anna", single=single), world.join("bert", single=single)
    assert bert.sees()["anna"].state == ParticipantInfo.JOINED
    anna.connect()
    assert bert.sees()["anna"].state == ParticipantInfo.ACTIVE
    assert anna.sees()["anna"].state == ParticipantInfo.ACTIVE
    assert bert.sees()["anna"].version > 1


def test_everyone_sees_who_comes_and_goes(world: World) -> None:
    anna = world.join("anna")
    bert = world.join("bert")
    assert set(anna.sees()) == set(bert.sees()) == {"anna", "bert"}
    bert.ask(leave=LeaveRequest())
    world.advance()
    assert set(anna.sees()) == {"anna"}
    assert bert.outbox.closed is not None
    gone = [info for update in anna.got("update") for info in update.participants if info.identity == "bert"][-1]
    assert gone.state == ParticipantInfo.DISCONNECTED
    assert gone.disconnect_reason == DisconnectReason.CLIENT_INITIATED


def test_a_join_storm_is_told_in_few_messages(world: World) -> None:
    anna = world.join("anna")
    anna.forget()
    for number in range(50):
        world.join(f"guest{number}", settle=False)
    world.advance()
    assert len(anna.got("update")) <= 2
    assert len(anna.sees()) == 50


def test_hidden_participants_are_seen_by_nobody(world: World) -> None:
    anna = world.join("anna")
    ghost = world.join("ghost", grants={"hidden": True})
    assert set(anna.sees()) == {"anna"}
    assert set(ghost.sees()) == {"anna", "ghost"}
    ghost.ask(leave=LeaveRequest())
    world.advance()
    assert not any(info.identity == "ghost" for update in anna.got("update") for info in update.participants)


@BOTH
def test_the_same_identity_again_sends_the_older_one_away(world: World, single: bool) -> None:
    anna, bert = world.join("anna", single=single), world.join("bert", single=single)
    again = world.join("bert", single=single)
    leave = bert.last("leave")
    assert (leave.action, leave.reason) == (LeaveRequest.DISCONNECT, DisconnectReason.DUPLICATE_IDENTITY)
    assert bert.outbox.closed is not None
    assert anna.sees()["bert"].sid == again.last("join").participant.sid
    bert.ask(leave=LeaveRequest())  # too late to matter
    world.advance()
    assert "bert" in anna.sees()
