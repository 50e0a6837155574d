"""Whole conversations in memory: several clients, one room, both forms of the protocol."""

from __future__ import annotations

import pytest
from livekit.protocol.models import DisconnectReason, ParticipantInfo, TrackSource
from livekit.protocol.rtc import (
    JoinRequest,
    LeaveRequest,
    MuteTrackRequest,
    Ping,
    RequestResponse,
    SessionDescription,
    SubscriptionPermission,
    TrackPermission,
    TrickleRequest,
    UpdateParticipantMetadata,
    UpdateSubscription,
    UpdateTrackSettings,
)

from meeting.sfuserver.negotiation.sdp import parse
from meeting.sfuserver.room.room import RoomSettings
from tests.unit.sfuserver.clients import FINGERPRINT, World, media_section, session_text

BOTH = pytest.mark.parametrize("single", [False, True], ids=["v0", "v1"])
EVERY_PAIR = pytest.mark.parametrize(
    ("one", "other"), [(False, False), (False, True), (True, False), (True, True)], ids=["v0v0", "v0v1", "v1v0", "v1v1"]
)


@pytest.fixture
def world() -> World:
    return World()


# Joining


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


# Publishing and subscribing


@EVERY_PAIR
def test_two_participants_get_each_others_audio_and_video(world: World, one: bool, other: bool) -> None:
    anna, bert = world.join("anna", single=one), world.join("bert", single=other)
    for client in (anna, bert):
        client.connect()
    for client in (anna, bert):
        client.publish("mic", "audio")
        client.publish("cam", "video")
        world.advance()
        anna.serve()
        bert.serve()
        world.advance()
        anna.serve()
        bert.serve()
    for publisher, subscriber in ((anna, bert), (bert, anna)):
        assert len(publisher.receiving.sources) == 2
        assert len(subscriber.sending.sinks) == 2
        assert {sink.fed for sink in subscriber.sending.sinks} == set(publisher.receiving.sources)
        assert {track.name for track in subscriber.sees()[publisher.who.identity].tracks} == {"mic", "cam"}
        assert len(publisher.got("track_subscribed")) == 2
    description = bert.last("answer" if other else "offer")
    assert set(description.mid_to_track_id.values()) == {track.sid for track in bert.sees()["anna"].tracks}


@EVERY_PAIR
def test_a_late_joiner_gets_what_is_there(world: World, one: bool, other: bool) -> None:
    anna = world.join("anna", single=one)
    anna.connect()
    anna.publish("cam", "video")
    world.advance(2)
    bert = world.join("bert", single=other)
    assert [track.name for info in bert.last("join").other_participants for track in info.tracks] == ["cam"]
    bert.connect()
    bert.serve()
    (sink,) = bert.sending.sinks
    assert sink.fed is anna.receiving.sources[0]
    assert sink.payload_types == {96: 96}
    assert sink.rtx_payload_types == {96: 97}


@BOTH
def test_the_stream_id_downstream_carries_participant_and_track(world: World, single: bool) -> None:
    anna, bert = world.join("anna", single=True), world.join("bert", single=single)
    anna.connect()
    bert.connect()
    sid = anna.publish("cam", "video")
    world.advance()
    bert.serve()
    description = parse(bert.last("answer" if single else "offer").sdp)
    (msid,) = [section.value("msid") for section in description.sections if section.has("msid")]
    assert msid == f"{anna.participant.sid}|{sid} {sid}"


def test_a_track_whose_msid_nobody_announced_is_the_first_pending_of_its_kind(world: World) -> None:
    anna = world.join("anna", single=True)
    anna.connect()
    sid = anna.publish("{cid}", "video", msid="{invented-by-firefox}")
    assert anna.participant.tracks[sid].info.mime_type == "video/VP8"
    assert anna.last("track_published").track.sid.startswith("TR_VC")


def test_slots_are_asked_for_when_they_are_short(world: World) -> None:
    anna, bert = world.join("anna", single=True), world.join("bert", single=True)
    anna.connect()
    bert.add_slots(0, 1)
    bert.offer()
    world.port.listener.link_connected(bert.sending, "udp")
    for number in range(3):
        anna.publish(f"cam{number}", "video")
    world.advance()
    requirement = bert.last("media_sections_requirement")
    assert (requirement.num_audios, requirement.num_videos) == (0, 2)
    bert.serve()
    assert len(bert.sending.sinks) == 3
    assert len(bert.got("media_sections_requirement")) == 1


def test_free_slots_need_only_another_offer(world: World) -> None:
    anna, bert = world.join("anna", single=True), world.join("bert", single=True)
    anna.connect()
    bert.connect()
    anna.publish("cam", "video")
    world.advance()
    requirement = bert.last("media_sections_requirement")
    assert (requirement.num_audios, requirement.num_videos) == (0, 0)


