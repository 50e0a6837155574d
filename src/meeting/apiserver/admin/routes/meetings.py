"""/api/v1/admin/meetings: what is scheduled, and who was invited to it."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from meeting.apiserver.admin.routes.system import ERRORS, TAGS, LiveOwner
from meeting.apiserver.admin.use_cases import Administration
from meeting.apiserver.meetings.answers import DeliveryAnswer
from meeting.apiserver.meetings.planned import When
from meeting.apiserver.meetings.rules import MOST_INVITEES
from meeting.apiserver.models import Answer
from meeting.apiserver.pages import Listed, Page, next_link
from meeting.daemon.errors import NotFound
from meeting.daemon.web import Api, Call, Who


class MeetingsQuery(Page):
    """Which meetings."""

    text: str = Field("", max_length=254, description="a part of the title; or the address of the owner or an invitee")
    when: When = Field("upcoming", description="past: over, or cancelled")


class PlannedMeeting(Answer):
    """A scheduled meeting; of a series, its next occurrence."""

    id: str
    code: str
    title: str
    owner: LiveOwner
    begin_at: datetime
    end_at: datetime
    zone: str
    recurs: bool
    cancelled: bool
    invited: int
    accepted: int
    declined: int
    not_reached: int = Field(description="people whom a mail about it did not reach")


class PlannedMeetings(Listed):
    """Those to come, the next first; those that are over, the latest first."""

    meetings: list[PlannedMeeting]


class InvitationAnswer(Answer):
    """Somebody who is invited."""

    email: str
    name: str = Field(description="empty: they have no account")
    reply: Literal["none", "accepted", "tentative", "declined"]
    delivery: DeliveryAnswer | None = Field(description="of the last mail to them; null when it is long ago")


class Invitations(Answer):
    """All who are invited to a meeting."""

    invitations: list[InvitationAnswer] = Field(max_length=MOST_INVITEES)


def add_routes(api: Api, administration: Administration) -> None:
    """Declare them."""

    @api.route(
        "GET",
        "/api/v1/admin/meetings",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        query=MeetingsQuery,
        answer=PlannedMeetings,
        summary="What is scheduled, by whom, and how many were invited.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_meetings(call: Call, query: MeetingsQuery) -> PlannedMeetings:
        found = await administration.planned(query.text, query.when, query)
        meetings = [PlannedMeeting.model_validate(each) for each in found.items]
        return PlannedMeetings(meetings=meetings, next=next_link(call, found))

    @api.route(
        "GET",
        "/api/v1/admin/meetings/<id:id>/invitations",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        answer=Invitations,
        summary="Who is invited to a meeting, whether the mail arrived, and what they answered.",
        errors=(*ERRORS, NotFound),
        tags=TAGS,
    )
    async def admin_invitations(call: Call, id: str) -> Invitations:
        return Invitations.model_validate({"invitations": await administration.invitations(id)})
