"""What the data plane is told to choose among, and what a client hears when its path has no room."""

from __future__ import annotations

import pytest
from livekit.protocol.models import TrackSource, VideoLayer, VideoQuality
from livekit.protocol.rtc import StreamState, UpdateTrackSettings

from tests.unit.sfuserver.clients import Client, World


@pytest.fixture
def pair(world: World) -> tuple[Client, Client]:
    """Anna sends a camera in three encodings that all flow; Bert has it."""
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    bert.connect()
    anna.publish("cam", "video", rids="qhf")
    world.advance()
    bert.serve()
    for number, source in enumerate(anna.receiving.sources):
        world.port.listener.source_started(source, number)
    return anna, bert


def test_the_data_plane_may_choose_among_all_encodings_up_to_the_one_that_is_wanted(
    pair: tuple[Client, Client],
) -> None:
    anna, bert = pair
    low, middle, high = anna.receiving.sources
    (sink,) = bert.sending.sinks
    assert sink.encodings == (low, middle, high)
    (track,) = anna.participant.tracks.values()
    track.info.layers.extend(
        VideoLayer(quality=quality, width=320 << quality, height=180 << quality)
        for quality in (VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH)
    )
    bert.ask(track_setting=UpdateTrackSettings(track_sids=[track.sid], width=640, height=360))
    assert (sink.encodings, sink.importance) == ((low, middle), (False, 640 * 360))
    bert.ask(track_setting=UpdateTrackSettings(track_sids=[track.sid], width=600, height=340))
    assert sink.importance == (False, 600 * 340), "its size among the others counts even if the encoding is the same"
    bert.ask(track_setting=UpdateTrackSettings(track_sids=[track.sid], disabled=True))
    assert sink.encodings == ()


def test_a_screen_is_told_to_be_one(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    bert.connect()
    anna.publish("screen", "video", source=TrackSource.SCREEN_SHARE)
    world.advance()
    bert.serve()
    assert bert.sending.sinks[0].importance == (True, 0)


def test_a_client_hears_which_pictures_are_paused_for_want_of_room_and_which_are_back(
    world: World, pair: tuple[Client, Client]
) -> None:
    anna, bert = pair
    (sink,) = bert.sending.sinks
    (sid,) = anna.participant.tracks
    listener = world.port.listener
    listener.sinks_paused(bert.sending, {sink.id: True, 10**6: True})
    (told,) = bert.got("stream_state_update")
    (state,) = told.stream_states
    assert (state.participant_sid, state.track_sid) == (anna.participant.sid, sid)
    assert state.state == StreamState.PAUSED
    assert bert.participant.subscriptions[sid].starved
    assert anna.got("stream_state_update") == [] and anna.got("subscribed_quality_update") == []
    listener.sinks_paused(bert.sending, {sink.id: False})
    assert bert.last("stream_state_update").stream_states[0].state == StreamState.ACTIVE
    listener.sinks_paused(anna.sending, {sink.id: True})  # not hers
    assert not bert.participant.subscriptions[sid].starved
    assert len(bert.got("stream_state_update")) == 2
