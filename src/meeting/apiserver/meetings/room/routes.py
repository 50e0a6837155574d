"""/api/v1/meetings/<code>/…: the lobby, what those who lead do in the room, hands, and who was there."""

from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.callers import Callers
from meeting.apiserver.meetings.roles import Role
from meeting.apiserver.meetings.room.attendance import MOST_STAYS, Attendances, as_csv
from meeting.apiserver.meetings.room.joining import Joining
from meeting.apiserver.meetings.room.lobby import MOST_WAITING
from meeting.apiserver.meetings.room.moderation import Moderation, RoomChanges
from meeting.apiserver.meetings.room.rooms import NotInTheRoom
from meeting.apiserver.meetings.rules import Presenters
from meeting.apiserver.models import Answer
from meeting.apiserver.pages import Listed, Page, next_link
from meeting.apiserver.spreadsheet import csv_reply
from meeting.daemon.client import Unreachable
from meeting.daemon.errors import Forbidden, NotFound, SignInNeeded
from meeting.daemon.web import Api, Call, Reply, Who

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
#: `<subject>:<device>`, or what somebody with the LiveKit key pair calls themselves.
Identity = Annotated[str, Field(min_length=1, max_length=128)]
Medium = Literal["microphone", "camera", "screen"]


class WaitingAnswer(Answer):
    """Somebody before the door."""

    id: str
    name: str
    is_guest: bool
    asked_at: datetime


class LobbyView(Answer):
    """The door of a meeting, for those who may open it."""

    waiting: list[WaitingAnswer] = Field(max_length=MOST_WAITING)
    locked: bool
    lobby: bool


class LobbyDecision(BaseModel):
    """Who is meant."""

    ids: Annotated[list[Id], Field(max_length=500)] | None = Field(None, description="null: everybody who waits")


class RoomChangesRequest(BaseModel):
    """What is changed of a running meeting; what is missing stays."""

    locked: bool | None = None
    lobby: bool | None = None
    microphones_closed: bool | None = Field(None, description="only hosts, co-hosts and presenters speak")
    presenters: Presenters | None = None
    spotlight: str | None = Field(None, max_length=128, description="an identity; empty: nobody")


class MuteRequest(BaseModel):
    """Whose microphone, camera or screen."""

    identity: Identity | None = Field(None, description="null: everybody's but one's own")
    medium: Medium = "microphone"


class AskRequest(BaseModel):
    """Whom to ask, and for what; they decide."""

    identity: Identity
    medium: Literal["microphone", "camera"] = "microphone"


class HandRequest(BaseModel):
    """One's own hand."""

    device: str = Field(max_length=8, description="as at joining")
    raised: bool


class LowerRequest(BaseModel):
    """Whose hand."""

    identity: Identity | None = Field(None, description="null: everybody's")


class RoleRequest(BaseModel):
    """What somebody shall be; `participant`: what they are by themselves."""

    role: Literal["co-host", "presenter", "participant"]


class RemoveRequest(BaseModel):
    """Whom to send away."""

    id: Id
    ban: bool = Field(False, description="for good; else they may knock")


class BanAnswer(Answer):
    """Somebody who does not come in again."""

    id: str = Field(validation_alias="subject_id")
    name: str
    banned_at: datetime


class BanList(Listed):
    """The latest first."""

    bans: list[BanAnswer]


class StayAnswer(Answer):
    """From when to when; `left_at` null: still there."""

    joined_at: datetime
    left_at: datetime | None


class AttendeeAnswer(Answer):
    """Somebody who was there."""

    id: str
    name: str
    email: str | None = Field(description="null: a guest")
    seconds: int = Field(description="in all; times on two devices at once count once")
    stays: list[StayAnswer]


class AttendanceView(Answer):
    """Who was there, in the order in which they came."""

    recorded: bool = Field(description="false: this server does not record it")
    people: list[AttendeeAnswer] = Field(max_length=MOST_STAYS)


