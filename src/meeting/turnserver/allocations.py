"""What a TURN server does about requests with credentials (RFC 8656). No I/O, no clock.

Requests come in with the time (Unix seconds); commands go to the relay, the answer comes out. What needs no knowledge
of anybody has been answered before (challenges, stale nonces): a request that arrives here has credentials, right or
wrong, and a nonce of ours. Each method is a file: allocate.py, refresh.py, permissions.py.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from meeting.daemon.networks import IP
from meeting.dataplane.interfaces import IRelay
from meeting.dataplane.values import RelayClient
from meeting.stun import Address, AttributeType, Class, ErrorCode, Malformed, Message, Method
from meeting.turnserver.allocate import Allocate
from meeting.turnserver.authentication import Authentication, Caller
from meeting.turnserver.connections import Connections, Later
from meeting.turnserver.fields import Attributes, address_of
from meeting.turnserver.mobility import Tickets
from meeting.turnserver.peers import Peers
from meeting.turnserver.permissions import CHANNELS, Permissions
from meeting.turnserver.quotas import Ledger, Quotas
from meeting.turnserver.refresh import Refresh
from meeting.turnserver.refused import Refused, error_code
from meeting.turnserver.reservations import Reservations
from meeting.turnserver.table import Table

KNOWN = frozenset(
    {
        AttributeType.USERNAME,
        AttributeType.USERHASH,
        AttributeType.REALM,
        AttributeType.NONCE,
        AttributeType.PASSWORD_ALGORITHM,
        AttributeType.LIFETIME,
        AttributeType.CHANNEL_NUMBER,
        AttributeType.XOR_PEER_ADDRESS,
        AttributeType.REQUESTED_ADDRESS_FAMILY,
        AttributeType.REQUESTED_TRANSPORT,
        AttributeType.EVEN_PORT,
        AttributeType.RESERVATION_TOKEN,
        # Asked for with each indication that is to stay whole; here it is only asked whether we can (RFC 8656 §7.2).
        AttributeType.DONT_FRAGMENT,
        AttributeType.CONNECTION_ID,
    }
)


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
        mobility: bool = True,
        tcp: bool = False,
    ) -> None:
        """`tcp`: whether there are TCP allocations (RFC 6062)."""
        self._authentication = authentication
        self._table = Table(Ledger(quotas))
        self._tickets = Tickets(self._table, mobility)
        self._reservations = Reservations(relay)
        self._allocate = Allocate(self._table, relay, external, self._reservations, self._tickets, tcp=tcp)
        permissions = Permissions(self._table, peers, quotas, channels)
        self.connections = Connections(self._table, relay, peers, quotas)
        self._methods: Mapping[int, Callable[[float, RelayClient, Caller, Message], Attributes | None]] = {
            Method.ALLOCATE: self._allocate,
            Method.REFRESH: Refresh(self._table, self._tickets),
            Method.CREATE_PERMISSION: permissions.create,
            Method.CHANNEL_BIND: permissions.bind,
            Method.CONNECT: self.connections.connect,
            Method.CONNECTION_BIND: self.connections.bind,
        }
        self.answers: Counter[tuple[str, int]] = Counter()
        """How often each method was answered with each code; 200 is success."""

    def __len__(self) -> int:
        return len(self._table)

    def receive(self, now: float, client: RelayClient, data: bytes) -> bytes | None:
        """The answer to a request; None for what is no request of ours, or is answered later."""
        try:
            request = Message.parse(data)
        except Malformed:
            return None
        perform = self._methods.get(request.method)
        if perform is None or request.message_class is not Class.REQUEST:
            return None
        caller: Caller | None = None
        code = 200
        attributes: Attributes | None
        try:
            caller = self._authentication.caller(request, now)
            if caller is None:
                raise Refused(ErrorCode.UNAUTHENTICATED, *self._authentication.challenge(request))
            self._check(now, client, caller, request)
            attributes = perform(now, client, caller, request)
        except Refused as refused:
            code = refused.code
            attributes = [(AttributeType.ERROR_CODE, error_code(code)), *refused.attributes]
        if attributes is None:
            return None
        self.answers[Method(request.method).name, code] += 1
        message_class = Class.SUCCESS if code == 200 else Class.ERROR
        answer = Message(message_class, request.method, request.transaction, attributes)
        return answer.build() if caller is None else answer.build(caller.key, hash=caller.hash)

    def expire(self, now: float) -> None:
        """End what has run out. Lifetimes are exact without it; it gives memory and quota back."""
        self._table.expire(now)
        self.connections.expire(now)
        self._reservations.expire(now)
        self._tickets.expire()

    def rooms(self) -> set[str]:
        """The rooms that have allocations."""
        return self._table.rooms()

    def end_rooms(self, rooms: Iterable[str]) -> int:
        """These meetings are over: their allocations end. Says how many there were."""
        return self._table.end_rooms(set(rooms))

    def made(self, now: float, connection: int, made: bool) -> Later | None:
        """A connection that a client asked for is there, or could not be made: the answer, and who gets it."""
        answer = self.connections.made(now, connection, made)
        if answer is not None:
            code = 200 if made else int(ErrorCode.CONNECTION_TIMEOUT_OR_FAILURE)
            self.answers[Method.CONNECT.name, code] += 1
        return answer

    def redirect(self, elsewhere: Callable[[int], Address | None]) -> None:
        """Take nobody new from now on; `elsewhere` tells where a client of a family (1, 2) may go instead."""
        self._allocate.elsewhere = elsewhere

    def gone(self, client: RelayClient) -> None:
        """Its TCP or TLS connection has ended: so does what it has, unless it may come again (RFC 8016)."""
        self._table.gone(client)

    def state(self, now: float) -> list[dict[str, Any]]:
        """Every allocation, for administrators."""
        return [
            {
                "client": str(address_of(each.client)),
                "relayed": [str(relayed.address) for relayed in each.relayed.values()],
                "room": each.caller.room,
                "identity": each.caller.identity,
                "seconds": round(each.soonest - now),
                "permissions": [str(ip) for ip, until in each.permissions.items() if until > now],
                "connections": [str(connection.peer) for connection in each.connections.values()],
                "channels": {number: str(peer) for number, (peer, until) in each.channels.items() if until > now},
            }
            for each in self._table
            if each.soonest > now
        ]

    def _check(self, now: float, client: RelayClient, caller: Caller, request: Message) -> None:
        unknown = request.unknown(KNOWN)
        if unknown:
            listed = b"".join(each.to_bytes(2) for each in unknown)
            raise Refused(ErrorCode.UNKNOWN_ATTRIBUTE, (AttributeType.UNKNOWN_ATTRIBUTES, listed))
        allocation = self._table.find(now, client)
        others = allocation is not None and allocation.caller.user != caller.user
        # Behind a NAT a port may have been another's: a client tries its next port at 437, and gives up at 441.
        if others and request.method != Method.ALLOCATE:
            raise Refused(ErrorCode.WRONG_CREDENTIALS)
