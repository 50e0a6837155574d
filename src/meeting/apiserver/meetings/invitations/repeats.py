"""How a meeting recurs, in words: `Every 2 weeks on Tuesday and Thursday, until 31 December 2027`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from babel.dates import format_date, get_day_names, get_month_names
from babel.lists import format_list

from meeting.apiserver.mail.words import LOCALES, known_language
from meeting.apiserver.meetings.recurrence import Rule


@dataclass(frozen=True)
class _Words:
    """What a language says. `{n}` is a number, `{days}`, `{day}`, `{month}`, `{nth}`, `{date}` what they are called."""

    #: For each frequency: with an interval of one, and with another.
    every: Mapping[str, tuple[str, str]]
    on_days: str
    on_day_of_month: str
    on_last_day: str
    on_nth: str
    workdays: str
    a_workday: str
    of_month: str
    times: tuple[str, str]
    until: str
    nth: Mapping[int, str]


_WORDS = {
    "en": _Words(
        every=MappingProxyType(
            {
                "DAILY": ("Every day", "Every {n} days"),
                "WEEKLY": ("Every week", "Every {n} weeks"),
                "MONTHLY": ("Every month", "Every {n} months"),
                "YEARLY": ("Every year", "Every {n} years"),
            }
        ),
        on_days="on {days}",
        on_day_of_month="on day {days}",
        on_last_day="on the last day",
        on_nth="on the {nth} {day}",
        workdays="Monday to Friday",
        a_workday="workday",
        of_month="of {month}",
        times=("once", "{n} times"),
        until="until {date}",
        nth=MappingProxyType(
            {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "last but one"}
        ),
    ),
    "de": _Words(
        every=MappingProxyType(
            {
                "DAILY": ("Jeden Tag", "Alle {n} Tage"),
                "WEEKLY": ("Jede Woche", "Alle {n} Wochen"),
                "MONTHLY": ("Jeden Monat", "Alle {n} Monate"),
                "YEARLY": ("Jedes Jahr", "Alle {n} Jahre"),
            }
        ),
        on_days="am {days}",
        on_day_of_month="am {days}.",
        on_last_day="am letzten Tag",
        on_nth="am {nth} {day}",
        workdays="Montag bis Freitag",
        a_workday="Werktag",
        of_month="im {month}",
        times=("einmal", "{n} Mal"),
        until="bis {date}",
        nth=MappingProxyType(
            {1: "ersten", 2: "zweiten", 3: "dritten", 4: "vierten", 5: "fünften", -1: "letzten", -2: "vorletzten"}
        ),
    ),
}


def in_words(rule: Rule, begin_at: datetime, zone: str, language: str) -> str:
    """The rule of a series whose first meeting begins at `begin_at`, for a reader of `language`."""
    language = known_language(language)
    words, locale = _WORDS[language], LOCALES[language]
    one, several = words.every[rule.frequency]
    parts = [one if rule.interval == 1 else several.format(n=rule.interval), _when(rule, words, language)]
    months: Sequence[str] = [str(get_month_names("wide", locale=locale)[month]) for month in rule.by_month]
    if months:
        parts.append(words.of_month.format(month=format_list(months, locale=locale)))
    elif rule.frequency == "YEARLY":
        local = begin_at.astimezone(ZoneInfo(zone))
        parts[1] = words.on_days.format(days=_date(local, language))
    text = " ".join(part for part in parts if part)
    if rule.count is not None:
        times = words.times[0] if rule.count == 1 else words.times[1].format(n=rule.count)
        return f"{text}, {times}"
    assert rule.until is not None, "a series has an end"
    until = format_date(rule.until.astimezone(ZoneInfo(zone)).date(), "long", locale=locale)
    return f"{text}, {words.until.format(date=until)}"


def _when(rule: Rule, words: _Words, language: str) -> str:
    """On which days."""
    locale = LOCALES[language]
    names = get_day_names("wide", locale=locale)
    days = [day for _, day in rule.by_day]
    if rule.by_position:
        all_work = sorted(days) == [0, 1, 2, 3, 4]
        of = words.a_workday if all_work else format_list([str(names[day]) for day in days], "or", locale=locale)
        return format_list([_nth(place, of, words) for place in rule.by_position], locale=locale)
    if any(nth for nth, _ in rule.by_day):
        on = [_nth(nth, str(names[day]), words) if nth else str(names[day]) for nth, day in rule.by_day]
        return format_list(on, locale=locale)
    if rule.by_day:
        if sorted(days) == [0, 1, 2, 3, 4]:
            return words.on_days.format(days=words.workdays) if language == "en" else f"von {words.workdays}"
        return words.on_days.format(days=format_list([str(names[day]) for day in days], locale=locale))
    if rule.by_month_day == (-1,):
        return words.on_last_day
    if rule.by_month_day:
        return words.on_day_of_month.format(days=format_list([str(day) for day in rule.by_month_day], locale=locale))
    return ""


def _nth(place: int, day: str, words: _Words) -> str:
    return words.on_nth.format(nth=words.nth.get(place, f"{place}."), day=day)


def _date(local: datetime, language: str) -> str:
    return str(format_date(local.date(), "d MMMM" if language == "en" else "d. MMMM", locale=LOCALES[language]))
