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
#: A session in use is renewed in the database at most this often.
SESSION_RENEWAL = timedelta(hours=24)

NAME_LENGTH = 100

# A dot-atom before the @ and a host name after it (RFC 5321 section 4.1.2, without quoted strings and address literals,
# which no mail system gives to people). Letters beyond ASCII are allowed in both (RFC 6531).
_ATOM = r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f.]+"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?\.)*[^\W_](?:[\w-]{{0,61}}[^\W_])?\.?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


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


def known_zone(name: str) -> str:
    """The name of a time zone of the IANA database. BadRequest if there is none of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadRequest(f"{name[:64]!r} is not a time zone; one is called Europe/Berlin, for example.") from error
    return name


def is_code(text: str) -> bool:
    """Whether a text has the form of a sign-in code."""
    return len(text) == CODE_DIGITS and text.isascii() and text.isdigit()
