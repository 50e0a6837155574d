"""Everybody gets the encoding they look at, and nobody sends what nobody looks at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol.models import DisconnectReason, VideoLayer, VideoQuality
from livekit.protocol.rtc import UpdateSubscription, UpdateTrackSettings

from meeting.sfuserver.room.layers import FALL_SECONDS, HIGHEST, NOTHING, Demand, wanted_rank
from tests.unit.sfuserver.clients import Client, World

LAYERS = [
    VideoLayer(quality=VideoQuality.LOW, width=320, height=180),
    VideoLayer(quality=VideoQuality.MEDIUM, width=640, height=360),
    VideoLayer(quality=VideoQuality.HIGH, width=1280, height=720),
]


@pytest.mark.parametrize(
    ("width", "height", "rank"),
    [
        (160, 90, 0),
        (320, 180, 0),
        (322, 181, 1),
        (640, 360, 1),
        (360, 640, 1),  # a portrait tile: the picture is turned or cut
        (1280, 720, 2),
        (3840, 2160, 2),
    ],
)
def test_the_smallest_layer_that_fills_the_tile_is_chosen(width: int, height: int, rank: int) -> None:
    assert wanted_rank(UpdateTrackSettings(width=width, height=height), LAYERS) == rank


def test_without_a_size_the_quality_counts() -> None:
    for quality in (VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH):
        assert wanted_rank(UpdateTrackSettings(quality=quality), LAYERS) == quality
    assert wanted_rank(UpdateTrackSettings(quality=VideoQuality.OFF), LAYERS) == NOTHING
    assert wanted_rank(UpdateTrackSettings(disabled=True, width=640, height=360), LAYERS) == NOTHING


def test_a_track_without_announced_layers_is_wanted_whole() -> None:
    assert wanted_rank(UpdateTrackSettings(width=10, height=10), []) == HIGHEST


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(NOTHING, HIGHEST), st.floats(0.01, 10)), max_size=40))
def test_the_publisher_always_sends_enough_and_in_the_end_no_more(steps: list[tuple[int, int, float]]) -> None:
    demand, viewers, sends, now = Demand(), [NOTHING] * 5, HIGHEST, 0.0
    for viewer, rank, seconds in steps:
        demand.move(viewers[viewer], rank)
        viewers[viewer] = rank
        news = demand.news(now)
        sends = sends if news is None else news
        assert sends >= max(viewers) == demand.highest
        now += seconds
    for _ in range(2):
        news = demand.news(now)
        sends = sends if news is None else news
        now += FALL_SECONDS
    assert sends == max(viewers)
    assert demand.settled


def test_each_viewer_gets_the_layer_of_the_size_it_shows(world: World) -> None:
    anna, (bert, clara) = publisher_and_viewers(world)
    low, middle, high = anna.receiving.sources
    for number, source in enumerate((low, middle, high)):
        world.port.listener.source_started(source, number)
    looks(bert, 300, 170)
    looks(clara, 1280, 720)
    assert bert.sending.sinks[0].fed is low
    assert clara.sending.sinks[0].fed is high
    looks(bert, 640, 360)
    assert bert.sending.sinks[0].fed is middle
    world.port.listener.source_stopped(middle)
    assert bert.sending.sinks[0].fed is low  # the best that does not ask for more
    world.port.listener.source_stopped(low)
    assert bert.sending.sinks[0].fed is high  # better too large than nothing


def test_a_layer_that_nobody_looks_at_is_not_asked_for_and_comes_back_at_once(world: World) -> None:
    anna, (bert, clara) = publisher_and_viewers(world)
    anna.forget()
    looks(bert, 300, 170)
    looks(clara, 600, 340)
    world.advance(FALL_SECONDS - 1)
    assert not anna.got("subscribed_quality_update")
    world.advance(2)
    assert enabled(anna) == [True, True, False]
    update = anna.last("subscribed_quality_update")
    assert [codec.codec for codec in update.subscribed_codecs] == ["vp8"]
    assert [one.enabled for one in update.subscribed_codecs[0].qualities] == [True, True, False]
    looks(clara, 1280, 720)
    world.advance(0.1)
    assert enabled(anna) == [True, True, True]


def test_who_scrolls_by_changes_nothing(world: World) -> None:
    anna, (bert, clara) = publisher_and_viewers(world)
    looks(clara, 300, 170)
    anna.forget()
    for _ in range(5):
        looks(bert, 300, 170)
        world.advance(FALL_SECONDS - 1)
        looks(bert, 1280, 720)
        world.advance(1)
    assert not anna.got("subscribed_quality_update")


def test_alone_nobody_sends_and_the_first_viewer_wakes_the_publisher(world: World) -> None:
    anna = world.join("anna")
    anna.connect()
    anna.publish("cam", "video", rids="qhf", layers=LAYERS)
    world.advance(FALL_SECONDS + 1)
    assert enabled(anna) == [False, False, False]
    world.join("bert").connect()
    world.advance(0.1)
    assert enabled(anna) == [True, True, True]


def test_a_viewer_that_leaves_or_unsubscribes_needs_nothing_any_more(world: World) -> None:
    anna, (bert, clara) = publisher_and_viewers(world)
    clara.ask(subscription=UpdateSubscription(track_sids=[camera(clara)], subscribe=False))
    looks(bert, 300, 170)
    world.advance(FALL_SECONDS + 1)
    assert enabled(anna) == [True, False, False]
    world.room.leave(bert.participant, DisconnectReason.CLIENT_INITIATED, world.clock.seconds())
    world.advance(FALL_SECONDS + 1)
    assert enabled(anna) == [False, False, False]


def test_layers_within_one_stream_are_bounded_by_what_is_looked_at(world: World) -> None:
    _, (bert, clara) = publisher_and_viewers(world, rids="")
    looks(bert, 300, 170)
    settings = UpdateTrackSettings(track_sids=[camera(clara)], width=1280, height=720, fps=15)
    clara.ask(track_setting=settings)
    assert [viewer.sending.sinks[0].bounds for viewer in (bert, clara)] == [(0, None), (None, 15)]
    looks(bert, 640, 360)
    clara.ask(track_setting=UpdateTrackSettings(track_sids=[camera(clara)], width=1280, height=720))
    assert [viewer.sending.sinks[0].bounds for viewer in (bert, clara)] == [(1, None), (None, None)]


def test_of_simulcast_every_stream_is_whole(world: World) -> None:
    anna, (bert, _) = publisher_and_viewers(world)
    for number, source in enumerate(anna.receiving.sources):
        world.port.listener.source_started(source, number)
    looks(bert, 300, 170)
    assert bert.sending.sinks[0].bounds == (None, None)


def test_of_sound_nothing_is_told(world: World) -> None:
    anna = world.join("anna")
    anna.connect()
    anna.publish("mic", "audio")
    world.advance(FALL_SECONDS + 1)
    assert not anna.got("subscribed_quality_update")


def publisher_and_viewers(world: World, rids: str = "qhf") -> tuple[Client, list[Client]]:
    anna, viewers = world.join("anna"), [world.join("bert"), world.join("clara")]
    for client in (anna, *viewers):
        client.connect()
    anna.publish("cam", "video", rids=rids, layers=LAYERS)
    world.advance()
    for viewer in viewers:
        viewer.answer()
    return anna, viewers


def camera(viewer: Client) -> str:
    (track,) = viewer.sees()["anna"].tracks
    return track.sid


def looks(viewer: Client, width: int, height: int) -> None:
    viewer.ask(track_setting=UpdateTrackSettings(track_sids=[camera(viewer)], width=width, height=height))


def enabled(publisher: Client) -> list[bool]:
    return [one.enabled for one in publisher.last("subscribed_quality_update").subscribed_qualities]
