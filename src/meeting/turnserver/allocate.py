"""Allocate (RFC 8656 §7.2): which relay addresses a client gets, or why it gets none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meeting.daemon.networks import IP
from meeting.dataplane.errors import LimitReached
from meeting.dataplane.interfaces import IRelay
from meeting.dataplane.values import RelayClient, RelayPort
from meeting.stun import Address, AttributeType, ErrorCode, Message, encode_address, encode_xor_address
from meeting.stun.addresses import IPV4, IPV6
from meeting.turnserver.authentication import Caller
from meeting.turnserver.fields import Attributes, address_of, fixed, lifetime, requested_family
from meeting.turnserver.mobility import Tickets
from meeting.turnserver.refused import Refused, error_code
from meeting.turnserver.reservations import Reservation, Reservations
from meeting.turnserver.table import Allocation, Relayed, Table

TCP = 6
UDP = 17


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for."""

    families: tuple[int, ...] = (IPV4,)
    """Any one but the first may fail."""
    port: RelayPort = "any"
    reservation: Reservation | None = None
    tcp: bool = False


class Allocate:
    """`external` is the address clients are told, by family (1: IPv4, 2: IPv6).

    `tcp`: whether allocations for TCP are made (RFC 6062). `elsewhere` gives, while this server takes nobody new, where
    else a client may go; else None.
    """

    def __init__(
        self,
        table: Table,
        relay: IRelay,
        external: Mapping[int, IP],
        reservations: Reservations,
        tickets: Tickets,
        elsewhere: Callable[[int], Address | None] | None = None,
        tcp: bool = False,
    ) -> None:
        self._table = table
        self._relay = relay
        self._external = external
        self._reservations = reservations
        self._tickets = tickets
        self._tcp = tcp
        self.elsewhere = elsewhere

    def __call__(self, now: float, client: RelayClient, caller: Caller, request: Message) -> Attributes:
        """The attributes of the answer."""
        existing = self._table.find(now, client)
        if existing is not None:
            if existing.transaction != request.transaction or existing.caller.user != caller.user:
                raise Refused(ErrorCode.ALLOCATION_MISMATCH)
            return _told(now, existing)
        transport = fixed(request, AttributeType.REQUESTED_TRANSPORT, 4)[0]
        if transport != UDP and not (self._tcp and transport == TCP):
            raise Refused(ErrorCode.UNSUPPORTED_TRANSPORT)
        mobile = self._tickets.asked_for(request)
        if transport == TCP:
            wanted = self._wanted_by_tcp(client, request)
            if mobile:
                # Its connections are joined with streams, which do not move.
                raise Refused(ErrorCode.MOBILITY_FORBIDDEN)
        else:
            wanted = self._wanted(now, caller, request)
        try:
            self._table.check(client, caller)
            if self.elsewhere is not None:
                raise _redirected(self.elsewhere(address_of(client).family))
            allocation = self._open(now, client, caller, request, wanted)
        except Refused:
            if wanted.reservation is not None:
                self._reservations.forget(wanted.reservation)
            raise
        self._table.add(allocation)
        if wanted.port == "pair":
            (relayed,) = allocation.relayed.values()
            token = self._reservations.keep(now, caller, relayed.address.family, relayed.address.port + 1)
            allocation.told.append((AttributeType.RESERVATION_TOKEN, token))
        if mobile:
            allocation.told.append(self._tickets.make(allocation))
        return _told(now, allocation)

    def _wanted(self, now: float, caller: Caller, request: Message) -> Wanted:
        """Raises Refused for what cannot be asked for, or not together."""
        family = requested_family(request)
        additional = request.get(AttributeType.ADDITIONAL_ADDRESS_FAMILY)
        even_port = request.get(AttributeType.EVEN_PORT)
        token = request.get(AttributeType.RESERVATION_TOKEN)
        if token is not None:
            if family is not None or additional is not None or even_port is not None:
                raise Refused(ErrorCode.BAD_REQUEST)
            fixed(request, AttributeType.RESERVATION_TOKEN, 8)
            reservation = self._reservations.claim(now, caller, token)
            return Wanted((reservation.family,), reservation=reservation)
        port: RelayPort = "any"
        if even_port is not None:
            if len(even_port) != 1:
                raise Refused(ErrorCode.BAD_REQUEST)
            port = "pair" if even_port[0] & 0x80 else "even"
        if additional is not None:
            if family is not None or port == "pair" or len(additional) != 4 or additional[0] != IPV6:
                raise Refused(ErrorCode.BAD_REQUEST)
            return Wanted((IPV4, IPV6), port)
        if port == "pair":
            self._reservations.check(now, caller)
        return Wanted((family or IPV4,), port)

    def _wanted_by_tcp(self, client: RelayClient, request: Message) -> Wanted:
        """Only who comes by a stream, and nothing that is about datagrams (RFC 6062 §5.1)."""
        strange = (
            AttributeType.EVEN_PORT,
            AttributeType.RESERVATION_TOKEN,
            AttributeType.DONT_FRAGMENT,
            AttributeType.ADDITIONAL_ADDRESS_FAMILY,
        )
        if not self._relay.is_stream(client) or any(request.get(each) is not None for each in strange):
            raise Refused(ErrorCode.BAD_REQUEST)
        return Wanted((requested_family(request) or IPV4,), tcp=True)

    def _open(self, now: float, client: RelayClient, caller: Caller, request: Message, wanted: Wanted) -> Allocation:
        """With one relay address at least; why the other is missing is told (RFC 8656 §7.2)."""
        seconds = lifetime(now, caller, request)
        relayed: dict[int, Relayed] = {}
        failed: dict[int, ErrorCode] = {}
        for family in wanted.families:
            external = self._external.get(family)
            if external is None:
                failed[family] = ErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED
                continue
            kept = None if wanted.reservation is None else wanted.reservation.port
            try:
                socket = self._relay.allocate(
                    client, seconds, ipv6=family == IPV6, wanted=wanted.port, kept=kept, tcp=wanted.tcp
                )
            except LimitReached:
                failed[family] = ErrorCode.INSUFFICIENT_CAPACITY
                continue
            relayed[family] = Relayed(socket, Address(external, socket.port), now + seconds)
        if not relayed:
            raise Refused(next(iter(failed.values())))
        told = [
            (AttributeType.ADDRESS_ERROR_CODE, bytes((family,)) + error_code(code)[1:])
            for family, code in failed.items()
        ]
        return Allocation(client, caller, relayed, request.transaction, [*told], tcp=wanted.tcp)


def _redirected(alternate: Address | None) -> Refused:
    """RFC 8489 §10; without anywhere to go there is no room (RFC 8656 §7.2)."""
    if alternate is None:
        return Refused(ErrorCode.INSUFFICIENT_CAPACITY)
    return Refused(ErrorCode.TRY_ALTERNATE, (AttributeType.ALTERNATE_SERVER, encode_address(alternate)))


def _told(now: float, allocation: Allocation) -> Attributes:
    addresses = [
        (AttributeType.XOR_RELAYED_ADDRESS, encode_xor_address(each.address, allocation.transaction))
        for each in allocation.relayed.values()
    ]
    mapped = encode_xor_address(address_of(allocation.client), allocation.transaction)
    return [
        *addresses,
        (AttributeType.LIFETIME, max(0, round(allocation.soonest - now)).to_bytes(4)),
        (AttributeType.XOR_MAPPED_ADDRESS, mapped),
        *allocation.told,
    ]
