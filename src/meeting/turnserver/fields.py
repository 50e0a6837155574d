"""What requests carry, read and judged: each of these answers with the error its RFC demands."""

from functools import lru_cache
from ipaddress import ip_address

from meeting.dataplane.values import RelayClient
from meeting.stun import Address, AttributeType, ErrorCode, Message
from meeting.stun.addresses import IPV4, IPV6
from meeting.turnserver.authentication import Caller
from meeting.turnserver.refused import Refused

DEFAULT_LIFETIME = 600
MAX_LIFETIME = 3600

Attributes = list[tuple[int, bytes]]


def fixed(request: Message, attribute: AttributeType, length: int) -> bytes:
    """The value of an attribute that must be there, and so long."""
    value = request.get(attribute)
    if value is None or len(value) != length:
        raise Refused(ErrorCode.BAD_REQUEST)
    return value


def requested_lifetime(request: Message) -> int | None:
    """Seconds, if any are asked for."""
    if request.get(AttributeType.LIFETIME) is None:
        return None
    return int.from_bytes(fixed(request, AttributeType.LIFETIME, 4))


def lifetime(now: float, caller: Caller, request: Message) -> int:
    """Seconds: what was asked for, ten minutes at least, an hour at most (RFC 8656 §7.2); never past the credential."""
    wanted = requested_lifetime(request) or DEFAULT_LIFETIME
    granted = min(max(wanted, DEFAULT_LIFETIME), MAX_LIFETIME)
    return max(1, min(granted, int(caller.expires_at - now)))


def requested_family(request: Message) -> int | None:
    """REQUESTED-ADDRESS-FAMILY, if it is there."""
    if request.get(AttributeType.REQUESTED_ADDRESS_FAMILY) is None:
        return None
    family = fixed(request, AttributeType.REQUESTED_ADDRESS_FAMILY, 4)[0]
    if family not in (IPV4, IPV6):
        raise Refused(ErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED)
    return family


def peers(request: Message) -> list[Address]:
    """At least one."""
    try:
        found = request.addresses(AttributeType.XOR_PEER_ADDRESS)
    except ValueError:
        raise Refused(ErrorCode.BAD_REQUEST) from None
    if not found:
        raise Refused(ErrorCode.BAD_REQUEST)
    return found


@lru_cache(maxsize=4096)
def address_of(client: RelayClient) -> Address:
    """Where the client is, as we see it; those who ask do so several times."""
    return Address(ip_address(client.host), client.port)
