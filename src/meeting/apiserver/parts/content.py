"""What is written in a meeting: chat, minutes and files."""

from collections.abc import Mapping
from typing import Any

from meeting.apiserver.chat import routes as chat_routes
from meeting.apiserver.chat.use_cases import Chat
from meeting.apiserver.minutes import routes as minutes_routes
from meeting.apiserver.minutes.effects import Limits
from meeting.apiserver.minutes.files import Files
from meeting.apiserver.minutes.live import LiveMinutes
from meeting.apiserver.minutes.rules import FileLimits
from meeting.apiserver.minutes.use_cases import Minutes
from meeting.apiserver.minutes.websocket import SocketLimits
from meeting.apiserver.parts.allocation import AllocationPart
from meeting.apiserver.parts.foundation import Foundation
from meeting.apiserver.parts.meetings import MeetingsPart
from meeting.apiserver.parts.people import PeoplePart
from meeting.daemon.web import Api


class ContentPart:
    """What remains when a meeting is over."""

    sweeps = ()

    def __init__(self, base: Foundation, people: PeoplePart, servers: AllocationPart, meetings: MeetingsPart) -> None:
        database, clock, options = base.database, base.clock, base.options
        self._base = base
        self._callers = people.callers
        self._meetings = meetings.meetings
        self._chat = Chat(database, clock)
        self._minutes = Minutes(database, clock)
        limits = Limits(document=options["maxMinutesSize"])
        self._live = LiveMinutes(self._minutes, base.events, base.leases, clock, limits)
        self.files = Files(
            database, clock, base.secret, servers.allocation, self._meetings, file_limits(options), base.agent
        )
        self.services = (self._live,)

    def add_routes(self, api: Api) -> None:
        """Reading and writing it, also by WebSocket."""
        chat_routes.add_routes(api, self._chat, self._meetings, self._callers)
        minutes_routes.add_routes(
            api,
            self._minutes,
            self._live,
            self.files,
            self._meetings,
            self._callers,
            limits=SocketLimits(),
            reactor=self._base.reactor,
        )


def file_limits(options: Mapping[str, Any]) -> FileLimits:
    """What people may add to a meeting."""
    return FileLimits(
        size=options["maxFileSize"],
        count_of_person=options["filesPerPerson"],
        size_of_person=options["fileBytesPerPerson"],
        count_of_meeting=options["filesPerMeeting"],
        size_of_meeting=options["fileBytesPerMeeting"],
    )
