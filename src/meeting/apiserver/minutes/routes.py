"""/api/v1/meetings/<code>/minutes, /api/v1/meetings/<code>/files, /files/<id:id>."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.callers import Callers
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.minutes import rules, websocket
from meeting.apiserver.minutes.files import Files
from meeting.apiserver.minutes.live import LiveMinutes
from meeting.apiserver.minutes.rules import TooManyFiles
from meeting.apiserver.minutes.use_cases import Minutes
from meeting.apiserver.minutes.websocket import SocketLimits, Visitor
from meeting.daemon.errors import Forbidden, MeetingError, NotFound, PleaseWait, SignInNeeded, TooLarge
from meeting.daemon.web import Api, Call, Reply, Who

#: How long a browser may follow its last redirect to a file: less than the link lasts.
_LINK_IS_KEPT = 240


class UpgradeNeeded(MeetingError):
    """This address speaks WebSocket."""

    status = 426
    problem = "upgrade-needed"
    title = "This address is a WebSocket's."


class MinutesAnswer(BaseModel):
    """The minutes as they stand."""

    text: str
    html: str = Field(description="only elements and addresses that do nothing by themselves")
    updated_at: datetime | None
    may_write: bool


class FileRequest(BaseModel):
    """A file that is about to be uploaded."""

    name: str = Field(min_length=1, max_length=1000)
    type: str = Field("", max_length=255, description="what the browser believes it is; not believed")
    size: int = Field(ge=0, le=1 << 50, description="bytes, exactly")


class UploadAnswer(BaseModel):
    """How to send the bytes."""

    method: Literal["PUT"] = "PUT"
    url: str
    expires_at: datetime


class FileAnswer(BaseModel):
    """A file with a place."""

    id: str
    href: str = Field(description="what documents hold; it never changes")
    upload: UploadAnswer


def add_routes(
    api: Api,
    minutes: Minutes,
    live: LiveMinutes,
    files: Files,
    meetings: Meetings,
    callers: Callers,
    *,
    limits: SocketLimits,
    reactor: Any,
) -> None:
    """Declare the routes of minutes and files."""
    tags = ("minutes",)
    errors = (SignInNeeded, Forbidden, NotFound)

    @api.route(
        "GET",
        "/api/v1/meetings/<code>/minutes",
        callers=Who.INSIDER,
        scope="minutes:read",
        answer=MinutesAnswer,
        summary="The minutes as they stand, also after the meeting.",
        errors=errors,
        tags=tags,
    )
    async def read_minutes(call: Call, code: str) -> MinutesAnswer:
        visit = await meetings.visit(await callers.caller(call), code, call.client_address)
        text = await minutes.read(visit.meeting.id)
        may_write = rules.may_write(visit.role, visit.rights, visit.meeting.state)
        return MinutesAnswer(text=text.text, html=text.html, updated_at=text.updated_at, may_write=may_write)

    @api.route(
        "GET",
        "/api/v1/meetings/<code>/minutes/sync/<room>",
        callers=Who.INSIDER,
        scope="minutes:write",
        summary="Write together: a WebSocket that speaks y-websocket's protocol. `room` is the code again.",
        errors=(*errors, UpgradeNeeded),
        tags=tags,
        raw=True,
    )
    async def write_together(call: Call, code: str, room: str) -> None:
        visit = await meetings.visit(await callers.caller(call), code, call.client_address)
        if (call.header("Upgrade") or "").lower() != "websocket":
            raise UpgradeNeeded(headers={"Upgrade": "websocket", "Connection": "Upgrade"})

        async def check() -> bool:
            now = await meetings.visit(await callers.again(call), code, call.client_address)
            return rules.may_write(now.role, now.rights, now.meeting.state)

        may_write = rules.may_write(visit.role, visit.rights, visit.meeting.state)
        visitor = Visitor(visit.meeting.id, visit.name, may_write, check)
        websocket.serve(call.request, live, visitor, limits, reactor)

    @api.route(
        "POST",
        "/api/v1/meetings/<code>/files",
        callers=Who.INSIDER,
        scope="minutes:write",
        audit="file.announce",
        idempotent=True,
        body=FileRequest,
        answer=FileAnswer,
        status=201,
        summary="Announce a file; the answer permits its upload.",
        errors=(*errors, TooLarge, TooManyFiles, PleaseWait),
        tags=tags,
    )
    async def announce_file(call: Call, body: FileRequest, code: str) -> FileAnswer:
        visit = await meetings.visit(await callers.caller(call), code, call.client_address)
        permit = await files.announce(visit, body.name, body.type, body.size, call.new_id)
        upload = UploadAnswer(url=permit.url, expires_at=permit.expires_at)
        return FileAnswer(id=permit.id, href=permit.href, upload=upload)

    @api.route(
        "GET",
        "/files/<id:id>",
        callers=Who.INSIDER,
        scope="minutes:read",
        status=302,
        summary="A file: leads to where its bytes are.",
        errors=errors,
        tags=tags,
    )
    async def get_file(call: Call, id: str) -> Reply:
        link = await files.link(await callers.caller(call), id)
        headers = {"Location": link, "Cache-Control": f"private, max-age={_LINK_IS_KEPT}"}
        return Reply(302, headers=headers)
