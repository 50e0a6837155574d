"""`make quality`: what Chromium shows of Chromium over bad networks, as a table in docs/performance-loss.md.

Runs in a network of its own (tests/browser/namespace.sh): an sfuserver without a hub, the switch before its media port,
and two browsers, each in a network of its own besides.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any

from playwright.sync_api import Page, sync_playwright

from meeting.daemon.secret import AccessClaims, Secret, mint_access_token
from tests.bench.forwarding import build
from tests.browser.browsers import profile
from tests.browser.networks import SERVERS, Network
from tests.quality.figures import Figures, figures, first_at_width
from tests.quality.report import table, write
from tests.quality.rows import ROWS, Row, asked
from tests.support.processes import SECRET, Daemon, free_port

ROOT = Path(__file__).parents[2]
LIVEKIT = ROOT / "web" / "node_modules" / "livekit-client" / "dist" / "livekit-client.umd.js"
ROOM = "quality"
SETTLING = 12.0
"""Seconds that the publisher has before anybody watches: its own estimate of its way has to grow."""
BEGINNING = 6.0
"""Seconds that the subscriber has before it counts."""
PATIENCE = 30.0
TOP = 1700.0
"""kbit/s of the highest layer at 1280×720."""


class Bench:
    """Everything that runs during all rows; `size` of the picture, `rate` of its highest layer in kbit/s."""

    def __init__(self, stack: ExitStack, folder: Path, size: tuple[int, int], rate: int, seed: int) -> None:
        self._size, self._rate = size, rate
        media, http, pages = free_port(socket.SOCK_DGRAM), free_port(), free_port()
        (folder / "secret").write_text(SECRET)
        settings: dict[str, object] = {
            "domainaddress": f"localhost:{http}",
            "publicUrl": f"http://localhost:{http}",
            "plainHttp": f"0.0.0.0:{http}",
            "stateDirectory": str(folder / "sfuserver"),
            "mediaPort": media,
            "mediaTcpPort": 0,
            # What clients are told is where the switch listens.
            "mediaAddress": [f"{SERVERS[4]}/127.0.0.1"],
            "apiserver": "http://127.0.0.1:9",
        }
        server = Daemon("sfuserver", folder, settings)
        server.start()
        stack.callback(server.stop)
        server.wait_ready(f"http://127.0.0.1:{server.status}/healthz")
        switch = [str(build()), "switch", f"listen={SERVERS[4]}:{media}", f"server=127.0.0.1:{media}", f"seed={seed}"]
        self._switch = stack.enter_context(subprocess.Popen(switch, stdin=subprocess.PIPE, text=True, bufsize=1))
        stack.callback(self._switch.communicate)
        stack.enter_context(_serving((SERVERS[4], pages), folder))
        playwright = stack.enter_context(sync_playwright())
        self._url, self._page = f"ws://localhost:{http}", f"http://localhost:{pages}/page.html"
        self._networks, self._browsers = [], []
        for name in ("publisher", "subscriber"):
            network = Network(stack, folder, name, (4,))
            context = stack.enter_context(profile(playwright, folder / name, network.chromium, network.flags))
            self._networks.append(network)
            self._browsers.append(context.pages[0])

    def _order(self, who: int, how_bad: str) -> None:
        assert self._switch.stdin is not None
        self._switch.stdin.write(f"10.91.{self._networks[who].uplink.number}.2 {how_bad}\n")

    def run(self, row: Row, seconds: float) -> Figures:
        """One row, from a new room on."""
        publisher, subscriber = self._browsers
        orders = [(share, 0, how) for share, how in row.publisher] + [(share, 1, how) for share, how in row.subscriber]
        for who in (0, 1):
            self._order(who, next((how for share, whose, how in orders if share == 0 and whose == who), ""))
        width, height = self._size
        start = time() * 1000
        place = {"url": self._url, "start": start}
        for page in (publisher, subscriber):
            page.goto(self._page)
        sends = {"width": width, "height": height, "fps": 30, "bitrate": self._rate}
        publisher.evaluate("(o) => publish(o)", {**place, **sends, "token": token(row.name, "publisher")})
        publisher.wait_for_timeout(SETTLING * 1000)
        subscriber.evaluate("(o) => watch(o)", {**place, "token": token(row.name, "subscriber")})
        subscriber.wait_for_function("() => shown.length > 0", timeout=PATIENCE * 1000)
        subscriber.wait_for_timeout(BEGINNING * 1000)

        before, idle = subscriber.evaluate("() => count()"), _processors()
        changes = sorted((share, who, how) for share, who, how in orders if share > 0)
        moments: list[float] = []
        for share, who, how in changes:
            _wait_until(subscriber, before["at"] + share * seconds * 1000)
            moments.append(subscriber.evaluate("() => now()"))
            self._order(who, how)
        _wait_until(subscriber, before["at"] + seconds * 1000)
        after, shown = subscriber.evaluate("async () => [await count(), shown]")
        later = _processors()
        for page in (publisher, subscriber):
            page.goto("about:blank")
        busy = 1 - (later[1] - idle[1]) / (later[0] - idle[0])
        took = (after["at"] - before["at"]) / 1000
        got = figures(
            [each for each in shown if before["at"] <= each[0] < after["at"]],
            took,
            after["video"] - before["video"],
            (after["samples"] - before["samples"], after["concealed"] - before["concealed"]),
            busy,
        )
        return got._replace(
            wide_within=first_at_width(shown, before["joined"], width),
            adapted=first_at_width(shown, moments[0], width, narrower=True) if row.narrow else None,
            recovered=first_at_width(shown, moments[1], width) if row.narrow else None,
        )


def _wait_until(page: Page, moment: float) -> None:
    left: float = moment - page.evaluate("() => now()")
    page.wait_for_timeout(max(0.0, left))


def _processors() -> tuple[float, float]:
    """Of all processors since the machine started: time in all, and of it idle."""
    times = [float(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(times), times[3] + times[4]


def token(room: str, identity: str) -> str:
    grants = {"roomJoin": True, "canPublish": True, "canSubscribe": True, "canPublishData": True}
    claims = AccessClaims(
        identity=identity, name=identity, room=f"{ROOM} {room}", grants=grants, expires_at=int(time()) + 3600
    )
    return mint_access_token(Secret(SECRET), claims)


@contextmanager
def _serving(at: tuple[str, int], folder: Path) -> Iterator[None]:
    """The page and livekit-client."""
    files = folder / "pages"
    files.mkdir()
    (files / "page.html").symlink_to(Path(__file__).with_name("page.html"))
    (files / "livekit-client.js").symlink_to(LIVEKIT)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    handler: Callable[..., SimpleHTTPRequestHandler] = partial(Quiet, directory=str(files))
    with ThreadingHTTPServer(at, handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.quality", description="Pictures and sound over bad networks."
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of each row")
    parser.add_argument("--rows", default="", help="only those whose names hold this")
    parser.add_argument(
        "--width", type=int, default=1280, help="of the picture, 16:9; smaller needs less of a processor"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    share = (options.width / 1280) ** 2
    size = (options.width, options.width * 9 // 16)
    measured: list[tuple[Row, Figures]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(stack, folder, size, round(TOP * share), options.seed)
        for row in (asked(each, share=share) for each in ROWS if options.rows in each.name):
            got = bench.run(row, options.seconds)
            measured.append((row, got))
            print(table([measured[-1]])[-1], flush=True)
    write(measured, size, round(TOP * share), options.seconds)


if __name__ == "__main__":
    main()
