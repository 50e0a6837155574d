"""When a mail is tried again, by which server, and when it is given up."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

#: A mail is tried again after 5 s, 10 s, … at most half an hour, until it expires.
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=30)

#: A server that failed is left alone for 1 s, 2 s, … at most five minutes, unless there is no other.
FIRST_REST = timedelta(seconds=1)
LONGEST_REST = timedelta(minutes=5)

#: A sender that has said nothing for so long is dead: then another takes its mails over. It says so six times as often.
LEASE = timedelta(seconds=30)
RENEW_LEASE = LEASE / 6

#: How long it makes sense to deliver an invitation late.
LIFETIME = timedelta(days=3)


class Outcome(Enum):
    """What an attempt with one server came to."""

    SENT = "sent"
    #: This server cannot do it now: ask the next one, or the same one later.
    NOT_NOW = "not now"
    #: This mail is not taken now (greylisting, say), others may be: ask the next one, or the same one later.
    DEFERRED = "deferred"
    #: The mail was handed over and the connection ended before the answer: it may have been taken. Not by another
    #: server at once; later, because RFC 5321 (section 4.5.4.1) wants a mail twice rather than never.
    UNKNOWN = "unknown"
    #: The recipient's address is refused for good: no server will do better.
    REFUSED = "refused"


def judge_recipient(code: int) -> Outcome:
    """The outcome of a reply to RCPT TO (RFC 5321 section 4.2.1): 4xx may pass, 5xx will not."""
    if 200 <= code < 300:
        return Outcome.SENT
    return Outcome.REFUSED if 500 <= code < 600 else Outcome.DEFERRED


def delay_after(attempts: int) -> timedelta:
    """How long a mail waits after its `attempts`th attempt failed (1 is the first)."""
    return min(FIRST_DELAY * (1 << min(attempts - 1, 20)), LONGEST_DELAY)


#: What serves every domain.
ANY_DOMAIN = "*"


def parse_domains(text: str) -> tuple[str, ...]:
    """`example.com, corp.example`, `*.example.com` (all below it), `*` (any); separated by commas or blanks.

    :raise ValueError: with what to write.
    """
    domains = tuple(domain.lower() for domain in re.split(r"[,;\s]+", text.strip()) if domain)
    for domain in domains:
        if domain != ANY_DOMAIN and _DOMAIN.fullmatch(domain.removeprefix("*.")) is None:
            raise ValueError("write domains such as example.com,*.example.com, or * for any")
    if not domains:
        raise ValueError("write the domains that this server serves, or * for any")
    return domains


_DOMAIN = re.compile(r"(?!-)[\w-]{1,63}(\.[\w-]{1,63})*")


def serves(domains: Collection[str], recipient: str) -> bool:
    """Whether a server of these `domains` is to be asked for this address."""
    domain = recipient.rpartition("@")[2].lower()
    return any(
        pattern in (ANY_DOMAIN, domain) or (pattern.startswith("*.") and domain.endswith(pattern[1:]))
        for pattern in domains
    )


class Trouble(Enum):
    """Why a mail did not arrive, in a word that a person's language has a sentence for."""

    ADDRESS = "unknown-address"
    DOMAIN = "unknown-domain"
    MAILBOX_FULL = "mailbox-full"
    NOT_ACCEPTED = "not-accepted"
    TOO_LARGE = "too-large"
    TOO_LATE = "too-late"
    NO_SERVER = "no-server"
    REFUSED = "refused"


#: What an administrator reads of a mail that no server took in its time.
TOO_LATE = "too late: no mail server took it in time"
#: Before what a notification of non-delivery says.
RETURNED = "returned: "
NO_SERVER = "no mail server serves this domain (--mailDomains)"

# RFC 3463's codes, class 5; the longest that fits counts.
_TROUBLES = {
    "5.1.2": Trouble.DOMAIN,
    "5.4.4": Trouble.DOMAIN,
    "5.1": Trouble.ADDRESS,
    "5.2.1": Trouble.ADDRESS,
    "5.2.2": Trouble.MAILBOX_FULL,
    "5.2.3": Trouble.TOO_LARGE,
    "5.3.4": Trouble.TOO_LARGE,
    "5.7": Trouble.NOT_ACCEPTED,
}
_REPLY = re.compile(r"(?:(?P<code>[45]\d\d)[ -])?(?P<enhanced>[45]\.\d{1,3}\.\d{1,3})?")


def trouble_of(detail: str) -> Trouble:
    """What a failed mail's `last_error` comes to: by the reply's enhanced code (RFC 3463), else by its code."""
    if detail.startswith(TOO_LATE[:8]):
        return Trouble.TOO_LATE
    if detail == NO_SERVER:
        return Trouble.NO_SERVER
    found = _REPLY.match(detail.removeprefix(RETURNED))
    assert found is not None, "all of it is optional"
    if found["enhanced"]:
        for length in (3, 2):
            known = _TROUBLES.get(".".join(found["enhanced"].split(".")[:length]))
            if known:
                return known
    by_code = {"550": Trouble.ADDRESS, "551": Trouble.ADDRESS, "552": Trouble.MAILBOX_FULL, "553": Trouble.ADDRESS}
    return by_code.get(found["code"], Trouble.REFUSED)


@dataclass(frozen=True)
class Rest:
    """A server that failed: how often in a row, why last, until when it is left alone."""

    failures: int
    until: datetime
    trouble: str


@dataclass
class Rests:
    """Which servers are resting after a failure. A machine: `now` goes in, an order comes out."""

    count: int
    resting: dict[int, Rest] = field(default_factory=dict)

    def order(self, now: datetime) -> Sequence[int]:
        """The servers to try, in order: those as configured that do not rest, then those whose rest ends first."""
        rested = [n for n in range(self.count) if n not in self.resting or self.resting[n].until <= now]
        resting = sorted(set(range(self.count)) - set(rested), key=lambda n: self.resting[n].until)
        return [*rested, *resting]

    def failed(self, server: int, now: datetime, trouble: str = "") -> None:
        """The server could not do it."""
        failures = self.resting[server].failures if server in self.resting else 0
        until = now + min(FIRST_REST * (1 << min(failures, 20)), LONGEST_REST)
        self.resting[server] = Rest(failures + 1, until, trouble)

    def worked(self, server: int) -> None:
        """The server did its work."""
        self.resting.pop(server, None)


def content_id(digest: str) -> str:
    """The Content-ID (RFC 2392) of a picture with this SHA-256 (hex) in a mail that shows it."""
    return f"{digest[:32]}@picture"
