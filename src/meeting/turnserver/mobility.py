"""Allocations that go with their client to another address (RFC 8016): a phone leaves the Wi-Fi, the call goes on."""

import secrets

from meeting.stun import AttributeType, ErrorCode, Message
from meeting.turnserver.refused import Refused
from meeting.turnserver.table import Allocation, Table

TICKET_BYTES = 16
"""Of randomness in a ticket."""


class Tickets:
    """Who has which ticket. An allocation has two: the newest, and the one before for who missed the answer."""

    def __init__(self, table: Table, allowed: bool) -> None:
        self._table = table
        self._allowed = allowed
        self._allocations: dict[bytes, Allocation] = {}

    def asked_for(self, request: Message) -> bool:
        """Whether an Allocate request wants one. Raises Refused where there are none (§3.1.2)."""
        wanted = request.get(AttributeType.MOBILITY_TICKET)
        if wanted is None:
            return False
        if not self._allowed:
            raise Refused(ErrorCode.MOBILITY_FORBIDDEN)
        if wanted:
            raise Refused(ErrorCode.BAD_REQUEST)
        return True

    def make(self, allocation: Allocation) -> tuple[int, bytes]:
        """The attribute with a new ticket."""
        # In letters: some clients (coturn's) keep it as a text that a zero byte ends.
        ticket = secrets.token_urlsafe(TICKET_BYTES).encode()
        for old in allocation.tickets[:-1]:
            del self._allocations[old]
        allocation.tickets = [*allocation.tickets[-1:], ticket]
        self._allocations[ticket] = allocation
        return AttributeType.MOBILITY_TICKET, ticket

    def find(self, now: float, ticket: bytes) -> Allocation:
        """Whose it is. Raises Refused: nobody's, or there are no tickets here (§3.2.2)."""
        if not self._allowed:
            raise Refused(ErrorCode.MOBILITY_FORBIDDEN)
        allocation = self._allocations.get(ticket)
        if allocation is None or self._table.find(now, allocation.client) is not allocation:
            raise Refused(ErrorCode.BAD_REQUEST)
        return allocation

    def expire(self) -> None:
        """Forget those of allocations that have ended."""
        for ticket, allocation in list(self._allocations.items()):
            if allocation not in self._table:
                del self._allocations[ticket]
