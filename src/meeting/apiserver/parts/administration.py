"""What administrators see and decide."""

from datetime import timedelta

from meeting.apiserver.admin import routes
from meeting.apiserver.admin.retention import Sweeper
from meeting.apiserver.admin.use_cases import Administration
from meeting.apiserver.errands import Rounds
from meeting.apiserver.parts.content import ContentPart
from meeting.apiserver.parts.foundation import Foundation
from meeting.apiserver.parts.mail import MailPart
from meeting.apiserver.parts.meetings import MeetingsPart
from meeting.apiserver.schema import utc_now
from meeting.daemon.web import Api

#: The hours (UTC) in which what is over its time is removed, and seconds between two looks at the clock.
RETENTION_HOURS = range(1, 5)
RETENTION_INTERVAL = 600.0


class AdministrationPart:
    """Above all other subjects: it looks into each."""

    sweeps = ()

    def __init__(self, base: Foundation, outgoing: MailPart, meetings: MeetingsPart, content: ContentPart) -> None:
        self._base = base
        administration = Administration(
            base.database, base.clock, base.audit, meetings.meetings, meetings.scheduling, outgoing.mail.wake
        )
        self._sweeper = Sweeper(base.database, base.clock, base.decisions, base.audit, content.files.remove)
        self._parts = routes.Parts(
            administration, base.audit, base.decisions, self._sweeper, outgoing.hooks, outgoing.hook_sender.wake
        )
        self.services = (Rounds("retention", base.clock, RETENTION_INTERVAL, self._retain_once),)

    def add_routes(self, api: Api) -> None:
        """Administration, and the brand, which everybody sees."""
        routes.add_routes(api, self._parts)

    async def _retain_once(self) -> None:
        # At night, by UTC; the rest is longer than the night.
        if utc_now(self._base.clock).hour in RETENTION_HOURS:
            await self._base.leases.do(
                "retention", self._sweeper.sweep, rest=timedelta(hours=12), length=timedelta(minutes=10)
            )