def add_routes(api: Api, moderation: Moderation, joining: Joining, attendances: Attendances, callers: Callers) -> None:
    """Declare the routes of a meeting's room."""
    tags = ("room",)
    errors = (SignInNeeded, Forbidden, NotFound)
    in_the_room = (*errors, NotInTheRoom, Unreachable)
    # What those who lead a meeting do in it.
    deed = partial(api.route, callers=Who.HOST, scope="meetings:write", status=204, errors=in_the_room, tags=tags)

    @api.route(
        "POST",
        "/api/v1/meetings/<code>/lobby/leave",
        callers=Who.PUBLIC,
        status=204,
        summary="Wait no longer; a page that goes away says it.",
        errors=(NotFound,),
        tags=tags,
    )
    async def stop_waiting(call: Call, code: str) -> Reply:
        await joining.stop_waiting(await callers.caller(call), code, call.client_address)
        return Reply(204)

    @api.route(
        "GET",
        "/api/v1/meetings/<code>/lobby",
        callers=Who.HOST,
        scope="meetings:read",
        answer=LobbyView,
        summary="Who waits before the meeting. Ask every two seconds.",
        errors=errors,
        tags=tags,
    )
    async def see_lobby(call: Call, code: str) -> LobbyView:
        door = await moderation.door(await callers.caller(call), code, call.client_address)
        return LobbyView.model_validate(door)

    @deed(
        "POST",
        "/api/v1/meetings/<code>/lobby/admit",
        audit="lobby.admit",
        body=LobbyDecision,
        summary="Let people in.",
        errors=errors,
    )
    async def admit(call: Call, body: LobbyDecision, code: str) -> Reply:
        await moderation.answer(await callers.caller(call), code, call.client_address, body.ids, admit=True)
        return Reply(204)

    @deed(
        "POST",
        "/api/v1/meetings/<code>/lobby/deny",
        audit="lobby.deny",
        body=LobbyDecision,
        summary="Turn people away.",
        errors=errors,
    )
    async def deny(call: Call, body: LobbyDecision, code: str) -> Reply:
        await moderation.answer(await callers.caller(call), code, call.client_address, body.ids, admit=False)
        return Reply(204)

    @deed(
        "PATCH",
        "/api/v1/meetings/<code>/room",
        audit="room.change",
        body=RoomChangesRequest,
        summary="Lock, switch the lobby, close microphones, put somebody in the spotlight.",
    )
    async def change_room(call: Call, body: RoomChangesRequest, code: str) -> Reply:
        changes = RoomChanges(**body.model_dump())
        await moderation.change(await callers.caller(call), code, call.client_address, changes)
        return Reply(204)

    @deed(
        "POST",
        "/api/v1/meetings/<code>/room/mute",
        audit="room.mute",
        body=MuteRequest,
        summary="Mute a microphone, stop a camera or a screen: somebody's, or everybody else's.",
    )
    async def mute(call: Call, body: MuteRequest, code: str) -> Reply:
        await moderation.mute(await callers.caller(call), code, call.client_address, body.identity, body.medium)
        return Reply(204)

    @deed(
        "POST",
        "/api/v1/meetings/<code>/room/ask",
        body=AskRequest,
        summary="Ask somebody to switch on their microphone or camera; they decide.",
    )
    async def ask(call: Call, body: AskRequest, code: str) -> Reply:
        await moderation.ask(await callers.caller(call), code, call.client_address, body.identity, body.medium)
        return Reply(204)

    @api.route(
        "POST",
        "/api/v1/meetings/<code>/room/hand",
        callers=Who.INSIDER,
        scope="meetings:join",
        body=HandRequest,
        status=204,
        summary="Raise or lower one's hand.",
        errors=in_the_room,
        tags=tags,
    )
    async def raise_hand(call: Call, body: HandRequest, code: str) -> Reply:
        caller = await callers.caller(call)
        await moderation.raise_hand(caller, code, call.client_address, body.device, body.raised)
        return Reply(204)

    @deed(
        "POST",
        "/api/v1/meetings/<code>/room/hands/lower",
        body=LowerRequest,
        summary="Lower somebody's hand, or all.",
    )
    async def lower_hands(call: Call, body: LowerRequest, code: str) -> Reply:
        await moderation.lower_hands(await callers.caller(call), code, call.client_address, body.identity)
        return Reply(204)

    @deed(
        "PUT",
        "/api/v1/meetings/<code>/roles/<id:subject>",
        audit="meeting.role",
        body=RoleRequest,
        summary="Make somebody co-host (the host only) or presenter, for the whole series.",
    )
    async def appoint(call: Call, body: RoleRequest, code: str, subject: str) -> Reply:
        caller = await callers.caller(call)
        await moderation.appoint(caller, code, call.client_address, subject, Role(body.role))
        return Reply(204)

    @api.route(
        "POST",
        "/api/v1/meetings/<code>/room/remove",
        callers=Who.HOST | Who.ADMINISTRATOR,
        scope="meetings:write",
        audit="room.remove",
        body=RemoveRequest,
        status=204,
        summary="Send somebody away; with `ban`, for good.",
        errors=in_the_room,
        tags=tags,
    )
    async def remove(call: Call, body: RemoveRequest, code: str) -> Reply:
        await moderation.remove(await callers.caller(call), code, call.client_address, body.id, banned=body.ban)
        return Reply(204)

    @api.route(
        "GET",
        "/api/v1/meetings/<code>/bans",
        callers=Who.HOST | Who.ADMINISTRATOR,
        scope="meetings:read",
        query=Page,
        answer=BanList,
        summary="Who does not come in again.",
        errors=errors,
        tags=tags,
    )
    async def list_bans(call: Call, query: Page, code: str) -> BanList:
        found = await moderation.bans(await callers.caller(call), code, call.client_address, query)
        return BanList(bans=[BanAnswer.model_validate(each) for each in found.items], next=next_link(call, found))

    @api.route(
        "DELETE",
        "/api/v1/meetings/<code>/bans/<id:subject>",
        callers=Who.HOST | Who.ADMINISTRATOR,
        scope="meetings:write",
        audit="room.unban",
        status=204,
        summary="They may knock again.",
        errors=errors,
        tags=tags,
    )
    async def unban(call: Call, code: str, subject: str) -> Reply:
        await moderation.unban(await callers.caller(call), code, call.client_address, subject)
        return Reply(204)

    @api.route(
        "GET",
        "/api/v1/meetings/<code>/attendance",
        callers=Who.HOST | Who.ADMINISTRATOR,
        scope="meetings:read",
        answer=AttendanceView,
        summary="Who was there, and when.",
        errors=errors,
        tags=tags,
    )
    async def see_attendance(call: Call, code: str) -> AttendanceView:
        _, people = await attendances.of(await callers.caller(call), code, call.client_address)
        return AttendanceView(
            recorded=attendances.recorded(), people=[AttendeeAnswer.model_validate(each) for each in people]
        )

    @api.route(
        "GET",
        "/api/v1/meetings/<code>/attendance.csv",
        callers=Who.HOST | Who.ADMINISTRATOR,
        scope="meetings:read",
        summary="The same as a table (RFC 4180): a line for each stay.",
        errors=errors,
        tags=tags,
    )
    async def download_attendance(call: Call, code: str) -> Reply:
        of, people = await attendances.of(await callers.caller(call), code, call.client_address)
        return csv_reply(f"attendance-{of.code}.csv", as_csv(people))
