"""How a meeting recurs: a rule of RFC 5545 section 3.3.10, read strictly, and the moments it stands for.

What can be said: DAILY; WEEKLY with BYDAY; MONTHLY with BYMONTHDAY, or with BYDAY (`2TU`, `-1FR`, or plain days and
BYSETPOS); YEARLY the same with BYMONTH; each with INTERVAL, WKST, and COUNT or UNTIL. A series has an end: at most
`MOST_OCCURRENCES`, so that whoever asks when it is has an answer at once.

The wall clock of the meeting's zone counts. What falls into the hour that a change to summer time leaves out comes at
the offset before the change; of an hour that comes twice the first is meant (RFC 5545 section 3.3.5).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from types import MappingProxyType
from zoneinfo import ZoneInfo

from dateutil import rrule

from meeting.daemon.errors import BadRequest

#: Two years of days.
MOST_OCCURRENCES = 730
LONGEST_RULE = 300

_FREQUENCIES = MappingProxyType(
    {"DAILY": rrule.DAILY, "WEEKLY": rrule.WEEKLY, "MONTHLY": rrule.MONTHLY, "YEARLY": rrule.YEARLY}
)
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
#: The parts a rule of each frequency may have, beside those that all have.
_PARTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "DAILY": frozenset(),
        "WEEKLY": frozenset({"BYDAY"}),
        "MONTHLY": frozenset({"BYDAY", "BYMONTHDAY", "BYSETPOS"}),
        "YEARLY": frozenset({"BYDAY", "BYMONTHDAY", "BYSETPOS", "BYMONTH"}),
    }
)
_ALWAYS = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"})
#: In a leap year.
_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class Rule:
    """A rule that was read and makes sense."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    #: (which of the month, or 0 for each; 0 = Monday … 6 = Sunday)
    by_day: tuple[tuple[int, int], ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_position: tuple[int, ...] = ()
    week_start: int = 0

    def __str__(self) -> str:
        """In the one form in which it is kept and sent."""
        parts = [f"FREQ={self.frequency}"]
        if self.interval != 1:
            parts.append(f"INTERVAL={self.interval}")
        if self.by_month:
            parts.append(f"BYMONTH={_listed(self.by_month)}")
        if self.by_month_day:
            parts.append(f"BYMONTHDAY={_listed(self.by_month_day)}")
        if self.by_day:
            parts.append("BYDAY=" + ",".join(f"{nth or ''}{DAYS[day]}" for nth, day in self.by_day))
        if self.by_position:
            parts.append(f"BYSETPOS={_listed(self.by_position)}")
        if self.week_start:
            parts.append(f"WKST={DAYS[self.week_start]}")
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.until is not None:
            parts.append(f"UNTIL={self.until:%Y%m%dT%H%M%SZ}")
        return ";".join(parts)


@lru_cache(maxsize=512)
def read(text: str, zone: str) -> Rule:
    """The rule `text` (with or without `RRULE:`), as it is meant in a time zone. Raises BadRequest, saying what to
    write.
    """
    given = _parts(text)
    frequency = given.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise BadRequest(f"recurrence: FREQ is one of {', '.join(_FREQUENCIES)}, for example FREQ=WEEKLY.")
    strange = sorted(given.keys() - _ALWAYS - _PARTS[frequency])
    if strange:
        known = ", ".join(sorted(_PARTS[frequency] | _ALWAYS))
        raise BadRequest(f"recurrence: {strange[0]} cannot stand in a {frequency} rule here; known are {known}.")
    if ("COUNT" in given) == ("UNTIL" in given):
        raise BadRequest("recurrence: say when the series ends, by either COUNT=10 or UNTIL=20271231.")
    rule = Rule(
        frequency,
        interval=_number(given, "INTERVAL", 1, 99) if "INTERVAL" in given else 1,
        count=_number(given, "COUNT", 1, MOST_OCCURRENCES) if "COUNT" in given else None,
        until=_until(given["UNTIL"], zone) if "UNTIL" in given else None,
        by_day=tuple(dict.fromkeys(_day(text) for text in given["BYDAY"].split(","))) if "BYDAY" in given else (),
        by_month_day=_numbers(given, "BYMONTHDAY", 31),
        by_month=_numbers(given, "BYMONTH", 12, negative=False),
        by_position=_numbers(given, "BYSETPOS", 28),
        week_start=_day(given["WKST"])[1] if "WKST" in given else 0,
    )
    _check(rule)
    return rule


@lru_cache(maxsize=512)
def moments(rule: Rule, begin_at: datetime, zone: str) -> tuple[datetime, ...]:
    """When the occurrences of a rule begin, the first at `begin_at` (UTC), in order."""
    return tuple(islice(_moments(rule, begin_at, zone), MOST_OCCURRENCES))


def check_series(rule: Rule, begin_at: datetime, end_at: datetime, zone: str) -> None:
    """Raises BadRequest unless a first meeting at these times can recur by the rule."""
    if _to_utc(_local(begin_at, zone), zone) != begin_at:
        raise BadRequest("recurrence: this hour comes twice that day; a series cannot begin in the second one.")
    found = list(islice(_moments(rule, begin_at, zone), MOST_OCCURRENCES + 1))
    if len(found) > MOST_OCCURRENCES:
        raise BadRequest(f"recurrence: a series has at most {MOST_OCCURRENCES} meetings; let it end earlier.")
    if not found:
        raise BadRequest("recurrence: it ends before it begins; let UNTIL be later.")
    if found[0] != begin_at:
        raise BadRequest(
            f"recurrence: the first meeting must be one the rule gives; the first after the given one is on "
            f"{_local(found[0], zone):%A, %Y-%m-%d}."
        )
    if any(later - earlier < end_at - begin_at for earlier, later in pairwise(found)):
        raise BadRequest("recurrence: a meeting of a series ends before the next begins.")


def split(rule: Rule, begin_at: datetime, zone: str, at: datetime) -> tuple[Rule, Rule]:
    """The rule as it ends before its occurrence `at`, and as it goes on from there with as many as are left.

    By UNTIL, as RFC 5546 section 3.2.2.1 and calendar programs have it for "this and following".
    """
    before = sum(1 for moment in moments(rule, begin_at, zone) if moment < at)
    head = replace(rule, count=None, until=at - timedelta(seconds=1))
    tail = rule if rule.count is None else replace(rule, count=rule.count - before)
    return head, tail


def _moments(rule: Rule, begin_at: datetime, zone: str) -> Iterator[datetime]:
    weekdays = [rrule.weekday(day, nth or None) for nth, day in rule.by_day]
    local = rrule.rrule(
        _FREQUENCIES[rule.frequency],
        dtstart=_local(begin_at, zone),
        interval=rule.interval,
        wkst=rule.week_start,
        count=rule.count,
        byweekday=weekdays or None,
        bymonthday=rule.by_month_day or None,
        bymonth=rule.by_month or None,
        bysetpos=rule.by_position or None,
    )
    for wall in local:
        moment = _to_utc(wall, zone)
        if rule.until is not None and moment > rule.until:
            return
        yield moment


def _local(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def _to_utc(wall: datetime, zone: str) -> datetime:
    # With fold=0 a time that does not exist has the offset before the change, one that comes twice is the first.
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _parts(text: str) -> dict[str, str]:
    text = text.strip().upper().removeprefix("RRULE:")
    if len(text) > LONGEST_RULE:
        raise BadRequest(f"recurrence: a rule has at most {LONGEST_RULE} characters.")
    parts: dict[str, str] = {}
    for part in text.removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise BadRequest(f"recurrence: {part[:40]!r} is no part of a rule; one looks like FREQ=WEEKLY;COUNT=10.")
        if name in parts:
            raise BadRequest(f"recurrence: {name[:20]} stands there twice.")
        parts[name] = value
    return parts


def _check(rule: Rule) -> None:
    """What the parts may not be together, so that every rule has occurrences."""
    if rule.by_day and rule.by_month_day:
        raise BadRequest("recurrence: BYDAY and BYMONTHDAY cannot stand in one rule here.")
    ordinals = any(nth for nth, _ in rule.by_day)
    if rule.frequency == "WEEKLY" and ordinals:
        raise BadRequest("recurrence: in a WEEKLY rule BYDAY has plain days, like BYDAY=MO,WE.")
    if rule.frequency == "YEARLY" and (rule.by_day or rule.by_month_day) and not rule.by_month:
        raise BadRequest("recurrence: a YEARLY rule with days needs its BYMONTH.")
    if rule.by_position and (not rule.by_day or ordinals):
        raise BadRequest("recurrence: BYSETPOS needs plain days, like BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1.")
    if any(abs(position) > 4 * len(rule.by_day) for position in rule.by_position):
        raise BadRequest("recurrence: no month has so many of these days as BYSETPOS says.")
    longest = max((_DAYS_OF_MONTH[month - 1] for month in rule.by_month), default=31)
    if any(abs(day) > longest for day in rule.by_month_day):
        raise BadRequest("recurrence: the month has no such day.")


def _until(text: str, zone: str) -> datetime:
    """UTC. A day means all of it, a time without Z is of the zone."""
    found = _UNTIL.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        day = datetime.strptime(found[1], "%Y%m%d").date()
        clock = datetime.strptime(found[2], "%H%M%S").time() if found[2] else time(23, 59, 59)
        wall = datetime.combine(day, clock)
        return wall.replace(tzinfo=UTC) if found[3] else _to_utc(wall, zone)
    except (ValueError, OverflowError) as error:
        raise BadRequest("recurrence: UNTIL is a day or a moment, like 20271231 or 20271231T225959Z.") from error


def _day(text: str) -> tuple[int, int]:
    found = _DAY.fullmatch(text)
    if found is None:
        raise BadRequest(f"recurrence: {text[:20]!r} is no day; days are {', '.join(DAYS)}, or 2TU, -1FR in a month.")
    return int(found[1] or 0), DAYS.index(found[2])


def _numbers(given: Mapping[str, str], name: str, most: int, *, negative: bool = True) -> tuple[int, ...]:
    if name not in given:
        return ()
    numbers = [_integer(name, text) for text in given[name].split(",")]
    for number in numbers:
        if not 1 <= abs(number) <= most or (number < 0 and not negative):
            raise BadRequest(
                f"recurrence: {name} goes from 1 to {most}" + (", or backwards from -1." if negative else ".")
            )
    return tuple(dict.fromkeys(numbers))


def _number(given: Mapping[str, str], name: str, least: int, most: int) -> int:
    number = _integer(name, given[name])
    if not least <= number <= most:
        raise BadRequest(f"recurrence: {name} goes from {least} to {most}.")
    return number


def _integer(name: str, text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,4}", text):
        raise BadRequest(f"recurrence: {name}={text[:20]} is no number.")
    return int(text)


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(str(number) for number in numbers)
