"""/api/v1/meetings: making, finding, changing, joining and ending meetings."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel

from meeting.apiserver.accounts.callers import Callers
from meeting.apiserver.accounts.rules import NAME_LENGTH
from meeting.apiserver.accounts.use_cases import Caller
from meeting.apiserver.meetings import rules
from meeting.apiserver.meetings.joining import AtTheDoor, Joining, WrongPasscode
from meeting.apiserver.meetings.lobby import ASK_AGAIN, Banned, TurnedAway
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.rules import MeetingOver
from meeting.apiserver.meetings.use_cases import Changes, Meetings
from meeting.apiserver.models import Answer, UtcMoment
from meeting.apiserver.schema import EMAIL_LENGTH
from meeting.daemon.errors import Forbidden, NotFound, PleaseWait, SignInNeeded, TooManyRequests
from meeting.daemon.web import Api, Call, Reply, Who

Title = Annotated[str, Field(max_length=2 * rules.TITLE_LENGTH)]
Zone = Annotated[str, Field(max_length=64, examples=["Europe/Berlin"])]
Invitees = Annotated[list[Annotated[str, Field(max_length=EMAIL_LENGTH + 10)]], Field(max_length=rules.MOST_INVITEES)]


class InstantRequest(BaseModel):
    """One's instant meeting."""

    kind: Literal["instant"]


class ScheduledRequest(BaseModel):
    """A meeting at a time."""

    kind: Literal["scheduled"]
    title: Title
    begin_at: UtcMoment
    end_at: UtcMoment
    zone: Zone = "UTC"
    invitees: Invitees = []


class MeetingRequest(RootModel[Annotated[InstantRequest | ScheduledRequest, Field(discriminator="kind")]]):
    """A meeting to be made."""


class MeetingChanges(BaseModel):
    """What an owner changes; what is missing stays."""

    title: Title | None = None
    begin_at: UtcMoment | None = None
    end_at: UtcMoment | None = None
    zone: Zone | None = None
    invitees: Invitees | None = None


class OwnerAnswer(Answer):
    """Whose meeting it is."""

    id: str
    name: str


class OwnersName(Answer):
    """Whose meeting it is, for those who only have the link."""

    name: str


class InviteeAnswer(Answer):
    """Someone invited."""

    email: str
    name: str
    reply: Literal["none"] = "none"


class MeetingAnswer(Answer):
    """A meeting, for its owner and those invited."""

    id: str
    code: str
    kind: Literal["instant", "scheduled"]
    title: str
    begin_at: datetime | None
    end_at: datetime | None
    zone: str
    state: Literal["scheduled", "running", "ended", "cancelled"]
    owner: OwnerAnswer
    is_owner: bool
    invitees: list[InviteeAnswer] | None = Field(description="for the owner only")
    guests_allowed: bool
    link: str
    created_at: datetime


class MeetingFace(Answer):
    """A meeting, for anyone who has its link."""

    code: str
    kind: Literal["instant", "scheduled"]
    title: str
    begin_at: datetime | None
    end_at: datetime | None
    zone: str
    state: Literal["scheduled", "running", "ended", "cancelled"]
    owner: OwnersName
    guests_allowed: bool


class MeetingView(RootModel[MeetingAnswer | MeetingFace]):
    """A meeting, as far as the caller may see it."""


class MeetingList(BaseModel):
    """Meetings: those to come begin with the next, those past with the latest."""

    meetings: list[MeetingAnswer]


class When(BaseModel):
    """Which meetings."""

    when: Literal["upcoming", "past"] = "upcoming"


class JoinRequest(BaseModel):
    """From where, and for a guest under which name."""

    device: str = Field(max_length=8, description="8 characters a-z0-9, kept by the browser tab")
    name: str | None = Field(None, max_length=2 * NAME_LENGTH)
    passcode: str | None = Field(None, max_length=64)


class JoinAnswer(BaseModel):
    """Where the room is, and the access token for it."""

    state: Literal["inside"] = "inside"
    url: str
    token: str
    identity: str
    name: str
    role: Role
    may: list[str] = Field(description="`speak`, `camera`, `screen`, `minutes`, `lead`, `appoint-co-hosts`, `change`")
    meeting: MeetingAnswer


class LobbyAnswer(BaseModel):
    """Somebody has to let the caller in: ask again after `Retry-After`."""

    state: Literal["waiting"] = "waiting"
    reason: Literal["lobby", "locked", "passcode", "removed"]
    host_present: bool = Field(description="whether somebody is there who can let people in")
    name: str


class JoinView(RootModel[Annotated[JoinAnswer | LobbyAnswer, Field(discriminator="state")]]):
    """The way in (200), or the lobby (202)."""


