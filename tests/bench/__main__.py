"""`make bench`: what forwarding and joining cost, as one table, kept in docs/performance.md."""

import argparse
import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet import asyncioreactor, task
from twisted.internet.defer import Deferred

from tests.bench import forwarding, joining, report

Measured = TypeVar("Measured")


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
    print(
        f"joining: {options.joins} joins one after another, {options.crowd} into a room of {options.crowd}", flush=True
    )

    def joined(measuring: Coroutine[Any, Any, Measured]) -> Deferred[Measured]:
        return Deferred.fromFuture(asyncio.ensure_future(measuring))

    lean = await joined(joining.measure_lean(binary, options.joins))
    crowd = await joined(joining.measure_crowd(binary, options.crowd, options.crowd))
    sdk = await joined(joining.measure_sdk(options.joins))
    text = report.tables(options.seconds, forwarded, lean, crowd, sdk)
    print(f"\n{text}", flush=True)
    report.write(text, before, report.Conditions.now())


def main() -> None:
    """`python -m tests.bench [--rounds N] [--seconds S] [--joins N] [--crowd N]`."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What forwarding and joining cost.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round, at least 4")
    parser.add_argument("--joins", type=int, default=15)
    parser.add_argument("--crowd", type=int, default=200, help="who come at once, to as many")
    options = parser.parse_args()
    if options.seconds < 4 or options.rounds < 1 or options.joins < 1 or options.crowd < 2:
        parser.error("at least 4 seconds, 1 round, 1 join and a crowd of 2")
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    asyncioreactor.install()
    from twisted.internet import reactor

    task.react(lambda reactor: Deferred.fromCoroutine(measure(reactor, options)), _reactor=reactor)


main()
