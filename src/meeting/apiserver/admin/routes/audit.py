"""/api/v1/admin/audit: reading it. There is no route that changes it."""

import json
from typing import Any

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.origins import origin_of
from meeting.apiserver.admin.routes.system import ERRORS, TAGS
from meeting.apiserver.admin.use_cases import Administration, Told
from meeting.apiserver.audit.rules import Outcome
from meeting.apiserver.audit.use_cases import Search
from meeting.apiserver.models import UtcMoment
from meeting.apiserver.pages import Listed, Page, next_link
from meeting.apiserver.spreadsheet import csv_of, csv_reply
from meeting.daemon.web import Api, Call, Reply, Who

_COLUMNS = (
    "at",
    "word",
    "outcome",
    "actor kind",
    "actor",
    "target",
    "target text",
    "meeting",
    "from",
    "request",
    "details",
)


class AuditSearch(BaseModel):
    """What is looked for."""

    person: str | None = Field(None, max_length=254, description="by or about them: an id or an address")
    meeting: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="a meeting's id")
    word: str | None = Field(None, max_length=64, examples=["meeting"], description="one, or the beginning of several")
    outcome: Outcome | None = None
    since: UtcMoment | None = None
    until: UtcMoment | None = None


class AuditQuery(AuditSearch, Page):
    """Which entries."""


class NamedPerson(BaseModel):
    """Somebody, as they are called now."""

    id: str
    name: str
    email: str


class EntryAnswer(BaseModel):
    """Something that was done or refused."""

    id: str
    at: UtcMoment
    word: str
    outcome: Outcome
    actor_kind: str
    actor_id: str | None
    actor: NamedPerson | None
    target_id: str | None
    target: NamedPerson | None
    target_text: str
    meeting_id: str | None
    source: str = Field(description="the address that the request came from")
    request: str = Field(description="the request's id, as in X-Request-Id and the logs")
    details: dict[str, Any]


class AuditAnswer(Listed):
    """Entries, the newest first."""

    entries: list[EntryAnswer]


def add_routes(api: Api, administration: Administration) -> None:
    """Declare them."""

    @api.route(
        "GET",
        "/api/v1/admin/audit",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        query=AuditQuery,
        answer=AuditAnswer,
        summary="The audit log: who did what, when and from where.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_audit(call: Call, query: AuditQuery) -> AuditAnswer:
        found = await administration.audit(_search(query), query)
        return AuditAnswer(entries=[_answer(each) for each in found.items], next=next_link(call, found))

    @api.route(
        "GET",
        "/api/v1/admin/audit.csv",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        query=AuditSearch,
        summary="The same as CSV: the newest 50 000 entries.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_audit_csv(call: Call, query: AuditSearch) -> Reply:
        told = await administration.audit_file(origin_of(call), _search(query))
        return csv_reply("audit.csv", csv_of(_COLUMNS, [_row(each) for each in told]))


def _search(query: AuditSearch) -> Search:
    return Search(query.person, query.meeting, query.word, query.outcome, query.since, query.until)


def _answer(told: Told) -> EntryAnswer:
    entry = told.entry
    actor, target = (
        None if person is None else NamedPerson(id=person.id, name=person.name, email=person.email)
        for person in (told.actor, told.target)
    )
    return EntryAnswer(
        id=entry.id,
        at=entry.at,
        word=entry.word,
        outcome=entry.outcome,
        actor_kind=entry.actor.kind.value,
        actor_id=entry.actor.id,
        actor=actor,
        target_id=entry.target_id,
        target=target,
        target_text=entry.target_text,
        meeting_id=entry.meeting_id,
        source=entry.source,
        request=entry.request,
        details=dict(entry.details),
    )


def _row(told: Told) -> list[object]:
    entry = told.entry
    return [
        f"{entry.at:%Y-%m-%dT%H:%M:%S.%fZ}",
        entry.word,
        entry.outcome.value,
        entry.actor.kind.value,
        told.actor.email if told.actor else entry.actor.id,
        told.target.email if told.target else entry.target_id,
        entry.target_text,
        entry.meeting_id,
        entry.source,
        entry.request,
        json.dumps(entry.details, ensure_ascii=False) if entry.details else "",
    ]
