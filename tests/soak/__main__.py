"""`make soak`: participants come and go by a seed, for as long as wanted; afterwards nothing of them may be left."""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
from collections import Counter
from pathlib import Path
from random import SystemRandom
from time import monotonic
from typing import Any

from twisted.internet import asyncioreactor, task
from twisted.internet.defer import Deferred

from tests.soak.people import Place
from tests.soak.server import AWAY, DEPARTURE, Seen, Servers, running, token

WAVE = 15.0
"""Seconds of coming and going; then all leave, and what is left is looked at."""
EMPTYING = 30.0 + AWAY + DEPARTURE
"""Seconds within which the last trace of everybody is gone."""
MOST_GROWTH = 32 << 20
"""Bytes the resident memory of the empty server may grow by after the first wave, however long it goes on."""
MOST_DESCRIPTORS = 4
"""File descriptors it may have more: kept connections to the hub come and go."""


async def wave(servers: Servers, places: list[Place], seconds: float) -> Seen:
    until = monotonic() + seconds
    await asyncio.gather(*(place.visits(until) for place in places))
    end = monotonic() + EMPTYING
    seen = servers.look()
    while not seen.empty and monotonic() < end:
        await asyncio.sleep(0.5)
        seen = servers.look()
    return seen


def faults(first: Seen, last: Seen, waves: list[Seen], places: list[Place], errors: list[str]) -> list[str]:
    """What must not be, each in a line; empty when all is well."""
    found = [f"after wave {n}: {one.rooms} rooms, {one.links} links" for n, one in enumerate(waves, 1) if not one.empty]
    if last.rss - first.rss > MOST_GROWTH:
        found.append(f"memory grew by {(last.rss - first.rss) >> 20} MiB after the first wave")
    if last.descriptors - first.descriptors > MOST_DESCRIPTORS:
        found.append(f"{last.descriptors - first.descriptors} more file descriptors than after the first wave")
    found += [f"{name}: {count}" for name, count in (("trouble", last.trouble), ("panics", last.panics)) if count]
    if last.lost:
        found.append(f"events dropped: {last.lost}")
    did = sum((place.did for place in places), Counter[str]())
    wanted = ("joined", "left", "published", "pictures seen", "sounds heard", "messages read", "torn away")
    found += [f"nobody ever: {what}" for what in wanted if not did[what]]
    found += [f"failed: {failure}" for place in places for failure in place.failures]
    return found + errors


async def soak(options: argparse.Namespace) -> int:
    print(f"seed {options.seed}: {options.people} people in {options.rooms} rooms", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        with running(Path(folder)) as servers:
            places = [Place(n, options.seed, servers.address, options.rooms, token) for n in range(options.people)]
            waves: list[Seen] = []
            end = monotonic() + options.minutes * 60
            # A second wave at least: the first is what growth is counted from.
            while len(waves) < 2 or monotonic() + WAVE < end:
                seen = await wave(servers, places, WAVE)
                waves.append(seen)
                did = sum((place.did for place in places), Counter[str]())
                left = f"{seen.rooms} rooms and {seen.links} links left"
                held = f"{seen.rss >> 20} MiB, {seen.descriptors} descriptors"
                joins = did["joined"] + did["torn away"]
                print(f"wave {len(waves)}: {joins} joins so far; {held}; {left}", flush=True)
                if not seen.empty:
                    break
        found = faults(waves[0], waves[-1], waves, places, servers.errors())
    print(", ".join(f"{what}: {count}" for what, count in sorted(did.items())))
    for fault in found:
        print(f"fault: {fault}")
    print("all well" if not found else f"{len(found)} faults; again with --seed {options.seed}")
    return 1 if found else 0


def main() -> None:
    """`python -m tests.soak [--minutes N] [--people N] [--rooms N] [--seed TEXT]`."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Participants come and go.")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--people", type=int, default=6, help="at once")
    parser.add_argument("--rooms", type=int, default=2)
    parser.add_argument("--seed", default=f"{SystemRandom().getrandbits(32):08x}")
    options = parser.parse_args()
    if options.minutes <= 0 or options.people < 1 or options.rooms < 1:
        parser.error("some time, at least 1 person, and 1 room")
    # The SDK complains about its own being in a hurry; what matters of it is counted.
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    asyncioreactor.install()
    from twisted.internet import reactor

    def finish(status: int) -> None:
        raise SystemExit(status)

    def start(reactor: Any) -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(soak(options))).addCallback(finish)

    task.react(start, _reactor=reactor)


main()
