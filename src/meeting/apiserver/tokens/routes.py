"""/api/v1/tokens, /api/v1/admin/tokens."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.callers import Callers
from meeting.apiserver.accounts.rules import NAME_LENGTH
from meeting.apiserver.models import Answer
from meeting.apiserver.pages import Listed, Page, next_link
from meeting.apiserver.tokens.rules import LONGEST_DAYS, SCOPES
from meeting.apiserver.tokens.use_cases import Token, Tokens
from meeting.daemon.errors import Conflict, Forbidden, NotFound
from meeting.daemon.web import Api, Call, Reply, Who


class TokenRequest(BaseModel):
    """A token to be made."""

    name: str = Field(min_length=1, max_length=NAME_LENGTH, examples=["Room booking"])
    scopes: list[Annotated[str, Field(max_length=40)]] = Field(
        min_length=1, max_length=len(SCOPES), examples=[["meetings:read", "meetings:write"]]
    )
    days: int = Field(90, ge=1, le=LONGEST_DAYS, description="for how long it is good")


class TokenAnswer(Answer):
    """A token, without its secret."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = Field(description="to about ten minutes")


class NewToken(BaseModel):
    """A token that was just made."""

    token: TokenAnswer
    secret: str = Field(description="told this once; sent as `Authorization: Bearer <secret>`")


class TokenList(Listed):
    """One's tokens, the newest first."""

    tokens: list[TokenAnswer]
    scopes: dict[str, str] = Field(description="the scopes that there are, each in words")


class HolderAnswer(Answer):
    """Whose a token is."""

    id: str
    name: str
    email: str


class HeldToken(TokenAnswer):
    """A token of somebody."""

    person: HolderAnswer


class HeldTokenList(Listed):
    """Everybody's tokens, the newest first."""

    tokens: list[HeldToken]


def add_routes(api: Api, tokens: Tokens, callers: Callers) -> None:
    """Declare the routes of API tokens. No token opens those of one's own: it could make itself a stronger one."""
    tags = ("tokens",)

    def answer(token: Token) -> TokenAnswer:
        return TokenAnswer(
            id=token.id,
            name=token.name,
            scopes=sorted(token.scopes),
            created_at=token.created_at,
            expires_at=token.expires_at,
            used_at=token.used_at,
        )

    @api.route(
        "GET",
        "/api/v1/tokens",
        callers=Who.PERSON,
        query=Page,
        answer=TokenList,
        summary="One's API tokens.",
        tags=tags,
    )
    async def list_tokens(call: Call, query: Page) -> TokenList:
        found = await tokens.of_person(await callers.person(call), query)
        return TokenList(tokens=[answer(each) for each in found.items], scopes=SCOPES, next=next_link(call, found))

    @api.route(
        "POST",
        "/api/v1/tokens",
        callers=Who.PERSON,
        limit=30,
        idempotent=True,
        audit="token.create",
        body=TokenRequest,
        answer=NewToken,
        status=201,
        summary="Make an API token; its secret is told this once.",
        errors=(Forbidden, Conflict),
        tags=tags,
    )
    async def create_token(call: Call, body: TokenRequest) -> NewToken:
        person = await callers.person(call)
        token, secret = await tokens.make(
            person, body.name, frozenset(body.scopes), timedelta(days=body.days), token_id=call.new_id
        )
        return NewToken(token=answer(token), secret=secret)

    @api.route(
        "DELETE",
        "/api/v1/tokens/<id:id>",
        callers=Who.OWNER,
        audit="token.revoke",
        status=204,
        summary="Revoke a token of one's own, at once.",
        errors=(NotFound,),
        tags=tags,
    )
    async def revoke_token(call: Call, id: str) -> Reply:
        await tokens.revoke(id, await callers.person(call))
        return Reply(204)

    @api.route(
        "GET",
        "/api/v1/admin/tokens",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        query=Page,
        answer=HeldTokenList,
        summary="Everybody's API tokens.",
        tags=("administration",),
    )
    async def list_all_tokens(call: Call, query: Page) -> HeldTokenList:
        found = await tokens.all(query)
        held = [
            HeldToken(**answer(token).model_dump(), person=HolderAnswer.model_validate(person))
            for token, person in found.items
        ]
        return HeldTokenList(tokens=held, next=next_link(call, found))

    @api.route(
        "DELETE",
        "/api/v1/admin/tokens/<id:id>",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="token.revoke",
        status=204,
        summary="Revoke anybody's token, at once.",
        errors=(NotFound,),
        tags=("administration",),
    )
    async def revoke_any_token(call: Call, id: str) -> Reply:
        await tokens.revoke(id)
        return Reply(204)
