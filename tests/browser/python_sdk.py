"""A participant made with the official Python SDK, as a program: `python python_sdk.py URL TOKEN v0|v1 SECONDS`.

Publishes a picture and a tone, subscribes to everybody, prints what it got as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from array import array

from livekit import rtc

WIDTH, HEIGHT = 320, 180
RATE = 48_000
TONE_HERTZ = 440


async def send_picture(source: rtc.VideoSource) -> None:
    step = 0
    while True:
        step = (step + 5) % 256
        upper, lower = bytes((step, 255 - step, 128, 255)), bytes((16, 16, 16, 255))
        pixels = upper * (WIDTH * HEIGHT // 2) + lower * (WIDTH * HEIGHT // 2)
        source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, pixels))
        await asyncio.sleep(1 / 20)


async def send_tone(source: rtc.AudioSource) -> None:
    position = 0
    samples = RATE // 100
    while True:
        tone = array(
            "h", (int(8000 * math.sin(2 * math.pi * TONE_HERTZ * (position + i) / RATE)) for i in range(samples))
        )
        position += samples
        await source.capture_frame(rtc.AudioFrame(tone.tobytes(), RATE, 1, samples))


async def count(track: rtc.RemoteTrack, got: dict[str, int]) -> None:
    if track.kind == rtc.TrackKind.KIND_VIDEO:
        async for _ in rtc.VideoStream(track):
            got["video frames"] += 1
        return
    async for event in rtc.AudioStream(track):
        got["audio frames"] += 1
        got["loudest"] = max(got["loudest"], max(map(abs, array("h", bytes(event.frame.data.cast("b"))))))


async def main(url: str, token: str, version: str, seconds: float) -> None:
    got = {"video frames": 0, "audio frames": 0, "loudest": 0, "data": 0}
    room = rtc.Room()
    tasks: list[asyncio.Task[None]] = []

    @room.on("track_subscribed")
    def subscribed(track: rtc.RemoteTrack, *_: object) -> None:
        tasks.append(asyncio.ensure_future(count(track, got)))

    @room.on("data_received")
    def data(_: object) -> None:
        got["data"] += 1

    await room.connect(url, token, rtc.RoomOptions(single_peer_connection=version == "v1"))
    picture, tone = rtc.VideoSource(WIDTH, HEIGHT), rtc.AudioSource(RATE, 1)
    camera = rtc.LocalVideoTrack.create_video_track("picture", picture)
    microphone = rtc.LocalAudioTrack.create_audio_track("tone", tone)
    tasks += [asyncio.ensure_future(send_picture(picture)), asyncio.ensure_future(send_tone(tone))]
    me = room.local_participant
    await me.publish_track(camera, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA))
    await me.publish_track(microphone, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE))
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await room.disconnect()
    sys.stdout.write(json.dumps(got) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
