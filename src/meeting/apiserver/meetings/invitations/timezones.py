"""A time zone as VTIMEZONE (RFC 5545 section 3.6.5).

Python knows the offsets of a zone but not its rule, and Outlook wants a rule for each of summer and winter time. Where
both changes of several years come on the same weekday of the same month, that is the rule. Where they do not (a zone
that goes by Ramadan, a law that changed), each change is written down for itself.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from meeting.apiserver.meetings.recurrence import DAYS

#: So many years must agree before they are called a rule; enough to tell a month's last Sunday from its fourth.
_YEARS = 8


@dataclass(frozen=True)
class _Change:
    """From one offset to another, at a moment that is on the clock before it `wall`."""

    wall: datetime
    before: timedelta
    after: timedelta
    name: str
    is_summer: bool


@lru_cache(maxsize=512)
def timezone_of(zone: str, first: int, last: int) -> str:
    """The VTIMEZONE of a zone, good for events of the years `first` to `last` and what recurs after them."""
    info = ZoneInfo(zone)
    # The year before, so that an event in January stands after a change.
    changes = _changes(info, first - 1, max(last, first + _YEARS))
    lines = ["BEGIN:VTIMEZONE", f"TZID:{zone}"]
    kinds = {change.is_summer for change in changes}
    by_kind = [[change for change in changes if change.is_summer is kind] for kind in sorted(kinds)]
    rules = [_rule(of_kind) for of_kind in by_kind]
    if not changes:
        begin = datetime(first - 1, 1, 1, tzinfo=info)
        offset = begin.utcoffset() or timedelta()
        only = _Change(datetime(1970, 1, 1), offset, offset, begin.tzname() or zone, False)
        lines += _observance(only, None)
    elif len(kinds) == 2 and all(rules):
        for of_kind, rule in zip(by_kind, rules, strict=True):
            lines += _observance(of_kind[0], rule)
    else:
        info_before = changes[0].before
        lines += _observance(_Change(datetime(1970, 1, 1), info_before, info_before, zone, False), None)
        for change in changes:
            lines += _observance(change, None)
    return "\r\n".join([*lines, "END:VTIMEZONE", ""])


def _observance(change: _Change, rule: str | None) -> list[str]:
    kind = "DAYLIGHT" if change.is_summer else "STANDARD"
    return [
        f"BEGIN:{kind}",
        f"DTSTART:{change.wall:%Y%m%dT%H%M%S}",
        f"TZOFFSETFROM:{_offset(change.before)}",
        f"TZOFFSETTO:{_offset(change.after)}",
        f"TZNAME:{change.name}",
        *([f"RRULE:{rule}"] if rule else []),
        f"END:{kind}",
    ]


def _rule(changes: list[_Change]) -> str | None:
    """The yearly rule of changes of one kind, if one fits all."""
    walls = [change.wall for change in changes]
    first = changes[0]
    alike = {(w.month, w.weekday(), w.time()) for w in walls}
    steady = {(change.before, change.after) for change in changes} == {(first.before, first.after)}
    if (
        len(alike) != 1
        or not steady
        or [w.year for w in walls] != list(range(walls[0].year, walls[0].year + len(walls)))
    ):
        return None
    from_start = {(w.day - 1) // 7 + 1 for w in walls}
    is_last = all(w.day + 7 > monthrange(w.year, w.month)[1] for w in walls)
    if is_last:
        nth = -1
    elif len(from_start) == 1:
        nth = from_start.pop()
    else:
        return None
    return f"FREQ=YEARLY;BYMONTH={walls[0].month};BYDAY={nth}{DAYS[walls[0].weekday()]}"


def _changes(info: ZoneInfo, first: int, last: int) -> list[_Change]:
    """The changes of offset in these years."""
    found = []
    moment, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)
    while moment < end:
        following = moment + timedelta(days=1)
        if moment.astimezone(info).utcoffset() != following.astimezone(info).utcoffset():
            found.append(_change(info, moment, following))
        moment = following
    return found


def _change(info: ZoneInfo, before: datetime, after: datetime) -> _Change:
    """The change between two moments, to the second."""
    old = before.astimezone(info).utcoffset() or timedelta()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(info).utcoffset() == old:
            before = middle
        else:
            after = middle
    local = after.astimezone(info)
    new = local.utcoffset() or timedelta()
    # Ireland calls its winter time the exception; calendars want the greater offset to be the summer's.
    wall = (after + old).replace(tzinfo=None)
    return _Change(wall, old, new, local.tzname() or "", new > old)


def _offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