def test_one_offer_at_a_time(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    bert.connect()
    offers = len(bert.got("offer"))
    anna.publish("mic", "audio")
    world.advance()
    anna.publish("cam", "video")
    world.advance()
    assert len(bert.got("offer")) == offers + 1
    bert.answer()
    assert len(bert.got("offer")) == offers + 2
    bert.ask(answer=SessionDescription(type="answer", sdp="v=0", id=1))  # to an old offer
    bert.answer()
    assert len(bert.sending.sinks) == 2


@BOTH
def test_simulcast_forwards_the_highest_layer_that_flows(world: World, single: bool) -> None:
    anna, bert = world.join("anna", single=single), world.join("bert", single=single)
    anna.connect()
    bert.connect()
    sid = anna.publish("cam", "video", rids="qhf")
    world.advance()
    bert.serve()
    low, middle, high = anna.receiving.sources
    assert [source.rid for source in (low, middle, high)] == ["q", "h", "f"]
    (sink,) = bert.sending.sinks
    assert sink.fed is None
    listener = world.port.listener
    listener.source_started(low, 1)
    assert sink.fed is low
    listener.source_started(high, 2)
    assert sink.fed is high
    listener.source_started(middle, 3)
    assert sink.fed is high
    listener.source_stopped(high)
    assert sink.fed is middle
    assert anna.participant.tracks[sid].info.simulcast


@EVERY_PAIR
def test_unpublishing_takes_the_track_from_everyone(world: World, one: bool, other: bool) -> None:
    anna, bert = world.join("anna", single=one), world.join("bert", single=other)
    anna.connect()
    bert.connect()
    sid = anna.publish("cam", "video")
    world.advance()
    bert.serve()
    anna.stop(len(anna.sections) - 1)
    world.advance()
    bert.serve()
    assert anna.last("track_unpublished").track_sid == sid
    assert not bert.sees()["anna"].tracks
    assert all(sink.closed for sink in bert.sending.sinks)
    assert all(source.closed for source in anna.receiving.sources)
    description = parse(bert.last("answer" if other else "offer").sdp)
    assert not any(section.has("msid") for section in description.sections)


@BOTH
def test_sections_are_used_again(world: World, single: bool) -> None:
    anna, bert = world.join("anna", single=True), world.join("bert", single=single)
    anna.connect()
    bert.connect()
    for number in range(10):
        anna.publish(f"cam{number}", "video")
        world.advance(6)
        bert.serve()
        anna.stop(len(anna.sections) - 1)
        world.advance(6)
        bert.serve()
    assert len(bert.sending.sinks) == 10
    description = parse(bert.last("answer" if single else "offer").sdp)
    assert len(description.sections) == (7 if single else 2)


def test_screen_share_keeps_its_source(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    sid = anna.publish("screen", "video", source=TrackSource.SCREEN_SHARE)
    assert sid.startswith("TR_VS")
    world.advance()
    (track,) = bert.sees()["anna"].tracks
    assert track.source == TrackSource.SCREEN_SHARE


def test_muting_is_told_to_everyone(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    sid = anna.publish("mic", "audio")
    world.advance()
    for muted in (True, False):
        anna.ask(mute=MuteTrackRequest(sid=sid, muted=muted))
        world.advance()
        assert bert.sees()["anna"].tracks[0].muted is muted


def test_a_viewer_may_pause_and_leave_a_track(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    bert.connect()
    sid = anna.publish("cam", "video")
    world.advance()
    bert.answer()
    (sink,) = bert.sending.sinks
    bert.ask(track_setting=UpdateTrackSettings(track_sids=[sid], disabled=True))
    assert sink.fed is None
    bert.ask(track_setting=UpdateTrackSettings(track_sids=[sid], disabled=False))
    assert sink.fed is anna.receiving.sources[0]
    bert.ask(subscription=UpdateSubscription(track_sids=[sid], subscribe=False))
    world.advance()
    assert sink.closed
    bert.answer()
    bert.ask(subscription=UpdateSubscription(track_sids=[sid], subscribe=True))
    world.advance()
    bert.answer()
    assert not bert.sending.sinks[-1].closed
    bert.ask(subscription=UpdateSubscription(track_sids=["TR_none"], subscribe=True))
    assert bert.last("subscription_response").track_sid == "TR_none"


def test_without_auto_subscribe_only_what_is_wished_comes(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert", auto_subscribe=False)
    anna.connect()
    bert.connect()
    sid = anna.publish("cam", "video")
    world.advance()
    assert not bert.participant.subscriptions
    bert.ask(subscription=UpdateSubscription(track_sids=[sid], subscribe=True))
    assert set(bert.participant.subscriptions) == {sid}


def test_a_publisher_says_who_may_watch(world: World) -> None:
    anna, bert, clara = world.join("anna"), world.join("bert"), world.join("clara")
    anna.connect()
    sid = anna.publish("cam", "video")
    world.advance()
    only_clara = SubscriptionPermission(
        track_permissions=[TrackPermission(participant_identity="clara", all_tracks=True)]
    )
    anna.ask(subscription_permission=only_clara)
    world.advance()
    assert not bert.participant.subscriptions
    assert set(clara.participant.subscriptions) == {sid}
    update = bert.last("subscription_permission_update")
    assert (update.track_sid, update.allowed) == (sid, False)
    anna.ask(subscription_permission=SubscriptionPermission(all_participants=True))
    world.advance()
    assert bert.last("subscription_permission_update").allowed
    assert set(bert.participant.subscriptions) == {sid}
    assert len(bert.got("subscription_permission_update")) == 2


def test_a_client_without_the_codec_is_told_and_the_others_are_not_held_up(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    bert.connect()
    sid = anna.publish("cam", "video")
    world.advance()
    bert.answer(accept=False)
    assert bert.last("subscription_response").track_sid == sid
    anna.publish("mic", "audio")
    world.advance()
    bert.serve()
    assert len(bert.sending.sinks) == 1


# Every no


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


# Coming back


def test_pings_are_answered_in_both_forms(world: World) -> None:
    anna = world.join("anna")
    anna.ask(ping=5)
    anna.ask(ping_req=Ping(timestamp=1234))
    assert anna.last("pong") == int(world.clock.seconds() * 1000)
    assert anna.last("pong_resp").last_ping_timestamp == 1234


def test_a_lost_socket_is_waited_for_and_then_given_up(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    bert.drop()
    world.advance(10)
    assert "bert" in anna.sees()
    world.advance(6)
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
