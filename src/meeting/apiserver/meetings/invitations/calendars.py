"""Meetings as iCalendar (RFC 5545) and iTIP (RFC 5546), as Outlook, Google and Apple Calendar take it.

* The organizer is the address mails come from, under the owner's name: a calendar program takes a change only from the
  address that sent the invitation. Answers are given by the links in the mail (`replies.py`), which is why none is
  asked for by mail (RSVP=FALSE).
* One attendee: whoever gets the mail. Who else is invited is the owner's to tell.
* A series is one event with its rule, EXDATE for what was cancelled of it, and an event with RECURRENCE-ID for each
  occurrence that differs.
* Times are of the meeting's zone with its VTIMEZONE, so that a change to summer time leaves them on the clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from icalendar import Calendar as Components
from icalendar import Event, vCalAddress, vRecur
from icalendar.parser import Contentline

from meeting.apiserver.mail.use_cases import Calendar
from meeting.apiserver.meetings.invitations.timezones import timezone_of
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.rules import Reply, State
from meeting.apiserver.meetings.series import Occurrence

_PRODUCT = "-//meeting//hub//EN"
#: Zones without anything to tell a calendar.
_UTC = frozenset({"UTC", "Etc/UTC", "Etc/GMT", "GMT", "Zulu"})
_PARTSTAT = {
    Reply.NONE: "NEEDS-ACTION",
    Reply.ACCEPTED: "ACCEPTED",
    Reply.TENTATIVE: "TENTATIVE",
    Reply.DECLINED: "DECLINED",
}


@dataclass(frozen=True)
class Words:
    """What a calendar shows beside the times, in the reader's language."""

    link: str
    description: str


@dataclass(frozen=True)
class Calendars:
    """Writes calendars. `organizer`: the address mails come from; `host`: the hub's name, for UIDs."""

    organizer: str
    host: str

    def request(self, of: Meeting, words: Words, now: datetime, *, only: Occurrence | None = None) -> Calendar:
        """METHOD:REQUEST, an invitation or an update; `only`: of this occurrence of a series alone."""
        events = [self._event(of, words, now, at=only)] if only else self._whole(of, words, now)
        return self._calendar("REQUEST", events, of)

    def cancel(self, of: Meeting, words: Words, now: datetime, *, only: Occurrence | None = None) -> Calendar:
        """METHOD:CANCEL, of all or of this occurrence."""
        event = self._event(of, words, now, at=only)
        event["STATUS"] = "CANCELLED"
        return self._calendar("CANCEL", [event], of)

    def publish(self, meetings: Sequence[tuple[Meeting, Words]], name: str, now: datetime) -> str:
        """METHOD:PUBLISH: the calendar of a person, to be subscribed to."""
        events = [event for of, words in meetings for event in self._whole(of, words, now)]
        calendar = _components("PUBLISH")
        calendar.add("X-WR-CALNAME", name)
        calendar.add("REFRESH-INTERVAL;VALUE=DURATION", "PT15M")
        calendar.add("X-PUBLISHED-TTL", "PT15M")
        return _text(calendar, events, [of for of, _ in meetings])

    def _calendar(self, method: str, events: Sequence[Event], of: Meeting) -> Calendar:
        for event in events:
            organizer = vCalAddress(f"mailto:{self.organizer}")
            organizer.params["CN"] = of.owner.name
            event.add("ORGANIZER", organizer)
        return Calendar(method, _text(_components(method), events, [of]))

    def _whole(self, of: Meeting, words: Words, now: datetime) -> list[Event]:
        """The event, and one for each occurrence that differs."""
        event = self._event(of, words, now)
        if of.series is None:
            return [event]
        cancelled = [each for each in of.series.exceptions if each.cancelled]
        if cancelled:
            event.add("EXDATE", [_on_the_clock(each.starts_at, of.zone) for each in cancelled])
        changed = [each for each in of.series.exceptions if not each.cancelled]
        return [event, *(self._event(of, words, now, at=each) for each in changed)]

    def _event(self, of: Meeting, words: Words, now: datetime, *, at: Occurrence | None = None) -> Event:
        assert of.begin_at is not None and of.end_at is not None, "an instant meeting stands in no calendar"
        title, begin_at, end_at = of.title, of.begin_at, of.end_at
        if of.series is not None:
            title, begin_at, end_at = of.series.title, of.series.begin_at, of.series.end_at
        if at is not None:
            title, begin_at, end_at = at.title or title, at.begin_at, at.end_at
        event = Event()
        event.add("UID", f"{of.id}@{self.host}")
        event.add("DTSTAMP", now.replace(microsecond=0))
        event.add("SEQUENCE", of.sequence)
        event.add("CREATED", of.created_at.replace(microsecond=0))
        event.add("DTSTART", _on_the_clock(begin_at, of.zone))
        event.add("DTEND", _on_the_clock(end_at, of.zone))
        if at is not None:
            event.add("RECURRENCE-ID", _on_the_clock(at.starts_at, of.zone))
        elif of.series is not None:
            event.add("RRULE", vRecur.from_ical(str(of.series.rule)))
        event.add("SUMMARY", title)
        event.add("DESCRIPTION", words.description)
        event.add("LOCATION", words.link)
        event.add("URL", words.link)
        event.add("CONFERENCE", words.link, {"VALUE": "URI", "FEATURE": "VIDEO"})  # RFC 7986 section 5.11
        event.add("STATUS", "CANCELLED" if of.state is State.CANCELLED else "CONFIRMED")
        event.add("TRANSP", "OPAQUE")
        return event


def addressed(calendar: Calendar, email: str, name: str, reply: Reply) -> Calendar:
    """The calendar as one attendee gets it. What is the same for all is written once."""
    attendee = vCalAddress(f"mailto:{email}")
    attendee.params["CN"] = name or email
    attendee.params["CUTYPE"] = "INDIVIDUAL"
    attendee.params["ROLE"] = "REQ-PARTICIPANT"
    attendee.params["PARTSTAT"] = _PARTSTAT[reply]
    attendee.params["RSVP"] = "FALSE"
    line = Contentline.from_parts("ATTENDEE", attendee.params, attendee).to_ical().decode()
    # Only the end of an event is such a line: what people wrote is escaped, and a folded line begins with a space.
    end = "\r\nEND:VEVENT\r\n"
    return Calendar(calendar.method, calendar.content.replace(end, f"\r\n{line}{end}"))


def _components(method: str) -> Components:
    calendar = Components()
    calendar.add("PRODID", _PRODUCT)
    calendar.add("VERSION", "2.0")
    calendar.add("CALSCALE", "GREGORIAN")
    calendar.add("METHOD", method)
    return calendar


def _text(calendar: Components, events: Sequence[Event], meetings: Sequence[Meeting]) -> str:
    """The calendar with its events and the zones they are in."""
    for event in events:
        calendar.add_component(event)
    text: str = calendar.to_ical().decode()
    years: dict[str, set[int]] = {}
    for of in meetings:
        if of.begin_at is not None and of.zone not in _UTC:
            moments = [of.begin_at, *([of.series.begin_at] if of.series else [])]
            years.setdefault(of.zone, set()).update(moment.year for moment in moments)
    blocks = "".join(timezone_of(zone, min(found), max(found)) for zone, found in sorted(years.items()))
    head, begin, rest = text.partition("BEGIN:VEVENT")
    return head + blocks + begin + rest


def _on_the_clock(moment: datetime, zone: str) -> datetime:
    """In the meeting's zone; what has no zone to speak of, in UTC."""
    if zone in _UTC:
        return moment.astimezone(UTC)
    return moment.astimezone(ZoneInfo(zone))
