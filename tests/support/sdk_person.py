"""A participant made with LiveKit's Python SDK: a real native client, for measuring and for wearing a server out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from time import monotonic
from typing import Any

from livekit import rtc

WIDTH, HEIGHT, RATE = 320, 180, 48000
FRAMES_A_SECOND = 15


class SdkPerson:
    """Joins, shows a grey picture and sounds a tone, sees and hears everybody; says when things came."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.room = rtc.Room(loop=asyncio.get_running_loop())
        self.frames = 0
        self.sounds = 0
        self.messages = 0
        self.first_frame = asyncio.Event()
        self.first_sound = asyncio.Event()
        self.left: set[str] = set()
        """Identities of those that left while we were here."""
        self.changed = asyncio.Event()
        """Set whenever somebody left; for whoever waits to clear."""
        self.times: dict[str, float] = {}
        """What happened first → seconds since the WebSocket was asked for."""
        self._began = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("data_received", self._received)
        self.room.on("participant_disconnected", self._gone)

    async def join(self, url: str, token: str, *, single: bool = False) -> None:
        """`single`: one peer connection instead of two."""
        self._began = monotonic()
        await self.room.connect(url, token, rtc.RoomOptions(single_peer_connection=single))
        self._note("joined")

    async def publish(self, *, sound: bool = True, picture: bool = True) -> list[str]:
        """Begins to send; the tracks' sids."""
        me = self.room.local_participant
        sids = []
        if sound:
            microphone = rtc.AudioSource(RATE, 1)
            track: Any = rtc.LocalAudioTrack.create_audio_track("mic", microphone)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            sids.append((await me.publish_track(track, options)).sid)
            self._do(self._speak(microphone))
        if picture:
            camera = rtc.VideoSource(WIDTH, HEIGHT)
            track = rtc.LocalVideoTrack.create_video_track("cam", camera)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, simulcast=False)
            sids.append((await me.publish_track(track, options)).sid)
            self._do(self._show(camera))
        return sids

    async def leave(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.room.disconnect()

    async def misses(self, identity: str) -> None:
        """Waits until it has heard that somebody left."""
        while identity not in self.left:
            self.changed.clear()
            await self.changed.wait()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note(self, what: str) -> None:
        self.times.setdefault(what, monotonic() - self._began)

    async def _speak(self, source: rtc.AudioSource) -> None:
        half = RATE // 100 // 2
        wave = ((b"\x00\x20" * half) + (b"\x00\xe0" * half)) * 2  # a square of ±8192, 20 ms
        while True:
            await source.capture_frame(rtc.AudioFrame(wave, RATE, 1, len(wave) // 2))

    async def _show(self, source: rtc.VideoSource) -> None:
        shade = 0
        while True:
            shade = (shade + 10) % 100
            pixels = bytes([150 + shade]) * (WIDTH * HEIGHT * 3 // 2)
            source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.I420, pixels))
            await asyncio.sleep(1 / FRAMES_A_SECOND)

    def _subscribed(self, track: Any, publication: object, participant: object) -> None:
        self._note("subscribed")
        # The streams are made at once: in a later turn the track may be gone.
        video = track.kind == rtc.TrackKind.KIND_VIDEO
        self._do(self._watch(rtc.VideoStream(track)) if video else self._listen(rtc.AudioStream(track)))

    async def _watch(self, stream: rtc.VideoStream) -> None:
        try:
            async for _ in stream:
                self.frames += 1
                self._note("picture")
                self.first_frame.set()
        finally:
            await stream.aclose()

    async def _listen(self, stream: rtc.AudioStream) -> None:
        try:
            async for event in stream:
                self.sounds += 1
                # Before the first packet the SDK plays silence.
                if not self.first_sound.is_set() and any(event.frame.data):
                    self._note("sound")
                    self.first_sound.set()
        finally:
            await stream.aclose()

    def _received(self, packet: rtc.DataPacket) -> None:
        self.messages += 1

    def _gone(self, participant: rtc.RemoteParticipant) -> None:
        self.left.add(participant.identity)
        self.changed.set()
