"""The allocations of a TURN server, and what a request does to them (RFC 8656). No I/O, no clock.

Requests come in with the time (Unix seconds); commands go to the relay, the answer comes out. What needs no knowledge
of anybody has been answered before (challenges, stale nonces): a request that arrives here has credentials, right or
wrong, and a nonce of ours.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from meeting.daemon.networks import IP
from meeting.dataplane.errors import LimitReached
from meeting.dataplane.interfaces import IRelay, IRelayAllocation
from meeting.dataplane.values import RelayClient
from meeting.stun import Address, AttributeType, Class, ErrorCode, Malformed, Message, Method, encode_xor_address
from meeting.stun.addresses import IPV4, IPV6
from meeting.turnserver.authentication import Authentication, Caller
from meeting.turnserver.peers import Peers
from meeting.turnserver.quotas import Ledger, Quotas
from meeting.turnserver.refused import Refused

DEFAULT_LIFETIME = 600
MAX_LIFETIME = 3600
PERMISSION_LIFETIME = 300
CHANNEL_LIFETIME = 600
CHANNELS = range(0x4000, 0x5000)
OLD_CHANNELS = range(0x4000, 0x8000)
"""Before RFC 8656 left the upper ones to other protocols (RFC 5766 §11)."""
UDP = 17

#: DONT-FRAGMENT is not among them: it is refused as unknown (RFC 8656 §7.2, for servers that cannot).
KNOWN = frozenset(
    {
        AttributeType.USERNAME,
        AttributeType.REALM,
        AttributeType.NONCE,
        AttributeType.LIFETIME,
        AttributeType.CHANNEL_NUMBER,
        AttributeType.XOR_PEER_ADDRESS,
        AttributeType.REQUESTED_ADDRESS_FAMILY,
        AttributeType.REQUESTED_TRANSPORT,
        AttributeType.EVEN_PORT,
        AttributeType.RESERVATION_TOKEN,
    }
)


@dataclass(slots=True)
class Allocation:
    """A client's relay address, for as long as it lasts. Times are Unix seconds."""

    client: RelayClient
    caller: Caller
    socket: IRelayAllocation
    relayed: Address
    transaction: bytes
    """Of the request that made it: repeated, it gets the same answer."""
    until: float
    permissions: dict[IP, float] = field(default_factory=dict)
    channels: dict[int, tuple[Address, float]] = field(default_factory=dict)

    def forget_expired(self, now: float) -> None:
        """What has run out counts for no cap and binds nothing."""
        self.permissions = {ip: until for ip, until in self.permissions.items() if until > now}
        self.channels = {number: bound for number, bound in self.channels.items() if bound[1] > now}


