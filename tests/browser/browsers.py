"""Chromium with fake devices, and what can be measured from outside the page.

Everything is read from the DOM and from the browser's own statistics (`RTCPeerConnection.getStats`,
https://www.w3.org/TR/webrtc-stats/); the web client exposes nothing for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from playwright.sync_api import BrowserContext, Page, Playwright

T = TypeVar("T")

CHROMIUM = "/usr/bin/chromium"

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    # Two browsers share the machine with the servers: ten pictures a second are enough to be counted.
    "--use-fake-device-for-media-stream=fps=10",
    "--autoplay-policy=no-user-gesture-required",
)

#: Keeps every peer connection that the page makes where `peer_statistics` finds it.
COLLECT_PEER_CONNECTIONS = """
(() => {
  const connections = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) { super(...args); connections.push(this); }
  };
  Object.defineProperty(window, "peerConnections", { value: connections });
})();
"""

PEER_STATISTICS = """
async () => {
  const rows = [];
  for (const connection of window.peerConnections) {
    if (connection.connectionState !== "connected") continue;
    (await connection.getStats()).forEach((row) => rows.push(row));
  }
  return rows;
}
"""

#: Mean brightness (0…255) and variance of what a <video> shows, in a 32 × 32 copy.
PICTURE = """
(video) => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 32;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 32, 32);
  const pixels = context.getImageData(0, 0, 32, 32).data;
  let sum = 0, squares = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const grey = (pixels[i] + pixels[i + 1] + pixels[i + 2]) / 3;
    sum += grey; squares += grey * grey;
  }
  const count = pixels.length / 4, mean = sum / count;
  return { mean, variance: squares / count - mean * mean, frames: video.getVideoPlaybackQuality().totalVideoFrames };
}
"""


@contextmanager
def profile(
    playwright: Playwright, directory: Path, program: str | Path = CHROMIUM, flags: Sequence[str] = ()
) -> Iterator[BrowserContext]:
    """A Chromium of its own, as a second person's would be: own process, own cookies, own devices.

    `program`: Chromium, or what starts it elsewhere; `flags`: further ones.
    """
    context = playwright.chromium.launch_persistent_context(
        str(directory),
        executable_path=str(program),
        headless=True,
        args=[*FLAGS, *flags],
        ignore_https_errors=True,
        permissions=["clipboard-read", "clipboard-write"],
        viewport={"width": 1280, "height": 800},
        locale="en-GB",
    )
    context.add_init_script(COLLECT_PEER_CONNECTIONS)
    try:
        yield context
    finally:
        context.close()


def peer_statistics(page: Page) -> list[dict[str, Any]]:
    """The statistics rows of all connected peer connections of the page."""
    rows: list[dict[str, Any]] = page.evaluate(PEER_STATISTICS)
    return rows


def eventually(what: str, probe: Callable[[], T | None], *, within: float = 20.0, page: Page) -> T:
    """The first true answer of `probe`, asked every 200 ms; AssertionError naming `what` after `within` seconds."""
    deadline = monotonic() + within
    while True:
        answer = probe()
        if answer:
            return answer
        if monotonic() > deadline:
            raise AssertionError(f"not within {within:.0f} s: {what} (last answer: {answer!r})")
        page.wait_for_timeout(200)
