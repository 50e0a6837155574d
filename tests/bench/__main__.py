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
    forwarded = []
    for scenario in forwarding.SCENARIOS:
        print(
            f"{scenario.name}: {options.rounds} rounds of {options.seconds:g} s, engine and bare loop in turns",
            flush=True,
        )
        rounds = await forwarding.measure_forwarding(reactor, binary, scenario, options.rounds, options.seconds)
        forwarded.append((scenario, *rounds))
    print(f"joining: {options.joins} joins one after another", flush=True)
    joins = await Deferred.fromFuture(asyncio.ensure_future(joining.measure_joins(options.joins)))
    text = report.tables(options.seconds, forwarded, joins)
    print(f"\n{text}", flush=True)
    report.write(text, before, report.Conditions.now())


def main() -> None:
    """`python -m tests.bench [--rounds N] [--seconds S] [--joins N]`."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What forwarding and joining cost.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round, at least 4")
    parser.add_argument("--joins", type=int, default=15)
    options = parser.parse_args()
    if options.seconds < 4 or options.rounds < 1 or options.joins < 1:
        parser.error("at least 4 seconds, 1 round and 1 join")
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    asyncioreactor.install()
    from twisted.internet import reactor

    task.react(lambda reactor: Deferred.fromCoroutine(measure(reactor, options)), _reactor=reactor)


main()
