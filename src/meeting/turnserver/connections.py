"""Connect, ConnectionBind and ConnectionAttempt (RFC 6062): TCP connections of an allocation with its peers.

Each waits half a minute for a stream of its client, which is joined with it; or it ends. Who may be reached is the same
as by UDP.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from meeting.dataplane.interfaces import IRelay
from meeting.dataplane.values import RelayClient
from meeting.stun import Address, AttributeType, Class, ErrorCode, Message, Method, encode_xor_address
from meeting.turnserver.authentication import Caller
from meeting.turnserver.fields import Attributes, fixed, peers
from meeting.turnserver.peers import Peers
from meeting.turnserver.quotas import Quotas
from meeting.turnserver.refused import Refused, error_code
from meeting.turnserver.table import Allocation, OfAllocation, Table

WAIT_SECONDS = 30.0
"""For a client to come for a connection (RFC 6062 §5.2, §5.3)."""
ID_LENGTH = 4

Later = tuple[RelayClient, bytes]
"""A message for a client: an answer that took its time, or an indication."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is answered when the connection is made or is not."""

    caller: Caller
    transaction: bytes


@dataclass(slots=True, eq=False)
class PeerConnection:
    """One connection with a peer."""

    allocation: Allocation
    number: int
    """The relay's."""
    peer: Address
    id: bytes
    """CONNECTION-ID: what the client comes with."""
    asked: Asked | None = None
    """While it is being made."""
    until: float | None = None
    """Unix seconds: how long it waits for its client. None: it is being made, or joined."""
    joined: RelayClient | None = None
    """The client's stream."""


class Connections:
    """All of them."""

    def __init__(
        self,
        table: Table,
        relay: IRelay,
        reachable: Peers,
        quotas: Quotas,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._table = table
        self._relay = relay
        self._reachable = reachable
        self._most = quotas.connections
        self._random = random
        self._by_number: dict[int, PeerConnection] = {}
        self._by_id: dict[bytes, PeerConnection] = {}

    def __len__(self) -> int:
        return len(self._by_number)

    def connect(self, now: float, client: RelayClient, caller: Caller, request: Message) -> Attributes | None:
        """The answer comes when the connection is made, or has failed (RFC 6062 §5.2)."""
        allocation = self._table.existing(now, client)
        if not allocation.tcp:
            raise Refused(ErrorCode.BAD_REQUEST)
        peer, *others = peers(request)
        if others:
            raise Refused(ErrorCode.BAD_REQUEST)
        relayed = allocation.towards(peer)
        if any(each.peer == peer for each in allocation.connections.values()):
            raise Refused(ErrorCode.CONNECTION_ALREADY_EXISTS)
        ports = self._reachable.ports(peer.ip, caller.servers)
        if not peer.port or (ports is not None and peer.port not in ports):
            raise Refused(ErrorCode.FORBIDDEN)
        if len(allocation.connections) >= self._most:
            raise Refused(ErrorCode.INSUFFICIENT_CAPACITY)
        number = relayed.socket.dial(str(peer.ip), peer.port)
        self._add(allocation, number, peer).asked = Asked(caller, request.transaction)
        return None

    def made(self, now: float, number: int, made: bool) -> Later | None:
        """The answer to Connect, if somebody still waits for it."""
        connection = self._by_number.get(number)
        if connection is None or connection.asked is None:
            return None
        asked, connection.asked = connection.asked, None
        client = connection.allocation.client
        attributes: Attributes
        if made:
            connection.until = now + WAIT_SECONDS
            attributes = [(AttributeType.CONNECTION_ID, connection.id)]
            message_class = Class.SUCCESS
        else:
            self._forget(connection)
            message_class = Class.ERROR
            attributes = [(AttributeType.ERROR_CODE, error_code(ErrorCode.CONNECTION_TIMEOUT_OR_FAILURE))]
        answer = Message(message_class, Method.CONNECT, asked.transaction, attributes)
        return client, answer.build(asked.caller.key, hash=asked.caller.hash)

    def attempt(self, now: float, client: RelayClient, number: int, host: str, port: int) -> Later | None:
        """A peer has come: its client is told (RFC 6062 §5.3)."""
        allocation = self._table.find(now, client)
        if allocation is None or not allocation.tcp or len(allocation.connections) >= self._most:
            self._relay.hang_up(number, client)
            return None
        connection = self._add(allocation, number, Address(ip_address(host), port))
        connection.until = now + WAIT_SECONDS
        transaction = self._random(12)
        attributes = [
            (AttributeType.CONNECTION_ID, connection.id),
            (AttributeType.XOR_PEER_ADDRESS, encode_xor_address(connection.peer, transaction)),
        ]
        return client, Message(Class.INDICATION, Method.CONNECTION_ATTEMPT, transaction, attributes).build()

    def bind(self, now: float, client: RelayClient, caller: Caller, request: Message) -> Attributes | None:
        """The client's stream is the peer's from now on (RFC 6062 §5.4)."""
        id = fixed(request, AttributeType.CONNECTION_ID, ID_LENGTH)
        if not self._relay.is_stream(client) or self._table.find(now, client) is not None:
            raise Refused(ErrorCode.BAD_REQUEST)
        connection = self._by_id.get(id)
        # Another's is as unknown as one that is not there.
        if connection is None or connection.allocation.caller.user != caller.user:
            raise Refused(ErrorCode.BAD_REQUEST)
        if connection.until is None or connection.until <= now:
            raise Refused(ErrorCode.BAD_REQUEST)
        if not self._relay.join(connection.number, client):
            self._forget(connection)
            raise Refused(ErrorCode.BAD_REQUEST)
        connection.until, connection.joined = None, client
        return [(AttributeType.CONNECTION_ID, id)]

    def ended(self, number: int) -> None:
        """The relay has closed it."""
        connection = self._by_number.get(number)
        if connection is not None:
            self._forget(connection)

    def expire(self, now: float) -> None:
        """End those nobody came for."""
        for connection in list(self._by_number.values()):
            if connection.until is not None and connection.until <= now:
                self._end(connection)

    def _add(self, allocation: Allocation, number: int, peer: Address) -> PeerConnection:
        id = self._random(ID_LENGTH)
        while id in self._by_id:
            id = self._random(ID_LENGTH)
        connection = PeerConnection(allocation, number, peer, id)
        self._by_number[number] = self._by_id[id] = connection
        allocation.connections[number] = OfAllocation(peer, lambda: self._end(connection))
        return connection

    def _end(self, connection: PeerConnection) -> None:
        self._relay.hang_up(connection.number, connection.joined or connection.allocation.client)
        self._forget(connection)

    def _forget(self, connection: PeerConnection) -> None:
        del self._by_number[connection.number], self._by_id[connection.id]
        connection.allocation.connections.pop(connection.number, None)
