"""A picture and a tone to send, and what watches the ones received."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import numpy
from aiortc import AudioStreamTrack, MediaStreamTrack, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from meeting.probe.report import ReceivedTrack

WIDTH, HEIGHT = 640, 360
TONE_HERTZ = 440
AMPLITUDE = 8000  # of 32767


class TestPicture(VideoStreamTrack):
    """Colour bars that move a step with each frame, so that a frozen picture is seen."""

    __test__ = False  # not a test case

    def __init__(self) -> None:
        super().__init__()
        bars = numpy.array(
            [
                [192, 192, 192],
                [192, 192, 0],
                [0, 192, 192],
                [0, 192, 0],
                [192, 0, 192],
                [192, 0, 0],
                [0, 0, 192],
                [16, 16, 16],
            ],
            dtype=numpy.uint8,
        )
        row = numpy.repeat(bars, WIDTH // len(bars), axis=0)
        self._picture = numpy.tile(row, (HEIGHT, 1, 1))
        self._step = 0

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        self._step = (self._step + 4) % WIDTH
        frame = VideoFrame.from_ndarray(
            numpy.ascontiguousarray(numpy.roll(self._picture, self._step, axis=1)), format="rgb24"
        )
        frame.pts, frame.time_base = pts, time_base
        return frame


class TestTone(AudioStreamTrack):
    """A steady sine; the timing is that of aiortc's silent track."""

    __test__ = False  # not a test case

    async def recv(self) -> AudioFrame:
        frame = cast(AudioFrame, await super().recv())
        start = frame.pts or 0
        times = (numpy.arange(frame.samples) + start) / frame.sample_rate
        samples = (AMPLITUDE * numpy.sin(2 * numpy.pi * TONE_HERTZ * times)).astype(numpy.int16)
        frame.planes[0].update(samples.tobytes())
        return frame


async def watch(track: MediaStreamTrack, seen: ReceivedTrack, milliseconds: Callable[[], float]) -> None:
    """Takes frames from `track` into `seen` until it ends. `milliseconds` is the probe's clock."""
    while True:
        try:
            frame = await track.recv()
        except (MediaStreamError, asyncio.CancelledError):
            return
        if seen.first_frame_ms is None:
            seen.first_frame_ms = milliseconds()
        seen.frames += 1
        if isinstance(frame, VideoFrame):
            if seen.frames % 15 == 1:
                seen.brightness = float(frame.to_ndarray(format="gray").mean())
        elif isinstance(frame, AudioFrame):
            seen.loudest = max(seen.loudest or 0, int(abs(frame.to_ndarray().astype(numpy.int32)).max()))
