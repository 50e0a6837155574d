"""What an address, a name and a sign-in code are, and how often anything may be tried."""

import re
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from meeting.apiserver.schema import EMAIL_LENGTH
from meeting.daemon.errors import BadRequest

#: How long a sign-in code is good, and how many wrong ones may be entered before it is void.
CODE_LIFETIME = timedelta(minutes=10)
CODE_TRIES = 5
CODE_DIGITS = 6

#: A person's session is renewed while it is used; a guest's belongs to one meeting.
SESSION_LIFETIME = timedelta(days=30)
GUEST_SESSION_LIFETIME = timedelta(hours=24)
#: A session in use is renewed in the database at most this often: a write per person and span.
SESSION_RENEWAL = timedelta(minutes=10)

NAME_LENGTH = 100

#: The most passkeys of a person, and how long an authenticator may take to sign a challenge.
PASSKEYS = 10
CHALLENGE_LIFETIME = timedelta(minutes=5)
#: How long someone may take at the single sign-on.
ATTEMPT_LIFETIME = timedelta(minutes=15)

#: What a picture of a person may be: bytes, points on each side, and the formats that every browser shows.
PICTURE_SIZE = 512 << 10
PICTURE_SIDE = 4096
PICTURE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})

# A dot-atom before the @ and a host name after it (RFC 5321 section 4.1.2, without quoted strings and address literals,
# which no mail system gives to people). Letters beyond ASCII are allowed in both (RFC 6531).
_ATOM = r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f.]+"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?\.)*[^\W_](?:[\w-]{{0,61}}[^\W_])?\.?")
_ID = re.compile(r"[0-9a-f]{32}")
_HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{1,38}[a-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Device:
    """What a request says of the browser it comes from. Anybody can say anything: it is shown, not believed."""

    user_agent: str = ""
    address: str = ""
    #: The request's id.
    request: str = ""


# The first that is found counts: most browsers claim to be another as well.
_BROWSERS = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\b(?:OPR|Opera)/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(?:Chrome|CriOS|HeadlessChrome)/")),
    ("Chromium", re.compile(r"\bChromium/")),
    ("Safari", re.compile(r"\bVersion/\S+ .*Safari/")),
)
_SYSTEMS = (
    ("iPhone", re.compile(r"\biPhone\b")),
    ("iPad", re.compile(r"\biPad\b")),
    ("Android", re.compile(r"\bAndroid\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("Windows", re.compile(r"\bWindows\b")),
    ("macOS", re.compile(r"\bMac OS X\b|\bMacintosh\b")),
    ("Linux", re.compile(r"\bLinux\b|\bX11\b")),
)


def device(user_agent: str | None, address: str, request: str = "") -> Device:
    """The device of a request, cut to what is kept of it."""
    return Device(_CONTROL.sub(" ", user_agent or "")[:300], address[:64], request)


def browser_and_system(user_agent: str) -> tuple[str | None, str | None]:
    """What a person would call the browser and the system that a User-Agent names; None for what it does not."""
    found = [
        next((name for name, pattern in names if pattern.search(user_agent)), None) for names in (_BROWSERS, _SYSTEMS)
    ]
    return found[0], found[1]


@dataclass(frozen=True)
class Limit:
    """At most `count` times within `span`."""

    what: str
    count: int
    span: timedelta


#: Codes asked for, per address and per source of the request.
CODES_PER_ADDRESS = Limit("codes for an address", 5, timedelta(minutes=15))
CODES_PER_SOURCE = Limit("codes from a source", 30, timedelta(minutes=15))
#: Codes entered, good or wrong: what stops guessing over many codes: 20 an hour leave 1 chance in 50 000.
TRIES_PER_ADDRESS = Limit("tries for an address", 20, timedelta(hours=1))
#: Sign-ins with a passkey begun, per source: every visit of the sign-in page begins one.
CHALLENGES_PER_SOURCE = Limit("challenges from a source", 600, timedelta(minutes=15))
#: Visits of the single sign-on begun, per source.
ATTEMPTS_PER_SOURCE = Limit("single sign-ons from a source", 300, timedelta(minutes=15))
#: Personal links that lead nowhere, per source.
HANDLES_PER_SOURCE = Limit("personal links from a source", 60, timedelta(minutes=10))
TRIES_PER_SOURCE = Limit("tries from a source", 100, timedelta(minutes=15))


def normal_email(text: str) -> str:
    """The address in the one form it is stored and compared in: lower case, no space around.

    BadRequest if it is none.
    """
    email = text.strip().lower()
    if len(email) > EMAIL_LENGTH or len(email.partition("@")[0]) > 64 or not _EMAIL.fullmatch(email):
        raise BadRequest(f"{text[:80]!r} is not an e-mail address.")
    return email.rstrip(".")


def may_sign_in(email: str, allowed_domains: frozenset[str]) -> bool:
    """Whether people of this address's domain may have an account; no domains given: everyone."""
    return not allowed_domains or email.partition("@")[2] in allowed_domains


def clean_name(text: str) -> str:
    """A name fit to be shown: no control or direction-changing characters, single spaces.

    BadRequest if nothing is left.
    """
    name = " ".join(_CONTROL.sub(" ", text).split())
    if not name or len(name) > NAME_LENGTH:
        raise BadRequest(f"A name has 1 to {NAME_LENGTH} characters.")
    return name


def first_name(email: str) -> str:
    """What someone is called until they say: ada.lovelace@example.com becomes Ada Lovelace."""
    words = re.split(r"[._+-]+", email.partition("@")[0])
    return " ".join(word.capitalize() for word in words if word)[:NAME_LENGTH] or email[:NAME_LENGTH]


def clean_handle(text: str) -> str:
    """What a personal link ends with, as it is kept. BadRequest with the rule it breaks."""
    handle = text.strip().lower()
    if not _HANDLE.fullmatch(handle) or "--" in handle:
        raise BadRequest(
            "A personal link has 3 to 40 letters a-z, digits and single hyphens between them: ada-lovelace, say."
        )
    return handle


def known_zone(name: str) -> str:
    """The name of a time zone of the IANA database. BadRequest if there is none of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadRequest(f"{name[:64]!r} is not a time zone; one is called Europe/Berlin, for example.") from error
    return name


def safe_next(path: str) -> str:
    """A path of this server to go to; `/` for what leads elsewhere (`//host`, `/\\host`, a scheme)."""
    fine = re.fullmatch(r"/(?![/\\])[!-~]*", path) is not None and "\\" not in path and len(path) <= 300
    return path if fine else "/"


def is_id(text: str) -> bool:
    """Whether a text has the form of an id (schema.py)."""
    return _ID.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """Whether a text has the form of a sign-in code."""
    return len(text) == CODE_DIGITS and text.isascii() and text.isdigit()