def add_routes(api: Api, meetings: Meetings, joining: Joining, callers: Callers) -> None:
    """Declare the routes of meetings."""
    tags = ("meetings",)

    def answer(of: Meeting, caller: Caller) -> MeetingAnswer:
        owns = caller.person is not None and caller.person.id == of.owner.id
        return MeetingAnswer(
            id=of.id,
            code=of.code,
            kind=of.kind.value,
            title=of.title,
            begin_at=of.begin_at,
            end_at=of.end_at,
            zone=of.zone,
            state=of.state.value,
            owner=OwnerAnswer.model_validate(of.owner),
            is_owner=owns,
            invitees=[InviteeAnswer.model_validate(each) for each in of.invitees] if owns else None,
            guests_allowed=of.guests_allowed,
            link=meetings.link(of),
            created_at=of.created_at,
        )

    @api.route(
        "GET",
        "/api/v1/meetings",
        callers=Who.PERSON,
        scope="meetings:read",
        query=When,
        answer=MeetingList,
        summary="The meetings one owns, is invited to or has joined.",
        errors=(SignInNeeded,),
        tags=tags,
    )
    async def list_meetings(call: Call, query: When) -> MeetingList:
        person = await callers.person(call)
        found = await meetings.of_person(person, past=query.when == "past")
        return MeetingList(meetings=[answer(each, Caller(person=person)) for each in found])

    @api.route(
        "POST",
        "/api/v1/meetings",
        callers=Who.PERSON,
        scope="meetings:write",
        limit=60,
        idempotent=True,
        audit="meeting.create",
        body=MeetingRequest,
        answer=MeetingAnswer,
        status=201,
        summary="Open one's instant meeting (200 if it is there), or schedule one.",
        errors=(SignInNeeded, Forbidden, TooManyRequests),
        tags=tags,
    )
    async def create_meeting(call: Call, body: MeetingRequest) -> Reply:
        person = await callers.person(call)
        wanted = body.root
        if isinstance(wanted, InstantRequest):
            made, new = await meetings.open_instant(person)
            return Reply(201 if new else 200, answer(made, Caller(person=person)))
        made = await meetings.schedule(
            person,
            wanted.title,
            wanted.begin_at,
            wanted.end_at,
            wanted.zone,
            wanted.invitees,
            meeting_id=call.new_id,
        )
        return Reply(201, answer(made, Caller(person=person)))

    @api.route(
        "GET",
        "/api/v1/meetings/<code>",
        callers=Who.PUBLIC,
        scope="meetings:read",
        answer=MeetingView,
        summary="A meeting; only its face for those who merely have the link.",
        errors=(NotFound, TooManyRequests),
        tags=tags,
    )
    async def get_meeting(call: Call, code: str) -> MeetingAnswer | MeetingFace:
        caller = await callers.caller(call)
        found = await meetings.find(code, call.client_address)
        if await meetings.is_insider(caller, found):
            return answer(found, caller)
        return MeetingFace.model_validate(found)

    @api.route(
        "PATCH",
        "/api/v1/meetings/<code>",
        callers=Who.OWNER,
        scope="meetings:write",
        audit="meeting.change",
        body=MeetingChanges,
        answer=MeetingAnswer,
        summary="Change a meeting of one's own.",
        errors=(SignInNeeded, Forbidden, NotFound, MeetingOver, TooManyRequests),
        tags=tags,
    )
    async def change_meeting(call: Call, body: MeetingChanges, code: str) -> MeetingAnswer:
        person = await callers.person(call)
        changes = Changes(body.title, body.begin_at, body.end_at, body.zone, body.invitees)
        return answer(await meetings.change(person, code, changes), Caller(person=person))

    @api.route(
        "DELETE",
        "/api/v1/meetings/<code>",
        callers=Who.OWNER,
        scope="meetings:write",
        audit="meeting.cancel",
        status=204,
        summary="Cancel a scheduled meeting of one's own.",
        errors=(SignInNeeded, Forbidden, NotFound, MeetingOver),
        tags=tags,
    )
    async def cancel_meeting(call: Call, code: str) -> Reply:
        await meetings.cancel(await callers.person(call), code)
        return Reply(204)

    @api.route(
        "POST",
        "/api/v1/meetings/<code>/join",
        callers=Who.PUBLIC,
        scope="meetings:join",
        audit="meeting.join",
        body=JoinRequest,
        answer=JoinView,
        summary="Get an access token for a meeting's room (200), or wait to be let in (202).",
        errors=(
            *(SignInNeeded, Forbidden, Banned, TurnedAway, WrongPasscode),
            *(NotFound, MeetingOver, TooManyRequests, PleaseWait),
        ),
        tags=tags,
    )
    async def join_meeting(call: Call, body: JoinRequest, code: str) -> Reply:
        caller = await callers.caller(call)
        ticket = await joining.join(caller, code, body.device, body.name, call.client_address, body.passcode)
        cookies = [callers.session_cookie(call, ticket.cookie, guest=True)] if ticket.cookie else []
        if isinstance(ticket, AtTheDoor):
            wait = ticket.wait
            waiting = LobbyAnswer(reason=wait.reason.value, host_present=wait.host_present, name=ticket.name)
            return Reply(202, waiting, {"Retry-After": str(ASK_AGAIN)}, cookies)
        joined = JoinAnswer(
            url=ticket.url,
            token=ticket.token,
            identity=ticket.identity,
            name=ticket.name,
            role=ticket.role,
            may=[right.name.lower().replace("_", "-") for right in Right if right in ticket.rights],
            meeting=answer(ticket.meeting, caller),
        )
        return Reply(200, joined, cookies=cookies)

    @api.route(
        "POST",
        "/api/v1/meetings/<code>/end",
        callers=Who.HOST | Who.ADMINISTRATOR,
        scope="meetings:write",
        audit="meeting.end",
        status=204,
        summary="End a meeting for all (host, co-host, administrator).",
        errors=(SignInNeeded, Forbidden, NotFound, MeetingOver),
        tags=tags,
    )
    async def end_meeting(call: Call, code: str) -> Reply:
        await meetings.end(await callers.caller(call), code)
        return Reply(204)
