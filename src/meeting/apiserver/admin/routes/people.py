"""/api/v1/admin/people: who has an account, and what may be done about it."""

import json
from datetime import datetime

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.administration import Account, IsAdministrator, LastAdministrator
from meeting.apiserver.accounts.origins import origin_of
from meeting.apiserver.admin.routes.system import ERRORS, TAGS
from meeting.apiserver.admin.use_cases import Administration
from meeting.apiserver.models import Answer
from meeting.apiserver.pages import Listed, Page, next_link
from meeting.daemon.errors import BadRequest, Conflict, NotFound
from meeting.daemon.web import Api, Call, Reply, Who


class AccountAnswer(Answer):
    """An account."""

    id: str
    email: str
    name: str
    administrator: bool
    blocked_at: datetime | None
    erased_at: datetime | None
    created_at: datetime
    sessions: int = Field(description="in how many browsers they are signed in")
    used_at: datetime | None = Field(description="when one of them was last renewed, which is daily while in use")


class PeopleQuery(Page):
    """Which people."""

    search: str = Field("", max_length=254, description="part of an address or a name")
    administrators: bool = False
    blocked: bool = False


class PeopleAnswer(Listed):
    """Accounts, the newest first."""

    people: list[AccountAnswer]


class AdministratorRequest(BaseModel):
    """Whether they are one."""

    administrator: bool


class EraseRequest(BaseModel):
    """The confirmation: the address of the account that is to be erased."""

    email: str = Field(max_length=300)


def add_routes(api: Api, administration: Administration) -> None:
    """Declare them."""

    @api.route(
        "GET",
        "/api/v1/admin/people",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        query=PeopleQuery,
        answer=PeopleAnswer,
        summary="People with an account.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_people(call: Call, query: PeopleQuery) -> PeopleAnswer:
        found = await administration.people(
            query.search, administrators=query.administrators, blocked=query.blocked, page=query
        )
        return PeopleAnswer(people=[_answer(each) for each in found.items], next=next_link(call, found))

    @api.route(
        "PUT",
        "/api/v1/admin/people/<id:id>/administrator",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="person.administrator",
        body=AdministratorRequest,
        answer=AccountAnswer,
        summary="Make somebody an administrator, or no longer; never the last one.",
        errors=(*ERRORS, NotFound, Conflict, LastAdministrator),
        tags=TAGS,
    )
    async def admin_set_administrator(call: Call, body: AdministratorRequest, id: str) -> AccountAnswer:
        return _answer(await administration.set_administrator(origin_of(call), id, body.administrator))

    @api.route(
        "POST",
        "/api/v1/admin/people/<id:id>/block",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="person.block",
        answer=AccountAnswer,
        summary="Sign somebody out everywhere and let them in no more.",
        errors=(*ERRORS, NotFound, IsAdministrator),
        tags=TAGS,
    )
    async def admin_block(call: Call, id: str) -> AccountAnswer:
        return _answer(await administration.block(origin_of(call), id))

    @api.route(
        "POST",
        "/api/v1/admin/people/<id:id>/unblock",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="person.unblock",
        answer=AccountAnswer,
        summary="Let somebody sign in again.",
        errors=(*ERRORS, NotFound, Conflict),
        tags=TAGS,
    )
    async def admin_unblock(call: Call, id: str) -> AccountAnswer:
        return _answer(await administration.unblock(origin_of(call), id))

    @api.route(
        "POST",
        "/api/v1/admin/people/<id:id>/sign-out",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="person.sign_out",
        answer=AccountAnswer,
        summary="Sign somebody out everywhere.",
        errors=(*ERRORS, NotFound),
        tags=TAGS,
    )
    async def admin_sign_out(call: Call, id: str) -> AccountAnswer:
        return _answer(await administration.sign_out(origin_of(call), id))

    @api.route(
        "GET",
        "/api/v1/admin/people/<id:id>/export",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        summary="All that is known of somebody, as JSON; it is written to the audit log.",
        errors=(*ERRORS, NotFound),
        tags=TAGS,
    )
    async def admin_export(call: Call, id: str) -> Reply:
        everything = await administration.export(origin_of(call), id)
        headers = {
            "Content-Type": "application/json",
            "Content-Disposition": f'attachment; filename="person-{id}.json"',
        }
        return Reply(200, json.dumps(everything, ensure_ascii=False, indent=1).encode(), headers)

    @api.route(
        "POST",
        "/api/v1/admin/people/<id:id>/erase",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="person.erase",
        body=EraseRequest,
        answer=AccountAnswer,
        summary="Forget somebody: it cannot be undone.",
        errors=(*ERRORS, NotFound, BadRequest, Conflict, IsAdministrator),
        tags=TAGS,
    )
    async def admin_erase(call: Call, body: EraseRequest, id: str) -> AccountAnswer:
        return _answer(await administration.erase(origin_of(call), id, body.email))


def _answer(account: Account) -> AccountAnswer:
    return AccountAnswer.model_validate(account)
