"""Meetings: scheduling them, coming in, and leading them."""

from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

from livekit.protocol.models import ParticipantInfo

from meeting.apiserver.accounts import account_routes
from meeting.apiserver.allocation import routes as server_routes
from meeting.apiserver.errands import Rounds
from meeting.apiserver.meetings import routes
from meeting.apiserver.meetings.house import House
from meeting.apiserver.meetings.invitations import routes as calendar_routes
from meeting.apiserver.meetings.invitations.calendars import Calendars
from meeting.apiserver.meetings.invitations.feed import Feeds
from meeting.apiserver.meetings.invitations.groups import Groups
from meeting.apiserver.meetings.invitations.letters import Letters
from meeting.apiserver.meetings.invitations.reminders import Reminders
from meeting.apiserver.meetings.invitations.replies import Replies, ReplyLinks
from meeting.apiserver.meetings.news import News
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.room import presence, webhooks
from meeting.apiserver.meetings.room import routes as room_routes
from meeting.apiserver.meetings.room.alignment import Alignment
from meeting.apiserver.meetings.room.attendance import Attendances
from meeting.apiserver.meetings.room.joining import Joining
from meeting.apiserver.meetings.room.moderation import Moderation
from meeting.apiserver.meetings.room.presence import Presence
from meeting.apiserver.meetings.room.rooms import Rooms
from meeting.apiserver.meetings.scheduling import Scheduling
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.parts.allocation import AllocationPart
from meeting.apiserver.parts.foundation import Foundation
from meeting.apiserver.parts.mail import MailPart
from meeting.apiserver.parts.people import PeoplePart
from meeting.daemon.web import Api

#: Seconds between two looks for meetings that have lasted as long as they may.
LENGTH_INTERVAL = 5.0
#: Seconds between two looks for series that move on to their next meeting, and for reminders that are due.
SERIES_INTERVAL = 20.0
REMINDER_INTERVAL = 15.0


class MeetingsPart:
    """The meetings themselves, their calendar, and what happens in their rooms."""

    def __init__(self, base: Foundation, outgoing: MailPart, people: PeoplePart, servers: AllocationPart) -> None:
        self._base = base
        self._people = people
        self._allocation = servers.allocation
        self._rooms = Rooms(base.agent, base.clock, base.secret, servers.allocation)
        news = News(outgoing.hooks)
        self.meetings = Meetings(
            base.database,
            base.clock,
            public_url=base.public_url,
            reservations=servers.reservations,
            asked=servers.ask_soon,
            close_room=self._close_room,
            house=self._house,
            news=news,
            leases=base.leases,
        )
        self._add_calendar(outgoing, servers, news)
        self._add_rooms(servers, news)
        self.services = (
            Rounds("lengths", base.clock, LENGTH_INTERVAL, self.meetings.end_overlong),
            Rounds("presence", base.clock, presence.INTERVAL, self._presence.sweep),
            Rounds("series", base.clock, SERIES_INTERVAL, self.scheduling.advance),
            Rounds("reminders", base.clock, REMINDER_INTERVAL, self._reminders.send),
        )
        self.sweeps = (self._joining.sweep, self._reminders.sweep)

    def _add_calendar(self, outgoing: MailPart, servers: AllocationPart, news: News) -> None:
        base = self._base
        host = urlsplit(base.public_url).hostname or "localhost"
        organizer = next(iter(outgoing.senders), f"meetings@{host}")
        calendars = Calendars(organizer, host)
        reply_links = ReplyLinks(base.secret.key("reply-link"), base.public_url)
        letters = Letters(outgoing.mail, calendars, reply_links, self.meetings.link)
        self.scheduling = Scheduling(
            base.database,
            base.clock,
            outgoing.mail,
            letters,
            reservations=servers.reservations,
            asked=servers.ask_soon,
            close_room=self._close_room,
            house=self._house,
            news=news,
            leases=base.leases,
        )
        self._groups = Groups(base.database, base.clock)
        self._replies = Replies(base.database, base.clock, reply_links)
        self._reminders = Reminders(
            base.database,
            base.clock,
            outgoing.mail,
            letters,
            usual=lambda: base.decisions.current.reminder_minutes or None,
        )
        key = base.secret.key("calendar-feed")
        self._feeds = Feeds(base.database, base.clock, key, letters, calendars, base.public_url)

    def _add_rooms(self, servers: AllocationPart, news: News) -> None:
        base = self._base
        self._joining = Joining(
            base.database,
            base.clock,
            base.secret,
            self._people.accounts,
            servers.allocation,
            self.meetings,
            house=self._house,
            token_lifetime=timedelta(seconds=base.options["tokenLifetime"]),
        )
        self._presence = Presence(base.database, base.clock, base.leases, news, recorded=self._recorded)
        self._alignment = Alignment(base.database, base.clock, self._rooms, base.errands)
        self._moderation = Moderation(base.database, base.clock, self.meetings, self._rooms, self._alignment)
        self._attendances = Attendances(base.database, base.clock, self.meetings, recorded=self._recorded)

    def add_routes(self, api: Api) -> None:
        """Meetings, calendars, rooms; one's own account, which tells who meets whom; servers hear what is over."""
        callers = self._people.callers
        base = self._base
        server_routes.add_routes(api, self._allocation, base.secret, base.clock, over=self.meetings.over)
        account_routes.add_routes(
            api,
            self._people.profiles,
            self._people.sessions,
            callers,
            meets=self.meetings.meets,
            instant_code=self.meetings.instant_code,
        )
        routes.add_routes(api, self.meetings, self.scheduling, self._joining, callers, self._base.audit)
        calendar_routes.add_routes(
            api, self.meetings, self._groups, self._replies, self._feeds, self._reminders, callers
        )
        room_routes.add_routes(api, self._moderation, self._joining, self._attendances, callers)
        webhooks.add_routes(api, self._presence, self._arrived, self._base.secret.token_key, self._base.clock)

    def _house(self) -> House:
        return House.of(self._base.decisions.current)

    def _recorded(self) -> bool:
        return self._base.decisions.current.attendance

    def _close_room(self, meeting: Meeting) -> None:
        self._base.errands.run("closing a room", partial(self._rooms.close, meeting))

    def _arrived(self, meeting_id: str, who: ParticipantInfo, metadata: str) -> None:
        self._base.errands.run("looking who came", partial(self._alignment.look, meeting_id, who, metadata))
