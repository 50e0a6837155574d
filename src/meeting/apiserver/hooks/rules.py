"""What a webhook may be, how it is signed, when it is tried again and when it is given up.

Signatures and headers are those of Standard Webhooks (specification of August 2023, "webhook scheme"), for which there
are libraries in every language.
"""

import hmac
from base64 import b64encode
from collections.abc import Collection, Sequence
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlsplit

from meeting.daemon.errors import BadRequest
from meeting.daemon.networks import IP, embedded, is_public

MOST_WEBHOOKS = 50
#: Deliveries that may wait for one webhook; what happens beyond that is not told to it.
MOST_WAITING = 10_000
URL_LENGTH = 1000

#: Seconds that a receiver has to answer, from the connection to the status.
TIMEOUT = 10.0
#: Longer than an attempt may take: then another sender takes the delivery over.
LEASE = timedelta(minutes=1)
#: After its nth attempt a delivery waits this long; after the last one it is given up.
DELAYS: Sequence[timedelta] = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
    timedelta(hours=24),
)
#: A webhook that nothing has reached for this long is switched off.
PATIENCE = timedelta(days=5)
#: How long it can be seen what was delivered.
MEMORY = timedelta(days=30)

Network = IPv4Network | IPv6Network


class Event(StrEnum):
    MEETING_CREATED = "meeting.created"
    MEETING_CHANGED = "meeting.changed"
    MEETING_CANCELLED = "meeting.cancelled"
    MEETING_STARTED = "meeting.started"
    MEETING_ENDED = "meeting.ended"
    PARTICIPANT_JOINED = "participant.joined"
    PARTICIPANT_LEFT = "participant.left"
    #: What the button "Test" sends, to the one webhook.
    TEST = "webhook.test"


#: What can be asked for.
EVENTS = tuple(event for event in Event if event is not Event.TEST)


def check_url(text: str, networks: Collection[Network]) -> str:
    """The URL, if deliveries can go there: https, or http into one of `networks`. Raises BadRequest."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError):
        raise BadRequest("url: this is not an address.") from None
    if parts.scheme not in ("https", "http") or not host or len(text) > URL_LENGTH or port == 0:
        raise BadRequest("url: write an address like https://example.com/hook.")
    if parts.scheme == "http" and not networks:
        raise BadRequest("url: write an address with https://; http is for networks given by --webhookNetwork.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadRequest("url: leave user name, password and # out; deliveries are signed.")
    if any(not "!" <= character <= "~" for character in text.strip()):
        raise BadRequest("url: percent-encode what is not ASCII.")
    return text.strip()


def may_reach(address: IP, networks: Collection[Network]) -> bool:
    """Whether a delivery may go to this address: a public one, or in a network that the operator has named."""
    inner = embedded(address) if address.version == 6 else None
    candidate = inner or address
    return is_public(address) or any(candidate in network for network in networks)


def check_events(events: Sequence[str]) -> list[str]:
    """The events, each once and in our order. Raises BadRequest."""
    unknown = sorted(set(events) - {event.value for event in EVENTS})
    if unknown or not events:
        known = ", ".join(event.value for event in EVENTS)
        raise BadRequest(f"events: {unknown[0] if unknown else 'none'!r}; choose among {known}.")
    return [event.value for event in EVENTS if event.value in events]


def secret_text(secret: bytes) -> str:
    """A webhook's secret as its receiver's library takes it."""
    return f"whsec_{b64encode(secret).decode()}"


def signature(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`."""
    signed = f"{id}.{timestamp}.".encode() + body
    return f"v1,{b64encode(hmac.digest(secret, signed, 'sha256')).decode()}"


def delay_after(attempts: int) -> timedelta | None:
    """How long a delivery waits after its `attempts`th attempt has failed; None: it is given up."""
    return DELAYS[attempts - 1] if attempts <= len(DELAYS) else None
