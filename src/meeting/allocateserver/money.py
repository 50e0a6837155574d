"""What machines have cost and will cost, by days and months of UTC. No I/O and no clock."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from meeting.allocateserver.values import Budget, Machine

HOUR = 3600

Span = tuple[int, int]
"""From the first second to the second after the last."""


def day_of(moment: int) -> str:
    """`2026-11-23`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def days(span: Span) -> Iterator[tuple[str, Span]]:
    """The days that a span touches, each with its part of it."""
    begin, end = span
    while begin < end:
        midnight = begin - begin % 86_400 + 86_400
        yield day_of(begin), (begin, min(end, midnight))
        begin = midnight


def month_span(month: str) -> Span:
    """The whole of a month `2026-11`. Raises ValueError."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    following = (first + timedelta(days=32)).replace(day=1)
    return int(first.timestamp()), int(following.timestamp())


def span_of(machine: Machine, now: int) -> Span:
    """For how long a machine has been paid for."""
    return machine.intended_at, machine.ended_at or max(now, machine.intended_at)


def seconds_by_day(spans: Iterable[Span]) -> Counter[str]:
    """Seconds of machines on each day."""
    found: Counter[str] = Counter()
    for span in spans:
        for day, (begin, end) in days(span):
            found[day] += end - begin
    return found


def over_budget(budget: Budget, seconds: Counter[str], touched: Iterable[str]) -> str | None:
    """Why the days `touched`, or their months, would cost more than they may. None: they would not."""
    touched = set(touched)
    if budget.per_day is not None:
        for day in sorted(touched):
            cost = seconds[day] * budget.price / HOUR
            if cost > budget.per_day:
                return f"The spending cap of {budget.per_day:g} a day would be passed on {day}: {cost:.2f}."
    if budget.per_month is not None:
        for month in sorted({day[:7] for day in touched}):
            cost = sum(count for day, count in seconds.items() if day[:7] == month) * budget.price / HOUR
            if cost > budget.per_month:
                return f"The spending cap of {budget.per_month:g} a month would be passed in {month}: {cost:.2f}."
    return None
