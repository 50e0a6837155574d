"""Whole conversations in memory: who publishes what, and who gets it."""

from __future__ import annotations

from livekit.protocol.models import TrackSource
from livekit.protocol.rtc import (
    MuteTrackRequest,
    SessionDescription,
    SubscriptionPermission,
    TrackPermission,
    UpdateSubscription,
    UpdateTrackSettings,
)

from meeting.sfuserver.negotiation.sdp import parse
from tests.unit.sfuserver.clients import BOTH, EVERY_PAIR, World


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
