"""/api/v1/admin/overview, servers, mails, usage."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.origins import origin_of
from meeting.apiserver.admin.use_cases import Administration
from meeting.apiserver.mail.administration import Queued
from meeting.apiserver.meetings.administration import MOST_LISTED, Usage
from meeting.apiserver.models import Answer
from meeting.apiserver.pages import Listed, Page, next_link
from meeting.apiserver.spreadsheet import csv_of, csv_reply
from meeting.daemon.errors import Conflict, Forbidden, NotFound, SignInNeeded
from meeting.daemon.web import Api, Call, Reply, Who

TAGS = ("administration",)
ERRORS = (SignInNeeded, Forbidden)


class LiveOwner(Answer):
    """Whose meeting it is."""

    id: str
    name: str
    email: str


class LiveMeeting(Answer):
    """A meeting that somebody is in."""

    id: str
    code: str
    title: str
    owner: LiveOwner
    since: datetime
    people: int
    server: str = Field(description="host:port of its sfuserver; empty: none yet")


class RegisteredServer(Answer):
    """A server that registered."""

    kind: str
    address: str
    version: str
    state: str = Field(description="starting, ready, draining or stopped, by its own word")
    load: float
    details: dict[str, Any]
    started_at: datetime
    beat_at: datetime = Field(description="when it was last heard")
    drained: bool = Field(description="gets no new meetings, by an administrator's word")


class OverviewAnswer(Answer):
    """How the hub is."""

    people: int
    meetings: list[LiveMeeting] = Field(max_length=MOST_LISTED)
    servers: list[RegisteredServer]
    mails: dict[str, int] = Field(description="how many are in each state")


class DrainRequest(BaseModel):
    """Which server, and whether it is to get no new meetings."""

    kind: Literal["sfu", "turn", "fs", "allocate"]
    address: str = Field(max_length=262)
    drained: bool


class MailAnswer(Answer):
    """A mail; of what holds a code not even the subject is shown."""

    id: str
    state: str
    recipient: str
    subject: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    attempts: int
    error: str | None


class MailsQuery(Page):
    """Which mails."""

    state: Literal["queued", "sent", "failed", "dropped", "kept", "discarded"] | None = None


class MailsAnswer(Listed):
    """Mails, the newest first."""

    mails: list[MailAnswer]


class MonthQuery(BaseModel):
    """Which month (UTC)."""

    month: str = Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", examples=["2026-11"])


class UsageAnswer(Answer):
    """A month in numbers."""

    begin_at: datetime
    end_at: datetime
    people: int = Field(description="people with an account who were in a meeting")
    guests: int
    meetings: int = Field(description="meetings that somebody was in")
    participant_minutes: int
    peak: int = Field(description="most that were in meetings at one time")
    servers: dict[str, int] = Field(description="participant minutes by sfuserver")


def add_routes(api: Api, administration: Administration) -> None:
    """Declare them."""

    @api.route(
        "GET",
        "/api/v1/admin/overview",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        answer=OverviewAnswer,
        summary="How the hub is: live meetings, servers, mails.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_overview(call: Call) -> OverviewAnswer:
        return OverviewAnswer.model_validate(await administration.overview())

    @api.route(
        "POST",
        "/api/v1/admin/servers/drain",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="server.drain",
        body=DrainRequest,
        status=204,
        summary="Give a server no new meetings, or again some; what runs there goes on.",
        errors=(*ERRORS, NotFound),
        tags=TAGS,
    )
    async def admin_drain_server(call: Call, body: DrainRequest) -> Reply:
        await administration.drain(origin_of(call), body.kind, body.address, body.drained)
        return Reply(204)

    @api.route(
        "GET",
        "/api/v1/admin/mails",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        query=MailsQuery,
        answer=MailsAnswer,
        summary="The queue of mails.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_mails(call: Call, query: MailsQuery) -> MailsAnswer:
        found = await administration.mails(query.state, query)
        return MailsAnswer(mails=[_mail(each) for each in found.items], next=next_link(call, found))

    @api.route(
        "POST",
        "/api/v1/admin/mails/<id:id>/retry",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="mail.retry",
        status=204,
        summary="Send a mail now.",
        errors=(*ERRORS, NotFound, Conflict),
        tags=TAGS,
    )
    async def admin_retry_mail(call: Call, id: str) -> Reply:
        await administration.retry_mail(origin_of(call), id)
        return Reply(204)

    @api.route(
        "DELETE",
        "/api/v1/admin/mails/<id:id>",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="mail.drop",
        status=204,
        summary="Take a mail that waits out of the queue.",
        errors=(*ERRORS, NotFound, Conflict),
        tags=TAGS,
    )
    async def admin_drop_mail(call: Call, id: str) -> Reply:
        await administration.drop_mail(origin_of(call), id)
        return Reply(204)

    @api.route(
        "GET",
        "/api/v1/admin/usage",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        query=MonthQuery,
        answer=UsageAnswer,
        summary="How much the hub was used in a month.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_usage(call: Call, query: MonthQuery) -> UsageAnswer:
        return UsageAnswer.model_validate(await administration.usage(*_month(query)))

    @api.route(
        "GET",
        "/api/v1/admin/usage.csv",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        query=MonthQuery,
        summary="The same as CSV.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_usage_csv(call: Call, query: MonthQuery) -> Reply:
        return csv_reply(f"usage-{query.month}.csv", _usage_csv(await administration.usage(*_month(query))))


def _month(query: MonthQuery) -> tuple[int, int]:
    year, month = query.month.split("-")
    return int(year), int(month)


def _mail(queued: Queued) -> MailAnswer:
    return MailAnswer.model_validate(queued)


def _usage_csv(usage: Usage) -> bytes:
    rows: list[tuple[str, object]] = [
        ("month", f"{usage.begin_at:%Y-%m}"),
        ("people", usage.people),
        ("guests", usage.guests),
        ("meetings", usage.meetings),
        ("participant minutes", usage.participant_minutes),
        ("most at one time", usage.peak),
    ]
    rows += [(f"participant minutes on {server or 'no server'}", minutes) for server, minutes in usage.servers.items()]
    return csv_of(("what", "value"), rows)
