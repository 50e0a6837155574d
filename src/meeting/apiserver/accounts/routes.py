"""/api/v1/sign-in, /api/v1/sign-out, and who is calling."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.callers import COOKIE, Callers, device
from meeting.apiserver.accounts.models import PersonAnswer, SignInAnswer
from meeting.apiserver.accounts.sessions import Sessions
from meeting.apiserver.accounts.use_cases import Accounts, WrongCode
from meeting.apiserver.models import Answer
from meeting.apiserver.schema import EMAIL_LENGTH
from meeting.daemon.errors import Forbidden, TooManyRequests
from meeting.daemon.web import Api, Call, Reply, Who

EmailText = Annotated[str, Field(max_length=EMAIL_LENGTH + 10, examples=["ada@example.com"])]


SignInMethod = Literal["code", "passkey", "oidc"]


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


class GuestAnswer(Answer):
    """Someone let into one meeting by its link."""

    id: str
    name: str


class HouseAnswer(Answer):
    """What administrators have decided about all meetings."""

    creators: Literal["everyone", "administrators"] = Field(description="who may open and schedule meetings")
    guests_allowed: bool = Field(description="whether anybody may come without signing in")
    default_lobby: bool = Field(description="whether a meeting has a lobby of which nothing was said")
    default_passcode: bool = Field(description="whether one gets a passcode of which nothing was said")
    max_minutes: int | None = Field(description="the longest that a meeting may last")
    reminder_minutes: int = Field(description="when people are reminded who chose nothing; 0: not at all")


class ServerAnswer(BaseModel):
    """What the client should know about the server."""

    name: str
    version: str
    demo: bool
    sign_in_methods: list[SignInMethod] = Field(description="by what people may sign in here")
    oidc_name: str | None = Field(description="what the single sign-on is called, where there is one")
    house: HouseAnswer


class MeAnswer(BaseModel):
    """Who the cookie says is calling."""

    person: PersonAnswer | None
    guest: GuestAnswer | None
    server: ServerAnswer


def add_routes(
    api: Api, accounts: Accounts, sessions: Sessions, callers: Callers, server: Callable[[], ServerAnswer]
) -> None:
    """Declare the routes of signing in and out. `server` tells how it is by now."""
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
        person, cookie = await accounts.sign_in(body.email, body.code, device(call))
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
        await sessions.close(call.cookies.get(COOKIE, ""))
        return Reply(204, cookies=[callers.no_cookie(call)])

    @api.route(
        "GET", "/api/v1/me", callers=Who.PUBLIC, scope="me:read", answer=MeAnswer, summary="Who is calling.", tags=tags
    )
    async def get_me(call: Call) -> Reply:
        caller = await callers.caller(call)
        answer = MeAnswer(
            person=None if caller.person is None else PersonAnswer.model_validate(caller.person),
            guest=None if caller.guest is None else GuestAnswer.model_validate(caller.guest),
            server=server(),
        )
        # The session was renewed by being used: the browser must keep the cookie as long.
        by_cookie = caller.person is not None and caller.token_id is None
        cookies = [callers.session_cookie(call, call.cookies[COOKIE])] if by_cookie else []
        return Reply(200, answer, cookies=cookies)
