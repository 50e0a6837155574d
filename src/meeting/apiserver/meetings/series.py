"""A series of meetings: what its rule gives and what was changed of it. Pure: nothing here reads or writes.

A series is one meeting to its people: one code, one link, one record of minutes. In the database its row stands at one
occurrence, the one that runs or the next to come, so that joining, presence, servers and reminders treat it as any
meeting; when that occurrence is over, the row moves on (`Scheduling.advance`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from meeting.apiserver.meetings import recurrence, rules
from meeting.apiserver.meetings.recurrence import Rule

#: A series stands at an occurrence for a while after its end (`rules.LAG`), but at the next one this long before it.
_BEFORE_NEXT = timedelta(hours=1)


@dataclass(frozen=True)
class Occurrence:
    """One meeting of a series. `starts_at`, when the rule has it begin, is its name: RECURRENCE-ID."""

    starts_at: datetime
    begin_at: datetime
    end_at: datetime
    #: Null: the title of the series.
    title: str | None = None
    cancelled: bool = False


@dataclass(frozen=True)
class Series:
    """How a meeting recurs."""

    title: str
    rule: Rule
    #: Of the first occurrence as the rule has it.
    begin_at: datetime
    end_at: datetime
    zone: str
    #: The occurrences that are not as the rule has them.
    exceptions: tuple[Occurrence, ...] = ()

    def occurrences(self) -> list[Occurrence]:
        """All of them, the cancelled ones too, in the order of the rule. An exception of no occurrence is none."""
        changed = {each.starts_at: each for each in self.exceptions}
        length = self.end_at - self.begin_at
        return [
            changed.get(moment) or Occurrence(moment, moment, moment + length)
            for moment in recurrence.moments(self.rule, self.begin_at, self.zone)
        ]

    def held(self) -> list[Occurrence]:
        """Those that take place, by when they begin."""
        return sorted((each for each in self.occurrences() if not each.cancelled), key=lambda each: each.begin_at)

    def find(self, starts_at: datetime) -> Occurrence | None:
        """The occurrence that the rule has begin then."""
        return next((each for each in self.occurrences() if each.starts_at == starts_at), None)

    def standing(self, now: datetime) -> tuple[Occurrence, datetime | None] | None:
        """The occurrence the series is at: the first that is not over, else the last; and when it is over and another
        follows. None: all are cancelled.
        """
        held = self.held()
        for each, following in pairwise(held):
            over_at = max(each.end_at, min(each.end_at + rules.LAG, following.begin_at - _BEFORE_NEXT))
            if now < over_at:
                return each, over_at
        return (held[-1], None) if held else None
