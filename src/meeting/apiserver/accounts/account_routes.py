"""/api/v1/me and what hangs on it: one's profile, picture, personal link and sessions; other people's pictures."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.callers import Callers
from meeting.apiserver.accounts.models import PersonAnswer
from meeting.apiserver.accounts.people import Guest, Person
from meeting.apiserver.accounts.profile import HandleTaken, NoPicture, Profiles
from meeting.apiserver.accounts.rules import NAME_LENGTH
from meeting.apiserver.accounts.sessions import Sessions
from meeting.apiserver.models import Answer
from meeting.apiserver.pages import Listed, Page, next_link
from meeting.daemon.errors import Forbidden, NotFound, SignInNeeded, TooLarge, TooManyRequests
from meeting.daemon.web import Api, Call, Reply, Who

#: A picture has its version in its address, so what was fetched stays good for as long as the browser likes.
_PICTURE_IS_KEPT = "private, max-age=31536000, immutable"


class MeChanges(BaseModel):
    """What someone changes about themselves; what is missing stays."""

    name: str | None = Field(None, max_length=2 * NAME_LENGTH)
    zone: str | None = Field(None, max_length=64, examples=["Europe/Berlin"])
    language: str | None = Field(None, pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})?$", examples=["en"])
    handle: str | None = Field(
        None, max_length=100, examples=["ada-lovelace"], description="of the personal link; empty: give it up"
    )


class SessionAnswer(Answer):
    """A browser in which one is signed in."""

    id: str
    browser: str | None = Field(examples=["Firefox"])
    system: str | None = Field(examples=["Linux"])
    address: str
    created_at: datetime
    last_used_at: datetime = Field(description="to within ten minutes")
    current: bool = Field(description="the one that asks")


class SessionList(Listed):
    """The one used last comes first."""

    sessions: list[SessionAnswer]


class PictureQuery(BaseModel):
    """Which picture."""

    version: str = Field("", max_length=16, description="as it stands in the address that was given out")


class PersonalLinkAnswer(BaseModel):
    """Where a personal link leads."""

    code: str = Field(description="of the person's instant meeting")
    name: str


def add_routes(
    api: Api,
    profiles: Profiles,
    sessions: Sessions,
    callers: Callers,
    *,
    meets: Callable[[Guest, str], Awaitable[bool]],
    instant_code: Callable[[Person], Awaitable[str]],
) -> None:
    """Declare the routes of one's own account.

    `meets`: whether a guest is in the same meeting as a person; `instant_code`: the code of a person's instant meeting.
    """
    tags = ("people",)

    @api.route(
        "PATCH",
        "/api/v1/me",
        callers=Who.PERSON,
        scope="me:write",
        audit="person.change",
        body=MeChanges,
        answer=PersonAnswer,
        summary="Change one's name, time zone, language or personal link.",
        errors=(SignInNeeded, Forbidden, HandleTaken),
        tags=tags,
    )
    async def change_me(call: Call, body: MeChanges) -> PersonAnswer:
        person = await callers.person(call)
        changed = await profiles.change(
            person, name=body.name, zone=body.zone, language=body.language, handle=body.handle
        )
        return PersonAnswer.model_validate(changed)

    @api.route(
        "PUT",
        "/api/v1/me/picture",
        callers=Who.PERSON,
        scope="me:write",
        audit="person.change-picture",
        answer=PersonAnswer,
        summary="Take the body, a PNG, JPEG or WebP of at most 512 KB, as one's picture.",
        errors=(SignInNeeded, Forbidden, TooLarge, NoPicture),
        tags=tags,
    )
    async def put_picture(call: Call) -> PersonAnswer:
        person = await callers.person(call)
        return PersonAnswer.model_validate(await profiles.put_picture(person, call.request.content.read()))

    @api.route(
        "DELETE",
        "/api/v1/me/picture",
        callers=Who.PERSON,
        scope="me:write",
        audit="person.delete-picture",
        answer=PersonAnswer,
        summary="Take one's picture away.",
        errors=(SignInNeeded, Forbidden),
        tags=tags,
    )
    async def delete_picture(call: Call) -> PersonAnswer:
        return PersonAnswer.model_validate(await profiles.delete_picture(await callers.person(call)))

    @api.route(
        "GET",
        "/api/v1/people/<id:id>/picture",
        callers=Who.GUEST | Who.PERSON,
        scope="meetings:read",
        query=PictureQuery,
        also=(304,),
        summary="Somebody's picture, for people, and for guests of a meeting with them.",
        errors=(SignInNeeded, NotFound),
        tags=tags,
    )
    async def get_picture(call: Call, query: PictureQuery, id: str) -> Reply:
        caller = await callers.caller(call)
        if caller.guest is not None and not await meets(caller.guest, id):
            raise NotFound()
        picture = await profiles.picture(id)
        etag = f'"{picture.version}"'
        caching = _PICTURE_IS_KEPT if query.version == picture.version else "private, no-cache"
        headers = {"ETag": etag, "Cache-Control": caching}
        if etag in (call.header("If-None-Match") or ""):
            return Reply(304, headers=headers)
        return Reply(200, picture.data, {**headers, "Content-Type": picture.type})

    @api.route(
        "GET",
        "/api/v1/personal-links/<handle>",
        callers=Who.PUBLIC,
        answer=PersonalLinkAnswer,
        summary="Where the link /p/<handle> leads: the instant meeting of the person who chose it.",
        errors=(NotFound, TooManyRequests),
        tags=tags,
    )
    async def follow_personal_link(call: Call, handle: str) -> PersonalLinkAnswer:
        person = await profiles.by_handle(handle, call.client_address)
        return PersonalLinkAnswer(code=await instant_code(person), name=person.name)

    @api.route(
        "GET",
        "/api/v1/me/sessions",
        callers=Who.PERSON,
        query=Page,
        answer=SessionList,
        summary="Where one is signed in.",
        errors=(SignInNeeded,),
        tags=tags,
    )
    async def list_sessions(call: Call, query: Page) -> SessionList:
        found = await sessions.of_person(await callers.person(call), query)
        return SessionList(
            sessions=[
                SessionAnswer(
                    id=each.id,
                    browser=each.browser,
                    system=each.system,
                    address=each.address,
                    created_at=each.created_at,
                    last_used_at=each.last_used_at,
                    current=each.id == call.caller.session_id,
                )
                for each in found.items
            ],
            next=next_link(call, found),
        )

    @api.route(
        "DELETE",
        "/api/v1/me/sessions/<id:id>",
        callers=Who.PERSON,
        audit="session.end",
        status=204,
        summary="Sign out there.",
        errors=(SignInNeeded, Forbidden, NotFound),
        tags=tags,
    )
    async def end_session(call: Call, id: str) -> Reply:
        await sessions.end(await callers.person(call), id)
        return Reply(204, cookies=[callers.no_cookie(call)] if id == call.caller.session_id else [])

    @api.route(
        "DELETE",
        "/api/v1/me/sessions",
        callers=Who.PERSON,
        audit="session.end-others",
        status=204,
        summary="Sign out everywhere else.",
        errors=(SignInNeeded, Forbidden),
        tags=tags,
    )
    async def end_other_sessions(call: Call) -> Reply:
        await sessions.end_others(await callers.person(call), call.caller.session_id)
        return Reply(204)