class Allocations:
    """All allocations of a server. `external` is the address clients are told, by family (1: IPv4, 2: IPv6)."""

    def __init__(
        self,
        authentication: Authentication,
        peers: Peers,
        relay: IRelay,
        external: Mapping[int, IP],
        quotas: Quotas,
        channels: range = CHANNELS,
    ) -> None:
        self._authentication = authentication
        self._peers = peers
        self._relay = relay
        self._external = external
        self._quotas = quotas
        self._channels = channels
        self._ledger = Ledger(quotas)
        self._allocations: dict[RelayClient, Allocation] = {}
        self._methods: Mapping[int, Callable[[float, RelayClient, Caller, Message], list[tuple[int, bytes]]]] = {
            Method.ALLOCATE: self._allocate,
            Method.REFRESH: self._refresh,
            Method.CREATE_PERMISSION: self._create_permission,
            Method.CHANNEL_BIND: self._channel_bind,
        }
        self.answers: Counter[tuple[str, int]] = Counter()
        """How often each method was answered with each code; 200 is success."""

    def __len__(self) -> int:
        return len(self._allocations)

    def receive(self, now: float, client: RelayClient, data: bytes) -> bytes | None:
        """The answer to a request; None for what is no request of ours."""
        try:
            request = Message.parse(data)
        except Malformed:
            return None
        perform = self._methods.get(request.method)
        if perform is None or request.message_class is not Class.REQUEST:
            return None
        caller = self._authentication.caller(request, now)
        code, attributes = 200, list[tuple[int, bytes]]()
        try:
            if caller is None:
                raise Refused(ErrorCode.UNAUTHENTICATED, *self._challenge(request))
            self._check(now, client, caller, request)
            attributes = perform(now, client, caller, request)
        except Refused as refused:
            code = refused.code
            attributes = [(AttributeType.ERROR_CODE, bytes((0, 0, code // 100, code % 100))), *refused.attributes]
        self.answers[Method(request.method).name, code] += 1
        message_class = Class.SUCCESS if code == 200 else Class.ERROR
        answer = Message(message_class, request.method, request.transaction, attributes)
        return answer.build(None if caller is None else caller.key)

    def expire(self, now: float) -> None:
        """End what has run out. Lifetimes are exact without it; it gives memory and quota back."""
        for allocation in [each for each in self._allocations.values() if each.until <= now]:
            self._end(allocation)

    def state(self, now: float) -> list[dict[str, Any]]:
        """Every allocation, for administrators."""
        return [
            {
                "client": str(Address(ip_address(each.client.host), each.client.port)),
                "relayed": str(each.relayed),
                "room": each.caller.room,
                "identity": each.caller.identity,
                "seconds": round(each.until - now),
                "permissions": [str(ip) for ip, until in each.permissions.items() if until > now],
                "channels": {number: str(peer) for number, (peer, until) in each.channels.items() if until > now},
            }
            for each in self._allocations.values()
            if each.until > now
        ]

    # --- what all requests have in common

    def _challenge(self, request: Message) -> list[tuple[int, bytes]]:
        """The nonce was fresh, so it serves for another try."""
        nonce = request.get(AttributeType.NONCE) or b""
        return [(AttributeType.REALM, self._authentication.realm.encode()), (AttributeType.NONCE, nonce)]

    def _check(self, now: float, client: RelayClient, caller: Caller, request: Message) -> None:
        unknown = request.unknown(KNOWN)
        if unknown:
            listed = b"".join(each.to_bytes(2) for each in unknown)
            raise Refused(ErrorCode.UNKNOWN_ATTRIBUTE, (AttributeType.UNKNOWN_ATTRIBUTES, listed))
        allocation = self._find(now, client)
        if allocation is not None and allocation.caller.user != caller.user:
            raise Refused(ErrorCode.WRONG_CREDENTIALS)

    def _find(self, now: float, client: RelayClient) -> Allocation | None:
        allocation = self._allocations.get(client)
        if allocation is not None and allocation.until <= now:
            self._end(allocation)
            return None
        return allocation

    def _existing(self, now: float, client: RelayClient) -> Allocation:
        allocation = self._find(now, client)
        if allocation is None:
            raise Refused(ErrorCode.ALLOCATION_MISMATCH)
        allocation.forget_expired(now)
        return allocation

    def _end(self, allocation: Allocation) -> None:
        del self._allocations[allocation.client]
        self._ledger.give_back(allocation.client, allocation.caller)
        allocation.socket.close()

    # --- the methods, in RFC 8656's order

    def _allocate(self, now: float, client: RelayClient, caller: Caller, request: Message) -> list[tuple[int, bytes]]:
        """RFC 8656 §7.2."""
        existing = self._find(now, client)
        if existing is not None:
            if existing.transaction != request.transaction:
                raise Refused(ErrorCode.ALLOCATION_MISMATCH)
            return self._allocated(now, existing)
        if _fixed(request, AttributeType.REQUESTED_TRANSPORT, 4)[0] != UDP:
            raise Refused(ErrorCode.UNSUPPORTED_TRANSPORT)
        family, even_port = self._wanted(request)
        external = self._external.get(family)
        if external is None:
            raise Refused(ErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED)
        self._ledger.check(client, caller)
        lifetime = _lifetime(now, caller, request)
        try:
            socket = self._relay.allocate(client, lifetime, ipv6=family == IPV6, even_port=even_port)
        except LimitReached:
            raise Refused(ErrorCode.INSUFFICIENT_CAPACITY) from None
        relayed = Address(external, socket.port)
        allocation = Allocation(client, caller, socket, relayed, request.transaction, now + lifetime)
        self._allocations[client] = allocation
        self._ledger.take(client, caller)
        return self._allocated(now, allocation) + _second_family_refused(request)

    def _wanted(self, request: Message) -> tuple[int, bool]:
        """The family, and whether the port has to be even."""
        requested = request.get(AttributeType.REQUESTED_ADDRESS_FAMILY)
        additional = request.get(AttributeType.ADDITIONAL_ADDRESS_FAMILY)
        even_port = request.get(AttributeType.EVEN_PORT)
        if request.get(AttributeType.RESERVATION_TOKEN) is not None:
            # None was ever given out, so whatever it is, it is not valid (RFC 8656 §7.2).
            odd = even_port is not None or requested is not None or additional is not None
            raise Refused(ErrorCode.BAD_REQUEST if odd else ErrorCode.INSUFFICIENT_CAPACITY)
        if even_port is not None:
            if len(even_port) != 1:
                raise Refused(ErrorCode.BAD_REQUEST)
            if even_port[0] & 0x80:
                raise Refused(ErrorCode.INSUFFICIENT_CAPACITY)
        if additional is not None and (requested is not None or len(additional) != 4 or additional[0] != IPV6):
            raise Refused(ErrorCode.BAD_REQUEST)
        if requested is None:
            return IPV4, even_port is not None
        family = _fixed(request, AttributeType.REQUESTED_ADDRESS_FAMILY, 4)[0]
        if family not in (IPV4, IPV6):
            raise Refused(ErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED)
        return family, even_port is not None

    def _allocated(self, now: float, allocation: Allocation) -> list[tuple[int, bytes]]:
        mapped = Address(ip_address(allocation.client.host), allocation.client.port)
        return [
            (AttributeType.XOR_RELAYED_ADDRESS, encode_xor_address(allocation.relayed, allocation.transaction)),
            (AttributeType.LIFETIME, max(0, round(allocation.until - now)).to_bytes(4)),
            (AttributeType.XOR_MAPPED_ADDRESS, encode_xor_address(mapped, allocation.transaction)),
        ]

    def _refresh(self, now: float, client: RelayClient, caller: Caller, request: Message) -> list[tuple[int, bytes]]:
        """RFC 8656 §8.2."""
        allocation = self._existing(now, client)
        family = request.get(AttributeType.REQUESTED_ADDRESS_FAMILY)
        if family is not None and family[:1] != bytes((allocation.relayed.family,)):
            raise Refused(ErrorCode.PEER_ADDRESS_FAMILY_MISMATCH)
        if _requested_lifetime(request) == 0:
            self._end(allocation)
            return [(AttributeType.LIFETIME, bytes(4))]
        lifetime = _lifetime(now, caller, request)
        allocation.caller = caller
        allocation.until = now + lifetime
        allocation.socket.refresh(lifetime)
        return [(AttributeType.LIFETIME, lifetime.to_bytes(4))]

    def _create_permission(
        self, now: float, client: RelayClient, caller: Caller, request: Message
    ) -> list[tuple[int, bytes]]:
        """RFC 8656 §10.2: all of the peers, or none."""
        allocation = self._existing(now, client)
        peers = _peers(request, allocation)
        allowed = {peer.ip: self._reach(peer.ip) for peer in peers}
        if len(allocation.permissions.keys() | allowed.keys()) > self._quotas.permissions:
            raise Refused(ErrorCode.INSUFFICIENT_CAPACITY)
        for ip, ports in allowed.items():
            self._permit(now, allocation, ip, ports)
        return []

    def _channel_bind(
        self, now: float, client: RelayClient, caller: Caller, request: Message
    ) -> list[tuple[int, bytes]]:
        """RFC 8656 §12.2."""
        allocation = self._existing(now, client)
        number = int.from_bytes(_fixed(request, AttributeType.CHANNEL_NUMBER, 4)[:2])
        peer, *others = _peers(request, allocation)
        bound = allocation.channels.get(number)
        elsewhere = any(each == peer and key != number for key, (each, _) in allocation.channels.items())
        if number not in self._channels or others or elsewhere or (bound is not None and bound[0] != peer):
            raise Refused(ErrorCode.BAD_REQUEST)
        ports = self._reach(peer.ip)
        if ports is not None and peer.port not in ports:
            raise Refused(ErrorCode.FORBIDDEN)
        too_many = len(allocation.permissions.keys() | {peer.ip}) > self._quotas.permissions
        if too_many or len(allocation.channels.keys() | {number}) > self._quotas.channels:
            raise Refused(ErrorCode.INSUFFICIENT_CAPACITY)
        self._permit(now, allocation, peer.ip, ports)
        allocation.channels[number] = (peer, now + CHANNEL_LIFETIME)
        allocation.socket.bind(number, str(peer.ip), peer.port, CHANNEL_LIFETIME)
        return []

    def _reach(self, ip: IP) -> frozenset[int] | None:
        ports = self._peers.ports(ip)
        if ports is not None and not ports:
            raise Refused(ErrorCode.FORBIDDEN)
        return ports

    def _permit(self, now: float, allocation: Allocation, ip: IP, ports: frozenset[int] | None) -> None:
        allocation.permissions[ip] = now + PERMISSION_LIFETIME
        allocation.socket.permit(str(ip), PERMISSION_LIFETIME, ports=ports)


def _fixed(request: Message, attribute: AttributeType, length: int) -> bytes:
    value = request.get(attribute)
    if value is None or len(value) != length:
        raise Refused(ErrorCode.BAD_REQUEST)
    return value


def _peers(request: Message, allocation: Allocation) -> list[Address]:
    """At least one, all of the relay address's family."""
    try:
        peers = request.addresses(AttributeType.XOR_PEER_ADDRESS)
    except ValueError:
        raise Refused(ErrorCode.BAD_REQUEST) from None
    if not peers:
        raise Refused(ErrorCode.BAD_REQUEST)
    if any(peer.family != allocation.relayed.family for peer in peers):
        raise Refused(ErrorCode.PEER_ADDRESS_FAMILY_MISMATCH)
    return peers


def _requested_lifetime(request: Message) -> int | None:
    if request.get(AttributeType.LIFETIME) is None:
        return None
    return int.from_bytes(_fixed(request, AttributeType.LIFETIME, 4))


def _lifetime(now: float, caller: Caller, request: Message) -> int:
    """Seconds: what was asked for, ten minutes at least, an hour at most (RFC 8656 §7.2); never past the credential."""
    wanted = _requested_lifetime(request) or DEFAULT_LIFETIME
    lifetime = min(max(wanted, DEFAULT_LIFETIME), MAX_LIFETIME)
    return max(1, min(lifetime, int(caller.expires_at - now)))


def _second_family_refused(request: Message) -> list[tuple[int, bytes]]:
    """ADDITIONAL-ADDRESS-FAMILY asked for IPv6 besides; the allocation stands without it (RFC 8656 §7.2)."""
    if request.get(AttributeType.ADDITIONAL_ADDRESS_FAMILY) is None:
        return []
    code = ErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED
    return [(AttributeType.ADDRESS_ERROR_CODE, bytes((IPV6, 0, code // 100, code % 100)))]
