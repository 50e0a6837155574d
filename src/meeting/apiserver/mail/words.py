"""Dates and times as people of a language write them, in a time zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time

#: The languages mails are written in, those of the web client, each with the region whose dates and times it takes:
#: day before month, 24 hours.
LOCALES = {"en": Locale("en", "GB"), "de": Locale("de", "DE")}


def known_language(language: str) -> str:
    """The language mails are written in for somebody who has chosen `language` (`de`, `de-AT`); else English."""
    primary = language.partition("-")[0].lower()
    return primary if primary in LOCALES else "en"


def day(moment: datetime, zone: str, language: str, *, short: bool = False) -> str:
    """`Monday, 23 November 2026`; short: `Mon, 23 Nov 2026`."""
    locale = LOCALES[known_language(language)]
    local = moment.astimezone(ZoneInfo(zone))
    if short:
        return str(format_skeleton("yMMMEd", local, tzinfo=local.tzinfo, locale=locale))
    return str(format_date(local, "full", locale=locale))


def moment(at: datetime, zone: str, language: str) -> str:
    """`Monday, 23 November 2026, 15:00 (Europe/Berlin)`."""
    locale = LOCALES[known_language(language)]
    local = at.astimezone(ZoneInfo(zone))
    time = format_time(local, "short", tzinfo=local.tzinfo, locale=locale)
    return f"{day(at, zone, language)}, {time} ({zone})"


def span(begin: datetime, end: datetime, zone: str, language: str, *, short: bool = False) -> str:
    """From when to when: `Monday, 23 November 2026, 15:00–16:00 (Europe/Berlin)`; with the second day where it is
    another one.
    """
    locale = LOCALES[known_language(language)]
    first, last = (moment.astimezone(ZoneInfo(zone)) for moment in (begin, end))
    until = str(format_time(last, "short", tzinfo=last.tzinfo, locale=locale))
    if first.date() != last.date():
        until = f"{day(end, zone, language, short=short)}, {until}"
    since = format_time(first, "short", tzinfo=first.tzinfo, locale=locale)
    dash = "–" if first.date() == last.date() else " – "
    return f"{day(begin, zone, language, short=short)}, {since}{dash}{until} ({zone})"
