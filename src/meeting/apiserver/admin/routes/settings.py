"""/api/v1/admin/settings, /api/v1/admin/retention, and /api/v1/branding, which everybody sees."""

from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from meeting.apiserver.accounts.origins import origin_of
from meeting.apiserver.admin.retention import Sweeper
from meeting.apiserver.admin.routes.system import ERRORS, TAGS
from meeting.apiserver.audit.rules import changed
from meeting.apiserver.audit.use_cases import Audit, Entry, write
from meeting.apiserver.settings.rules import LOGO_SIZE, Retention, Values
from meeting.apiserver.settings.use_cases import ChangedMeanwhile, Locked, Settings
from meeting.daemon.errors import BadRequest, NotFound, TooLarge
from meeting.daemon.web import Api, Call, Reply, Who


class SettingsAnswer(BaseModel):
    """The settings as they hold."""

    version: int = Field(description="to be sent with a change")
    locked: list[str] = Field(description="those that a flag of the server decides")
    values: Values


class SettingsChange(BaseModel):
    """What is to change; what is missing stays."""

    version: int = Field(ge=0, description="of the settings that the change is made to")
    values: dict[str, Any] = Field(description="members of `values` in the answer", max_length=50)


class LogoQuery(BaseModel):
    """To which settings the logo is added."""

    version: int = Field(ge=0, description="of the settings that the change is made to")


class BrandAnswer(BaseModel):
    """How the server shows itself."""

    name: str
    logo: str | None = Field(description="the logo's address; null: there is none")
    color: str = Field(description="buttons and links on light pages")
    color_dark: str = Field(description="the same on dark ones")
    sign_in_text: str
    imprint_url: str
    privacy_url: str


class PreviewAnswer(BaseModel):
    """How much would go tonight; a kind that is kept for ever is not in it."""

    rows: dict[str, int]


def add_routes(api: Api, settings: Settings, sweeper: Sweeper, audit: Audit) -> None:
    """Declare them."""

    @api.route(
        "GET",
        "/api/v1/admin/settings",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        answer=SettingsAnswer,
        summary="The settings.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_settings(call: Call) -> SettingsAnswer:
        await settings.refresh()
        return _settings(settings)

    @api.route(
        "PATCH",
        "/api/v1/admin/settings",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="settings.change",
        body=SettingsChange,
        answer=SettingsAnswer,
        summary="Change settings.",
        errors=(*ERRORS, BadRequest, Locked, ChangedMeanwhile),
        tags=TAGS,
    )
    async def admin_change_settings(call: Call, body: SettingsChange) -> SettingsAnswer:
        if body.values.get("logo") is not None:
            raise BadRequest(
                "body.values.logo: send the picture to /api/v1/admin/logo; here it can only be taken away."
            )
        await settings.change(body.values, body.version, call.caller.person.id, _also(call, "settings.change"))
        return _settings(settings)

    @api.route(
        "PUT",
        "/api/v1/admin/logo",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="settings.logo",
        query=LogoQuery,
        answer=SettingsAnswer,
        summary="Make a picture the logo: the body is a PNG, JPEG or WebP.",
        errors=(*ERRORS, BadRequest, TooLarge, ChangedMeanwhile),
        tags=TAGS,
    )
    async def admin_set_logo(call: Call, query: LogoQuery) -> SettingsAnswer:
        data = call.request.content.read(LOGO_SIZE + 1)
        await settings.set_logo(data, query.version, call.caller.person.id, _also(call, "settings.logo"))
        return _settings(settings)

    @api.route(
        "POST",
        "/api/v1/admin/retention/preview",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        body=Retention,
        answer=PreviewAnswer,
        summary="How much would be removed tonight by these rules. Removes nothing.",
        errors=(*ERRORS, BadRequest),
        tags=TAGS,
    )
    async def admin_preview_retention(call: Call, body: Retention) -> PreviewAnswer:
        return PreviewAnswer(rows=await sweeper.preview(body))

    @api.route(
        "GET",
        "/api/v1/branding",
        callers=Who.PUBLIC,
        answer=BrandAnswer,
        summary="How the server shows itself.",
        tags=("server",),
    )
    async def get_branding(call: Call) -> BrandAnswer:
        return brand(settings)

    @api.route(
        "GET",
        "/api/v1/branding/logo/<digest>",
        callers=Who.PUBLIC,
        summary="The logo.",
        errors=(NotFound,),
        tags=("server",),
    )
    async def get_logo(call: Call, digest: str) -> Reply:
        image = await settings.image(digest)
        headers = {
            "Content-Type": image.type,
            "Cache-Control": "public, max-age=31536000, immutable",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        }
        return Reply(200, image.data, headers)

    def _also(call: Call, word: str) -> Any:
        """Writes what has changed to the audit log, with the change."""
        origin = origin_of(call)

        def also(transaction: Connection, before: Values, after: Values) -> None:
            differs = changed(before.model_dump(mode="json"), after.model_dump(mode="json"))
            if differs:
                write(transaction, audit.entry(Entry(word, origin, details=differs)))

        return also


def brand(settings: Settings) -> BrandAnswer:
    """How the server shows itself now."""
    values = settings.current
    return BrandAnswer(
        name=values.name,
        logo=None if values.logo is None else f"/api/v1/branding/logo/{values.logo}",
        color=values.color,
        color_dark=values.color_dark,
        sign_in_text=values.sign_in_text,
        imprint_url=values.imprint_url,
        privacy_url=values.privacy_url,
    )


def _settings(settings: Settings) -> SettingsAnswer:
    return SettingsAnswer(version=settings.version, locked=sorted(settings.locked), values=settings.current)
