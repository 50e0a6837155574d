"""`make bench`: what forwarding and joining cost, as one table, kept in docs/performance.md."""

import argparse
import asyncio
import logging
from typing import Any

from twisted.internet import asyncioreactor, task
from twisted.internet.defer import Deferred

from tests.bench import forwarding, joining, report


async def measure(reactor: Any, options: argparse.Namespace) -> None:
    print("building the load generator (minutes, the first time)", flush=True)
    binary = forwarding.build()
    before = report.Conditions.now()
    print(f"forwarding: {options.rounds} rounds of {options.seconds:g} s, engine and bare loop in turns", flush=True)
    engine, bare = await forwarding.measure_forwarding(
        reactor, binary, options.subscribers, options.rounds, options.seconds
    )
    print(f"joining: {options.joins} joins one after another", flush=True)
    joins = await Deferred.fromFuture(asyncio.ensure_future(joining.measure_joins(options.joins)))
    text = report.tables(options.subscribers, options.seconds, engine, bare, joins)
    print(f"\n{text}", flush=True)
    report.write(text, before, report.Conditions.now())


def main() -> None:
    """`python -m tests.bench [--subscribers N] [--rounds N] [--seconds S] [--joins N]`."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What forwarding and joining cost.")
    parser.add_argument("--subscribers", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round, at least 4")
    parser.add_argument("--joins", type=int, default=15)
    options = parser.parse_args()
    if options.seconds < 4 or options.rounds < 1 or options.joins < 1 or not 1 <= options.subscribers <= 250:
        parser.error("at least 4 seconds, 1 round, 1 join, and 1 to 250 subscribers")
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    asyncioreactor.install()
    from twisted.internet import reactor

    task.react(lambda reactor: Deferred.fromCoroutine(measure(reactor, options)), _reactor=reactor)


main()
