"""The settings: their names, defaults and limits; and what a logo and a colour must be."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: What is kept for how long can be said of each of these; None: for ever.
RETENTION_KINDS = (
    "meetings",
    "chat",
    "minutes",
    "files",
    "attendance",
    "mails",
    "audit",
    "sessions",
    "guests",
)

#: Bytes of a logo, points on each of its sides, and the kinds of pictures that can be one. No SVG: it can hold scripts.
LOGO_SIZE = 256 * 1024
LOGO_SIDE = 2048
LOGO_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})

#: The least contrast of text (WCAG 2.2, success criterion 1.4.3), and what our pages put behind or onto a colour.
CONTRAST = 4.5
_WHITE, _DARK = "#ffffff", "#242424"

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours `#rrggbb`, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _color_on(background: str, words: str) -> Any:
    def check(color: str) -> str:
        if not _COLOR.fullmatch(color):
            raise ValueError("a colour is written #rrggbb, for example #1864ab")
        found = contrast(color, background)
        if found < CONTRAST:
            raise ValueError(f"{words}: the contrast is {found:.1f}, it must be at least {CONTRAST}")
        return color.lower()

    return check


def _domain(text: str) -> str:
    domain = text.strip().lower().lstrip("@")
    if len(domain) > 253 or not _DOMAIN.fullmatch(domain):
        raise ValueError("a domain is written example.com")
    return domain


def _address(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.netloc or not text.isprintable() or " " in text:
        raise ValueError("write an address that begins with https://")
    return text


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _text(text: str) -> str:
    return "".join(c for c in text.replace("\r\n", "\n") if c.isprintable() or c == "\n").strip()


Days = Annotated[int | None, Field(ge=1, le=36500)]
Domain = Annotated[str, AfterValidator(_domain)]
WebAddress = Annotated[str, Field(max_length=500), AfterValidator(_address)]
LightColor = Annotated[str, AfterValidator(_color_on(_WHITE, "white text on this colour could not be read"))]
DarkColor = Annotated[str, AfterValidator(_color_on(_DARK, "this colour could not be read on the dark pages"))]


class Retention(BaseModel):
    """For how many days each kind of data is kept; null: for ever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    meetings: Days = None
    chat: Days = None
    minutes: Days = None
    files: Days = None
    attendance: Days = None
    mails: Annotated[int, Field(ge=1, le=3650)] = 30
    audit: Annotated[int | None, Field(ge=30, le=36500)] = None
    sessions: Annotated[int, Field(ge=1, le=3650)] = 30
    guests: Days = 30


class Values(BaseModel):
    """All settings. What is not in the database has these values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # who
    allowed_domains: Annotated[list[Domain], Field(max_length=1000)] = []
    """Whose addresses may sign in; none: everybody's."""
    creators: Literal["everyone", "administrators"] = "everyone"
    """Who may open and schedule meetings."""
    guests_allowed: bool = True
    """Whether anybody may come without signing in, where a meeting allows it."""

    # meetings
    default_lobby: bool = False
    default_passcode: bool = False
    max_minutes: Annotated[int | None, Field(ge=5, le=10080)] = None
    """The longest a meeting may last."""
    reminder_minutes: Annotated[int, Field(ge=0, le=1440)] = 10
    """Minutes before a meeting at which people are reminded, unless they chose otherwise; 0: not at all."""
    attendance: bool = True
    """Whether it is kept who was in a meeting from when to when."""

    # brand
    name: Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_line)] = "Meeting"
    logo: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    """The SHA-256 of the logo's picture."""
    color: LightColor = "#1864ab"
    color_dark: DarkColor = "#74c0fc"
    sign_in_text: Annotated[str, Field(max_length=1000), AfterValidator(_text)] = ""
    mail_footer: Annotated[str, Field(max_length=1000), AfterValidator(_text)] = ""
    imprint_url: WebAddress = ""
    privacy_url: WebAddress = ""

    retention: Retention = Retention()


def overlaid(values: Values, locked: Mapping[str, Any]) -> Values:
    """The values with those that a flag gives instead."""
    return Values.model_validate({**values.model_dump(), **locked}) if locked else values
