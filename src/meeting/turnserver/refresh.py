"""Refresh (RFC 8656 §8.2): an allocation lives on, ends, or comes along with its client (RFC 8016 §3.2.2)."""

from meeting.dataplane.values import RelayClient
from meeting.stun import AttributeType, ErrorCode, Message
from meeting.turnserver.authentication import Caller
from meeting.turnserver.fields import Attributes, lifetime, requested_family, requested_lifetime
from meeting.turnserver.mobility import Tickets
from meeting.turnserver.refused import Refused
from meeting.turnserver.table import Allocation, Table


class Refresh:
    """Of all of an allocation, or of its relay address of one family."""

    def __init__(self, table: Table, tickets: Tickets) -> None:
        self._table = table
        self._tickets = tickets

    def __call__(self, now: float, client: RelayClient, caller: Caller, request: Message) -> Attributes:
        """The attributes of the answer."""
        ticket = request.get(AttributeType.MOBILITY_TICKET)
        if ticket is None:
            allocation = self._table.existing(now, client)
        else:
            allocation = self._by_ticket(now, client, caller, ticket)
        family = requested_family(request)
        if family is not None and family not in allocation.relayed:
            raise Refused(ErrorCode.PEER_ADDRESS_FAMILY_MISMATCH)
        families = list(allocation.relayed) if family is None else [family]
        if requested_lifetime(request) == 0:
            if len(families) == len(allocation.relayed):
                self._table.end(allocation)
            else:
                allocation.close(families[0])
            return [(AttributeType.LIFETIME, bytes(4))]
        seconds = lifetime(now, caller, request)
        if ticket is not None and allocation.client != client:
            self._table.move(allocation, client)
        allocation.caller = caller
        for each in families:
            relayed = allocation.relayed[each]
            relayed.until = now + seconds
            relayed.socket.refresh(seconds)
        answer: Attributes = [(AttributeType.LIFETIME, seconds.to_bytes(4))]
        return answer if ticket is None else [*answer, self._tickets.make(allocation)]

    def _by_ticket(self, now: float, client: RelayClient, caller: Caller, ticket: bytes) -> Allocation:
        """Only its owner has it, from wherever; what is here already stays (RFC 8016 §3.2.2)."""
        allocation = self._tickets.find(now, ticket)
        if allocation.caller.user != caller.user:
            raise Refused(ErrorCode.WRONG_CREDENTIALS)
        here = self._table.find(now, client)
        if here is not None and here is not allocation:
            raise Refused(ErrorCode.ALLOCATION_MISMATCH)
        return allocation
