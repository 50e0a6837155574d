"""The official Python SDK against the real data plane: two participants see, hear and read one another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from livekit import rtc
from twisted.internet.defer import Deferred

from tests.integration.sfuserver.servers import RunningServer, token
from tests.support.deadlines import deadline

WIDTH, HEIGHT, RATE = 320, 180, 48000
BOTH = pytest.mark.parametrize("single", [False, True], ids=["v0", "v1"])


@pytest.fixture
def server() -> Iterator[RunningServer]:
    running = RunningServer(options={"mediaPort": 0, "mediaAddress": "127.0.0.1"})
    running.start()
    yield running
    pytest_twisted.blockon(Deferred.fromCoroutine(running.stop()))


class Person:
    """A participant with a test picture and a tone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.room = rtc.Room(loop=asyncio.get_event_loop())
        self.frames = 0
        self.brightness = 0
        self.loudness = 0
        self.heard: list[tuple[str, bytes]] = []
        self.texts: list[tuple[str, str]] = []
        self.speakers: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("data_received", self._received)
        self.room.on("active_speakers_changed", self._speaking)
        self.room.register_text_stream_handler("chat", self._stream)

    async def join(self, server: RunningServer, *, single: bool) -> None:
        options = rtc.RoomOptions(single_peer_connection=single)
        await self.room.connect(f"ws://{server.address}", token(self.name), options)

    async def publish(self) -> tuple[str, str]:
        """Sound and picture, from now on; their sids."""
        sound, picture = rtc.AudioSource(RATE, 1), rtc.VideoSource(WIDTH, HEIGHT)
        me = self.room.local_participant
        audio = await me.publish_track(
            rtc.LocalAudioTrack.create_audio_track("mic", sound),
            rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE),
        )
        video = await me.publish_track(
            rtc.LocalVideoTrack.create_video_track("cam", picture),
            rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, simulcast=True),
        )
        self._do(self._speak(sound))
        self._do(self._show(picture))
        return audio.sid, video.sid

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()

    def _do(self, work: Any) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def _speak(self, source: rtc.AudioSource) -> None:
        half = RATE // 100 // 2
        wave = ((b"\x00\x20" * half) + (b"\x00\xe0" * half)) * 10  # a square of ±8192, 100 ms
        while True:
            await source.capture_frame(rtc.AudioFrame(wave, RATE, 1, len(wave) // 2))

    async def _show(self, source: rtc.VideoSource) -> None:
        shade = 0
        while True:
            shade = (shade + 10) % 100
            pixels = bytes([150 + shade]) * (WIDTH * HEIGHT * 4)
            source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, pixels))
            await asyncio.sleep(0.05)

    def _subscribed(self, track: Any, publication: object, participant: object) -> None:
        self._do(self._watch(track) if track.kind == rtc.TrackKind.KIND_VIDEO else self._listen(track))

    async def _watch(self, track: rtc.Track) -> None:
        async for event in rtc.VideoStream(track, format=rtc.VideoBufferType.RGBA):
            self.frames += 1
            self.brightness = max(self.brightness, *event.frame.data[:3])

    async def _listen(self, track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track):
            self.loudness = max(self.loudness, *event.frame.data)

    def _received(self, packet: rtc.DataPacket) -> None:
        self.heard.append((packet.participant.identity if packet.participant else "", packet.data))

    def _speaking(self, speakers: list[rtc.Participant]) -> None:
        self.speakers |= {speaker.identity for speaker in speakers}

    def _stream(self, reader: Any, identity: str) -> None:
        async def read() -> None:
            self.texts.append((identity, await reader.read_all()))

        self._do(read())


def on_asyncio(test: Callable[..., Awaitable[None]], *arguments: Any, **keywords: Any) -> Deferred[None]:
    async def run() -> None:
        await test(*arguments, **keywords)

    return Deferred.fromFuture(asyncio.ensure_future(run()))


async def until(condition: Callable[[], bool]) -> None:
    """The test's own deadline ends this."""
    while not condition():
        await asyncio.sleep(0.05)


@BOTH
@deadline(60)
async def test_two_people_meet(server: RunningServer, single: bool) -> None:
    await on_asyncio(_two_people_meet, server, single)


async def _two_people_meet(server: RunningServer, single: bool) -> None:
    anna, bert = Person("anna"), Person("bert")
    await anna.join(server, single=single)
    audio, video = await anna.publish()
    assert audio.startswith("TR_AM") and video.startswith("TR_VC")
    await bert.join(server, single=single)  # later than what is published
    await bert.publish()
    in_room = next(iter(server.server.rooms)).participants
    assert {who.who.single_connection for who in in_room.values()} == {single}
    for person in (anna, bert):
        await until(lambda person=person: person.frames > 10 and person.loudness > 2000)  # type: ignore[misc]
        assert person.brightness > 100  # not black
    await until(lambda: anna.speakers >= {"bert"} and bert.speakers >= {"anna"})

    await anna.room.local_participant.publish_data(b"reliable")
    await bert.room.local_participant.publish_data(b"lossy", reliable=False)
    await anna.room.local_participant.send_text("a stream of text", topic="chat")
    await until(lambda: bool(bert.heard and anna.heard and bert.texts))
    assert bert.heard == [("anna", b"reliable")]
    assert anna.heard == [("bert", b"lossy")]
    assert bert.texts == [("anna", "a stream of text")]

    remote = bert.room.remote_participants["anna"].track_publications
    assert remote[audio].mime_type == "audio/red"  # each packet repeats those before
    publication = anna.room.local_participant.track_publications[audio]
    assert isinstance(publication.track, rtc.LocalAudioTrack)
    publication.track.mute()
    await until(lambda: remote[audio].muted)
    await anna.room.local_participant.unpublish_track(video)
    await until(lambda: video not in remote)
    await anna.leave()
    await until(lambda: "anna" not in bert.room.remote_participants)
    await bert.leave()


@BOTH
@deadline(60)
async def test_a_call_from_one_to_the_other_is_answered(server: RunningServer, single: bool) -> None:
    await on_asyncio(_a_call_is_answered, server, single)


async def _a_call_is_answered(server: RunningServer, single: bool) -> None:
    anna, bert = Person("anna"), Person("bert")
    await anna.join(server, single=single)
    await bert.join(server, single=single)

    async def greet(data: rtc.RpcInvocationData) -> str:
        return f"{data.payload} {data.caller_identity}"

    bert.room.local_participant.register_rpc_method("greet", greet)
    answer = await anna.room.local_participant.perform_rpc(destination_identity="bert", method="greet", payload="hello")
    assert answer == "hello anna"
    await anna.leave()
    await bert.leave()


@BOTH
@deadline(60)
async def test_people_are_back_by_themselves_after_the_room_was_lost(server: RunningServer, single: bool) -> None:
    await on_asyncio(_people_are_back, server, single)


async def _people_are_back(server: RunningServer, single: bool) -> None:
    """What a restarted server is to its clients: a socket that breaks, and nobody who knows them."""
    anna, bert = Person("anna"), Person("bert")
    await anna.join(server, single=single)
    await bert.join(server, single=single)
    await anna.publish()
    await until(lambda: bert.frames > 5)
    room = next(iter(server.server.rooms))
    before = {who.sid for who in room.participants.values()}
    server.forget_everything()
    await until(lambda: len(server.server.rooms) == 1 and len(next(iter(server.server.rooms)).participants) == 2)
    after = next(iter(server.server.rooms)).participants
    assert not before & {who.sid for who in after.values()}
    frames = bert.frames
    await until(lambda: bert.frames > frames + 5)
    await anna.leave()
    await bert.leave()
