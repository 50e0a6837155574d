"""/api/v1/me/passkeys, /api/v1/sign-in/passkey: registering passkeys and signing in with them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.callers import Callers, device
from meeting.apiserver.accounts.models import PersonAnswer, SignInAnswer
from meeting.apiserver.accounts.passkeys import PasskeyKnown, PasskeyRefused, Passkeys, TooManyPasskeys
from meeting.apiserver.accounts.rules import NAME_LENGTH, PASSKEYS
from meeting.apiserver.models import Answer
from meeting.daemon.errors import Forbidden, NotFound, SignInNeeded, TooManyRequests
from meeting.daemon.web import Api, Call, Reply, Who


class PasskeyOptions(BaseModel):
    """What the browser's `navigator.credentials` takes as `publicKey`, in the JSON form of WebAuthn level 3."""

    options: dict[str, Any]


class PasskeyRequest(BaseModel):
    """A passkey the browser has made."""

    name: str = Field(max_length=2 * NAME_LENGTH, examples=["Ada's laptop"])
    credential: dict[str, Any] = Field(description="the credential's toJSON()")


class PasskeyChanges(BaseModel):
    """What can be changed of a passkey."""

    name: str = Field(max_length=2 * NAME_LENGTH)


class PasskeySignIn(BaseModel):
    """The answer of a passkey."""

    credential: dict[str, Any] = Field(description="the credential's toJSON()")


class PasskeyAnswer(Answer):
    """A passkey of one's own."""

    id: str
    name: str
    synced: bool = Field(description="whether it is kept by a service that brings it to other devices")
    created_at: datetime
    used_at: datetime | None


class PasskeyList(BaseModel):
    """One's passkeys, the oldest first."""

    passkeys: list[PasskeyAnswer] = Field(max_length=PASSKEYS)


def add_routes(api: Api, passkeys: Passkeys, callers: Callers) -> None:
    """Declare the routes of passkeys."""
    tags = ("people",)

    @api.route(
        "POST",
        "/api/v1/sign-in/passkey/options",
        callers=Who.PUBLIC,
        answer=PasskeyOptions,
        summary="Begin to sign in with a passkey.",
        errors=(Forbidden, TooManyRequests),
        tags=tags,
    )
    async def begin_passkey_sign_in(call: Call) -> PasskeyOptions:
        return PasskeyOptions(options=await passkeys.authentication(call.client_address))

    @api.route(
        "POST",
        "/api/v1/sign-in/passkey",
        callers=Who.PUBLIC,
        audit="session.open",
        body=PasskeySignIn,
        answer=SignInAnswer,
        summary="Sign in with a passkey.",
        errors=(PasskeyRefused, Forbidden, TooManyRequests),
        tags=tags,
    )
    async def sign_in_with_passkey(call: Call, body: PasskeySignIn) -> Reply:
        person, cookie = await passkeys.sign_in(body.credential, device(call))
        answer = SignInAnswer(person=PersonAnswer.model_validate(person))
        return Reply(200, answer, cookies=[callers.session_cookie(call, cookie)])

    @api.route(
        "GET",
        "/api/v1/me/passkeys",
        callers=Who.PERSON,
        answer=PasskeyList,
        summary="One's passkeys.",
        errors=(SignInNeeded,),
        tags=tags,
    )
    async def list_passkeys(call: Call) -> PasskeyList:
        found = await passkeys.of_person(await callers.person(call))
        return PasskeyList(passkeys=[PasskeyAnswer.model_validate(each) for each in found])

    @api.route(
        "POST",
        "/api/v1/me/passkeys/options",
        callers=Who.PERSON,
        answer=PasskeyOptions,
        summary="Begin to register a passkey.",
        errors=(SignInNeeded, Forbidden, TooManyPasskeys),
        tags=tags,
    )
    async def begin_passkey_registration(call: Call) -> PasskeyOptions:
        return PasskeyOptions(options=await passkeys.registration(await callers.person(call)))

    @api.route(
        "POST",
        "/api/v1/me/passkeys",
        callers=Who.PERSON,
        audit="passkey.create",
        idempotent=True,
        body=PasskeyRequest,
        answer=PasskeyAnswer,
        status=201,
        summary="Register a passkey.",
        errors=(SignInNeeded, PasskeyRefused, Forbidden, TooManyPasskeys, PasskeyKnown),
        tags=tags,
    )
    async def register_passkey(call: Call, body: PasskeyRequest) -> PasskeyAnswer:
        made = await passkeys.register(await callers.person(call), body.credential, body.name)
        return PasskeyAnswer.model_validate(made)

    @api.route(
        "PATCH",
        "/api/v1/me/passkeys/<id:id>",
        callers=Who.PERSON,
        audit="passkey.change",
        body=PasskeyChanges,
        answer=PasskeyAnswer,
        summary="Give a passkey another name.",
        errors=(SignInNeeded, Forbidden, NotFound),
        tags=tags,
    )
    async def rename_passkey(call: Call, body: PasskeyChanges, id: str) -> PasskeyAnswer:
        return PasskeyAnswer.model_validate(await passkeys.rename(await callers.person(call), id, body.name))

    @api.route(
        "DELETE",
        "/api/v1/me/passkeys/<id:id>",
        callers=Who.PERSON,
        audit="passkey.delete",
        status=204,
        summary="Delete a passkey: it is good for nothing from now on.",
        errors=(SignInNeeded, Forbidden, NotFound),
        tags=tags,
    )
    async def delete_passkey(call: Call, id: str) -> Reply:
        await passkeys.delete(await callers.person(call), id)
        return Reply(204)
