"""/api/v1/meetings: making, finding, changing, joining and ending meetings."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, RootModel
from sqlalchemy import Connection

from meeting.apiserver.accounts.callers import Callers
from meeting.apiserver.accounts.origins import origin_of
from meeting.apiserver.accounts.rules import NAME_LENGTH
from meeting.apiserver.accounts.use_cases import Caller
from meeting.apiserver.audit.use_cases import Audit, Entry, write
from meeting.apiserver.meetings import rules
from meeting.apiserver.meetings.answers import MeetingAnswer, MeetingFace, MeetingList, MeetingView, answer_of
from meeting.apiserver.meetings.queries import Also, Meeting
from meeting.apiserver.meetings.recurrence import LONGEST_RULE
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.room.joining import AtTheDoor, Joining, WrongPasscode
from meeting.apiserver.meetings.room.lobby import ASK_AGAIN, Banned, TurnedAway
from meeting.apiserver.meetings.rules import MeetingOver, Presenters, Writers
from meeting.apiserver.meetings.scheduling import Scheduling, Scope
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.meetings.wanted import Wanted
from meeting.apiserver.models import UtcMoment
from meeting.apiserver.pages import Page, next_link
from meeting.apiserver.schema import EMAIL_LENGTH
from meeting.daemon.errors import Forbidden, NotFound, PleaseWait, SignInNeeded, TooManyRequests
from meeting.daemon.web import Api, Call, Reply, Who

Title = Annotated[str, Field(max_length=2 * rules.TITLE_LENGTH)]
Zone = Annotated[str, Field(max_length=64, examples=["Europe/Berlin"])]
Invitees = Annotated[list[Annotated[str, Field(max_length=EMAIL_LENGTH + 10)]], Field(max_length=rules.MOST_INVITEES)]


GroupIds = Annotated[list[Annotated[str, Field(pattern="^[0-9a-f]{32}$")]], Field(max_length=100)]
Recurrence = Annotated[
    str,
    Field(
        max_length=2 * LONGEST_RULE,
        examples=["FREQ=WEEKLY;BYDAY=MO,WE;COUNT=20", "FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20271231"],
        description="a rule of RFC 5545 section 3.3.10 with an end; empty: none",
    ),
]


class MeetingOptions(BaseModel):
    """How a meeting is held; what is missing stays, or is as it usually is."""

    guests_allowed: bool | None = None
    passcode: str | None = Field(None, max_length=40, description="4 to 32 letters and digits; empty: none")
    lobby: bool | None = None
    presenters: Presenters | None = None
    minutes_writers: Writers | None = None
    max_minutes: int | None = Field(None, ge=0, le=rules.MAX_MINUTES[1], description="0: as long as it takes")
    e2ee: bool | None = None
    reminders: bool | None = None

    def given(self) -> dict[str, Any]:
        """What was said."""
        said = self.model_dump(exclude_none=True)
        return said | ({"max_minutes": None} if said.get("max_minutes") == 0 else {})


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
    groups: GroupIds = Field([], description="ids of one's groups: their members are invited too")
    writers: Invitees | None = Field(None, description="of the invited, where only some may write")
    recurrence: Recurrence | None = None
    options: MeetingOptions | None = None


class MeetingRequest(RootModel[Annotated[InstantRequest | ScheduledRequest, Field(discriminator="kind")]]):
    """A meeting to be made."""


class MeetingChanges(BaseModel):
    """What an owner changes; what is missing stays."""

    title: Title | None = None
    begin_at: UtcMoment | None = None
    end_at: UtcMoment | None = None
    zone: Zone | None = None
    invitees: Invitees | None = None
    groups: GroupIds = Field([], description="ids of one's groups: their members are invited too")
    writers: Invitees | None = None
    recurrence: Recurrence | None = Field(None, description="empty: it does not recur any more")
    options: MeetingOptions | None = None
    scope: Scope = Field(Scope.ALL, description="of a series: of one meeting, of it and those after it, of all")
    occurrence: UtcMoment | None = Field(None, description="which one, where not all are meant")


class When(Page):
    """Which meetings."""

    when: Literal["upcoming", "past"] = "upcoming"


class Which(BaseModel):
    """What of a series."""

    scope: Scope = Scope.ALL
    occurrence: UtcMoment | None = None


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


def add_routes(
    api: Api, meetings: Meetings, scheduling: Scheduling, joining: Joining, callers: Callers, audit: Audit
) -> None:
    """Declare the routes of meetings."""
    tags = ("meetings",)

    def answer(of: Meeting, caller: Caller) -> MeetingAnswer:
        return answer_of(of, caller, meetings.link(of))

    def written_down(call: Call) -> Also:
        """Writes that a meeting was made to the audit log, with the meeting."""
        origin = origin_of(call)

        def also(transaction: Connection, made: Meeting) -> None:
            entry = Entry(
                "meeting.create",
                origin,
                meeting_id=made.id,
                target_id=made.id,
                target_text=made.title,
                details={"code": made.code, "kind": made.kind.value},
            )
            write(transaction, audit.entry(entry))

        return also

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
        found = await meetings.of_person(person, query, past=query.when == "past")
        mine = [answer(each, Caller(person=person)) for each in found.items]
        return MeetingList(meetings=mine, next=next_link(call, found))

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
        also=(200,),
        summary="Open one's instant meeting (200 if it is there), or schedule one.",
        errors=(SignInNeeded, Forbidden, TooManyRequests),
        tags=tags,
    )
    async def create_meeting(call: Call, body: MeetingRequest) -> Reply:
        person = await callers.person(call)
        wanted = body.root
        if isinstance(wanted, InstantRequest):
            made, new = await meetings.open_instant(person, written_down(call))
            return Reply(201 if new else 200, answer(made, Caller(person=person)))
        made = await scheduling.schedule(
            person,
            Wanted(
                title=wanted.title,
                begin_at=wanted.begin_at,
                end_at=wanted.end_at,
                zone=wanted.zone,
                invitees=wanted.invitees,
                groups=wanted.groups,
                minutes_writers=wanted.writers,
                recurrence=wanted.recurrence,
                options=wanted.options.given() if wanted.options else {},
            ),
            meeting_id=call.new_id,
            also=written_down(call),
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
        summary="Change a meeting of one's own; of a series one, all, or one and those after it (the new series).",
        errors=(SignInNeeded, Forbidden, NotFound, MeetingOver, TooManyRequests),
        tags=tags,
    )
    async def change_meeting(call: Call, body: MeetingChanges, code: str) -> MeetingAnswer:
        person = await callers.person(call)
        wanted = Wanted(
            title=body.title,
            begin_at=body.begin_at,
            end_at=body.end_at,
            zone=body.zone,
            invitees=body.invitees,
            groups=body.groups,
            minutes_writers=body.writers,
            recurrence=body.recurrence,
            options=body.options.given() if body.options else {},
        )
        changed = await scheduling.change(person, code, wanted, body.scope, body.occurrence)
        return answer(changed, Caller(person=person))

    @api.route(
        "DELETE",
        "/api/v1/meetings/<code>",
        callers=Who.OWNER,
        scope="meetings:write",
        audit="meeting.cancel",
        query=Which,
        status=204,
        summary="Cancel a scheduled meeting of one's own; of a series one, all, or one and those after it.",
        errors=(SignInNeeded, Forbidden, NotFound, MeetingOver),
        tags=tags,
    )
    async def cancel_meeting(call: Call, query: Which, code: str) -> Reply:
        await scheduling.cancel(await callers.person(call), code, query.scope, query.occurrence)
        return Reply(204)

    @api.route(
        "POST",
        "/api/v1/meetings/<code>/join",
        callers=Who.PUBLIC,
        scope="meetings:join",
        audit="meeting.join",
        body=JoinRequest,
        answer=JoinView,
        also=(202,),
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
