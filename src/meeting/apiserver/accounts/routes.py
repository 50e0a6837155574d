"""/api/v1/sign-in, /api/v1/sign-out, /api/v1/me."""

from typing import Annotated

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.callers import COOKIE, Callers
from meeting.apiserver.accounts.rules import NAME_LENGTH
from meeting.apiserver.accounts.use_cases import Accounts, WrongCode
from meeting.apiserver.models import Answer
from meeting.apiserver.schema import EMAIL_LENGTH
from meeting.daemon.errors import Forbidden, SignInNeeded, TooManyRequests
from meeting.daemon.web import Api, Call, Reply, Who

EmailText = Annotated[str, Field(max_length=EMAIL_LENGTH + 10, examples=["ada@example.com"])]


class CodeRequest(BaseModel):
    """Who wants a code."""

    email: EmailText


class CodeAnswer(BaseModel):
    """The same whether the address is known or not."""

    expires_in: int = Field(description="seconds for which the code is good")


class SignInRequest(BaseModel):
    """The code that was mailed."""

    email: EmailText
    code: str = Field(max_length=16, examples=["012345"])


class PersonAnswer(Answer):
    """Someone with an account, as they see themselves."""

    id: str
    email: str
    name: str
    zone: str
    language: str
    administrator: bool


class SignInAnswer(BaseModel):
    """Who is signed in now; the session's cookie comes with it."""

    person: PersonAnswer


class GuestAnswer(Answer):
    """Someone let into one meeting by its link."""

    id: str
    name: str


class ServerAnswer(BaseModel):
    """What the client should know about the server."""

    name: str
    version: str
    demo: bool


class MeAnswer(BaseModel):
    """Who the cookie says is calling."""

    person: PersonAnswer | None
    guest: GuestAnswer | None
    server: ServerAnswer


class MeChanges(BaseModel):
    """What someone changes about themselves; what is missing stays."""

    name: str | None = Field(None, max_length=2 * NAME_LENGTH)
    zone: str | None = Field(None, max_length=64, examples=["Europe/Berlin"])
    language: str | None = Field(None, pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})?$", examples=["en"])


def add_routes(api: Api, accounts: Accounts, callers: Callers, server: ServerAnswer) -> None:
    """Declare the routes of people."""
    tags = ("people",)

    @api.route(
        "POST",
        "/api/v1/sign-in/codes",
        callers=Who.PUBLIC,
        body=CodeRequest,
        answer=CodeAnswer,
        status=202,
        summary="Mail a sign-in code.",
        errors=(TooManyRequests, Forbidden),
        tags=tags,
    )
    async def request_code(call: Call, body: CodeRequest) -> CodeAnswer:
        lifetime = await accounts.request_code(body.email, call.client_address)
        return CodeAnswer(expires_in=int(lifetime.total_seconds()))

    @api.route(
        "POST",
        "/api/v1/sign-in",
        callers=Who.PUBLIC,
        audit="session.open",
        body=SignInRequest,
        answer=SignInAnswer,
        summary="Sign in with a code.",
        errors=(WrongCode, TooManyRequests, Forbidden),
        tags=tags,
    )
    async def sign_in(call: Call, body: SignInRequest) -> Reply:
        person, cookie = await accounts.sign_in(body.email, body.code, call.client_address)
        answer = SignInAnswer(person=PersonAnswer.model_validate(person))
        return Reply(200, answer, cookies=[callers.session_cookie(call, cookie)])

    @api.route(
        "POST",
        "/api/v1/sign-out",
        callers=Who.PUBLIC,
        audit="session.close",
        status=204,
        summary="End the session.",
        errors=(Forbidden,),
        tags=tags,
    )
    async def sign_out(call: Call) -> Reply:
        await accounts.sign_out(call.cookies.get(COOKIE, ""))
        return Reply(204, cookies=[callers.no_cookie(call)])

    @api.route(
        "GET", "/api/v1/me", callers=Who.PUBLIC, scope="me:read", answer=MeAnswer, summary="Who is calling.", tags=tags
    )
    async def get_me(call: Call) -> Reply:
        caller = await callers.caller(call)
        answer = MeAnswer(
            person=None if caller.person is None else PersonAnswer.model_validate(caller.person),
            guest=None if caller.guest is None else GuestAnswer.model_validate(caller.guest),
            server=server,
        )
        # The session was renewed by being used: the browser must keep the cookie as long.
        cookies = [callers.session_cookie(call, call.cookies[COOKIE])] if caller.person is not None else []
        return Reply(200, answer, cookies=cookies)

    @api.route(
        "PATCH",
        "/api/v1/me",
        callers=Who.PERSON,
        scope="me:write",
        audit="person.change",
        body=MeChanges,
        answer=PersonAnswer,
        summary="Change one's name, time zone or language.",
        errors=(SignInNeeded, Forbidden),
        tags=tags,
    )
    async def change_me(call: Call, body: MeChanges) -> PersonAnswer:
        person = await callers.person(call)
        changed = await accounts.change(person, name=body.name, zone=body.zone, language=body.language)
        return PersonAnswer.model_validate(changed)
