"""/api/v1/sign-in/oidc: to the single sign-on and back. A browser goes there itself, so both answer by a redirect."""

from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field
from twisted.logger import Logger

from meeting.apiserver.accounts.callers import Callers, device
from meeting.apiserver.accounts.oidc import OidcFailed
from meeting.apiserver.accounts.rules import ATTEMPT_LIFETIME
from meeting.apiserver.accounts.single_sign_on import SingleSignOn
from meeting.daemon.errors import TooManyRequests
from meeting.daemon.web import Api, Call, Cookie, Reply, Who

PATH = "/api/v1/sign-in/oidc"
CALLBACK = f"{PATH}/callback"
#: Binds an attempt to the browser that began it.
_COOKIE = "meeting_single_sign_on"


class Going(BaseModel):
    """Where to go once signed in."""

    next: str = Field("/", max_length=300, description="a path of this server")


class Coming(BaseModel):
    """What the provider sends back (OpenID Connect Core 1.0, sections 3.1.2.5 and 3.1.2.6); some send more."""

    model_config = ConfigDict(extra="ignore")

    state: str = Field("", max_length=200)
    code: str = Field("", max_length=4000)
    error: str = Field("", max_length=200)


def add_routes(api: Api, single_sign_on: SingleSignOn, callers: Callers) -> None:
    """Declare the routes of the single sign-on."""
    log = Logger("meeting.apiserver.accounts.oidc")
    tags = ("people",)

    def cookie(call: Call, value: str, max_age: int) -> Cookie:
        secure = callers.session_cookie(call, "").secure
        return Cookie(_COOKIE, value, max_age=max_age, path=PATH, secure=secure)

    def failed(call: Call, error: OidcFailed) -> Reply:
        """Back to the sign-in page, which says what went wrong in the reader's language; the details are in our log."""
        log.warn("single sign-on: {reason}: {detail}", reason=error.reason, detail=error.detail)
        location = "/sign-in?" + urlencode({"problem": error.reason})
        return Reply(302, headers={"Location": location}, cookies=[cookie(call, "", 0)])

    @api.route(
        "GET",
        PATH,
        callers=Who.PUBLIC,
        query=Going,
        status=302,
        summary="Go to the single sign-on.",
        errors=(TooManyRequests,),
        tags=tags,
    )
    async def go_to_single_sign_on(call: Call, query: Going) -> Reply:
        try:
            location, bound = await single_sign_on.begin(query.next, call.client_address)
        except OidcFailed as error:
            return failed(call, error)
        lifetime = int(ATTEMPT_LIFETIME.total_seconds())
        return Reply(302, headers={"Location": location}, cookies=[cookie(call, bound, lifetime)])

    @api.route(
        "GET",
        CALLBACK,
        callers=Who.PUBLIC,
        audit="session.open",
        query=Coming,
        status=302,
        summary="Come back from the single sign-on.",
        tags=tags,
    )
    async def come_from_single_sign_on(call: Call, query: Coming) -> Reply:
        try:
            if query.error:
                reason = "denied" if query.error == "access_denied" else "provider"
                raise OidcFailed(reason, f"The provider answered {query.error!r}.")
            _, session, next = await single_sign_on.finish(
                query.state, query.code, call.cookies.get(_COOKIE, ""), device(call)
            )
        except OidcFailed as error:
            return failed(call, error)
        cookies = [callers.session_cookie(call, session), cookie(call, "", 0)]
        return Reply(302, headers={"Location": next}, cookies=cookies)
