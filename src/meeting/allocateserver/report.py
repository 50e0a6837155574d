"""`meeting allocate-report`: what the machines on demand have cost, and what a pool of them would have."""

import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from meeting.allocateserver import money
from meeting.allocateserver.money import HOUR, Span
from meeting.allocateserver.values import Machine

USES = ("scheduled", "instant")


def compare(machines: Sequence[Machine], period: Span, price: float, now: int) -> str:
    """A table: hours and cost of each kind, and the same for a pool of as many machines as there ever were at once."""
    begin, end = period[0], min(period[1], now)
    lines = [f"{'':<12}{'machines':>10}{'hours':>12}{'cost':>12}{'at once':>10}{'pre-created':>14}{'saved':>8}"]
    sums: Counter[str] = Counter()
    for use in (*USES, "together"):
        mine = [each for each in machines if use in (each.use, "together")]
        spans = [clipped for each in mine if (clipped := _clipped(money.span_of(each, now), (begin, end)))]
        hours = sum(until - since for since, until in spans) / HOUR
        at_once = peak(spans) if use != "together" else sums["at once"]
        sums["at once"] += at_once if use != "together" else 0
        before = at_once * (end - begin) / HOUR * price
        cost = hours * price
        saved = f"{1 - cost / before:.0%}" if before else ""
        lines.append(f"{use:<12}{len(spans):>10}{hours:>12.1f}{cost:>12.2f}{at_once:>10}{before:>14.2f}{saved:>8}")
    return "\n".join(lines)


def reasons(machines: Iterable[Machine], period: Span) -> str:
    """Why machines ended that should not have, and how often."""
    unusual = Counter(
        f"{each.reason}"
        for each in machines
        if each.ended_at and period[0] <= each.ended_at < period[1] and each.reason != "not needed any more"
    )
    return "\n".join(f"{count:>6} × {reason}" for reason, count in unusual.most_common(10))


def peak(spans: Iterable[Span]) -> int:
    """How many there were at once."""
    steps = sorted(step for begin, end in spans for step in ((begin, 1), (end, -1)))
    most = there = 0
    for _, step in steps:
        there += step
        most = max(most, there)
    return most


def _clipped(span: Span, period: Span) -> Span | None:
    begin, end = max(span[0], period[0]), min(span[1], period[1])
    return (begin, end) if begin < end else None


def main(arguments: Sequence[str]) -> int:
    """The command; gives the exit status."""
    from twisted.python.usage import UsageError

    from meeting.allocateserver.configuration import configuration
    from meeting.allocateserver.ledger import FILE, read
    from meeting.allocateserver.options import Options
    from meeting.daemon.options import Flag

    class ReportOptions(Options):
        synopsis = "Usage: meeting allocate-report --config FILE [--month 2026-11]"
        flags = (*Options.flags, Flag("month", "the month, as 2026-11; without: this one"))

    options: Any = ReportOptions()
    now = int(datetime.now(UTC).timestamp())
    try:
        options.parseOptions(list(arguments))
        month = options["month"] or money.day_of(now)[:7]
        period = money.month_span(month)
        file = options["stateDirectory"] / FILE
        database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        machines = read(database).machines
    except (UsageError, ValueError) as error:
        return _complain(f"--month: write it as 2026-11: {error}" if isinstance(error, ValueError) else str(error))
    except sqlite3.Error as error:
        return _complain(f"{file}: cannot be read: {error}")
    table = configuration(options).machines
    price = table.price if table else 0.0
    print(f"{month}, {price:g} for a machine and hour\n")
    print(compare(machines, period, price, now))
    unusual = reasons(machines, period)
    if unusual:
        print(f"\nMachines that ended otherwise than planned:\n{unusual}")
    return 0


def _complain(text: str) -> int:
    print(f"meeting allocate-report: {text}", file=sys.stderr)
    return 2
