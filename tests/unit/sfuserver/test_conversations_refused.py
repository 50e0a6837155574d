"""Whole conversations in memory: what is refused, and that nobody else notices."""

from __future__ import annotations

import pytest
from livekit.protocol.models import DisconnectReason
from livekit.protocol.room import RoomParticipantIdentity
from livekit.protocol.rtc import (
    JoinRequest,
    MuteTrackRequest,
    RequestResponse,
    SessionDescription,
    TrickleRequest,
    UpdateParticipantMetadata,
    UpdateSubscription,
)

from meeting.sfuserver.room.rooms import MOST_REVOKED
from meeting.sfuserver.signalling.room_service import RoomService
from tests.unit.sfuserver.clients import BOTH, FINGERPRINT, Client, World, session_text


def test_who_may_not_publish_is_told_so(world: World) -> None:
    anna = world.join("anna", grants={"canPublish": False})
    anna.connect()
    anna.add_track("cam", "video")
    refusal = anna.last("request_response")
    assert refusal.reason == RequestResponse.NOT_ALLOWED
    assert refusal.add_track.cid == "cam"
    assert not anna.got("track_published")


def test_only_the_allowed_sources_may_be_published(world: World) -> None:
    anna = world.join("anna", grants={"canPublishSources": ["microphone"]})
    anna.connect()
    anna.add_track("cam", "video")
    assert anna.last("request_response").reason == RequestResponse.NOT_ALLOWED
    anna.add_track("mic", "audio")
    assert anna.last("track_published").cid == "mic"


@BOTH
def test_media_that_nobody_announced_is_not_taken(world: World, single: bool) -> None:
    anna = world.join("anna", single=single, grants={"canPublish": False})
    anna.connect()
    anna.sections.append(anna.section("video", "sendonly", ["a=msid:x y", "a=ssrc:5 cname:x"]))
    answer = anna.offer()
    assert answer.sections[-1].direction == "inactive"
    assert not anna.receiving.sources


def test_who_may_not_subscribe_gets_nothing(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert", grants={"canSubscribe": False})
    anna.connect()
    sid = anna.publish("cam", "video")
    world.advance()
    bert.ask(subscription=UpdateSubscription(track_sids=[sid], subscribe=True))
    assert not bert.participant.subscriptions


def test_name_and_metadata_need_the_grant_and_are_always_answered(world: World) -> None:
    anna = world.join("anna", grants={"canUpdateOwnMetadata": True})
    bert = world.join("bert")
    anna.ask(update_metadata=UpdateParticipantMetadata(name="Anne", attributes={"hand": "up"}, request_id=5))
    bert.ask(update_metadata=UpdateParticipantMetadata(name="Berta", request_id=6))
    world.advance()
    assert (anna.last("request_response").request_id, anna.last("request_response").reason) == (5, RequestResponse.OK)
    assert bert.last("request_response").reason == RequestResponse.NOT_ALLOWED
    assert bert.last("request_response").request_id == 6
    assert bert.sees()["anna"].name == "Anne"
    assert dict(bert.sees()["anna"].attributes) == {"hand": "up"}
    assert anna.sees()["bert"].name == "Bert"
    anna.ask(update_metadata=UpdateParticipantMetadata(attributes={"hand": ""}, request_id=7))
    anna.ask(update_metadata=UpdateParticipantMetadata(metadata="x" * 70_000, request_id=8))
    world.advance()
    assert not bert.sees()["anna"].attributes
    assert anna.last("request_response").reason == RequestResponse.LIMIT_EXCEEDED


def test_nobody_mutes_anothers_track(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    sid = anna.publish("mic", "audio")
    bert.ask(mute=MuteTrackRequest(sid=sid, muted=True))
    assert bert.last("request_response").reason == RequestResponse.NOT_FOUND
    assert not anna.participant.tracks[sid].info.muted


def test_more_tracks_than_anyone_has_are_refused(world: World) -> None:
    anna = world.join("anna")
    for number in range(70):
        anna.add_track(f"cam{number}", "video")
    assert len(anna.got("track_published")) == 64
    assert anna.last("request_response").reason == RequestResponse.LIMIT_EXCEEDED


@BOTH
@pytest.mark.parametrize("sdp", ["", "garbage", "v=0\r\nm=audio 9 X 1\r\na=mid:0\r\n"])
def test_garbage_from_one_leaves_the_others_alone(world: World, single: bool, sdp: str) -> None:
    anna, bert = world.join("anna", single=single), world.join("bert", single=single)
    anna.connect()
    bert.connect()
    bert.forget()
    anna.ask(offer=SessionDescription(type="offer", sdp=sdp, id=77))
    anna.ask(answer=SessionDescription(type="answer", sdp=sdp, id=1))
    anna.ask(trickle=TrickleRequest(candidateInit="{"))
    world.advance()
    assert anna.last("request_response").reason == RequestResponse.INVALID_REQUEST
    assert bert.outbox.messages == []
    bert.publish("cam", "video")
    world.advance()
    assert [track.name for track in anna.sees()["bert"].tracks] == ["cam"]
    anna.publish("mic", "audio")


def test_another_certificate_within_a_connection_is_refused(world: World) -> None:
    anna = world.join("anna", single=True)
    anna.connect()
    forged = session_text(anna.sections, anna.ufrag).replace(FINGERPRINT, FINGERPRINT.replace("12", "34"))
    anna.ask(offer=SessionDescription(type="offer", sdp=forged, id=50))
    assert "fingerprint" in anna.last("request_response").message
    assert not anna.receiving.restarts


def test_who_was_removed_is_refused_with_an_older_token_and_not_with_a_newer_one(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    now = int(world.clock.seconds())
    service = RoomService(world.rooms)
    removal = RoomParticipantIdentity(room="standup", identity="anna", revoke_token_ts=now)
    service.methods["RemoveParticipant"].call(removal, world.clock.seconds())
    world.advance()
    for made in (now - 60, now):
        again = Client(world, "anna", single=False, grants={}, auto_subscribe=True)
        again.enter(JoinRequest(), made)
        assert again.last("leave").reason == DisconnectReason.PARTICIPANT_REMOVED
        assert again.session is None
    anna.enter(JoinRequest(), now + 1)
    assert anna.session is not None
    Client(world, "carl", single=False, grants={}, auto_subscribe=True).enter(JoinRequest(), now - 60)
    world.advance()
    assert set(bert.sees()) >= {"anna", "carl"}


def test_removals_are_remembered_up_to_a_bound(world: World) -> None:
    for number in range(MOST_REVOKED + 10):
        world.rooms.revoke("standup", f"p{number}", 100)
    assert not world.rooms.is_revoked("standup", "p0", 50)
    assert world.rooms.is_revoked("standup", f"p{MOST_REVOKED}", 50)
