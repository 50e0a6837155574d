"""The allocations there are: by client and by room, with what each of them may."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from meeting.daemon.networks import IP
from meeting.dataplane.interfaces import IRelayAllocation
from meeting.dataplane.values import RelayClient
from meeting.stun import Address, ErrorCode
from meeting.turnserver.authentication import Caller
from meeting.turnserver.fields import Attributes
from meeting.turnserver.quotas import Ledger
from meeting.turnserver.refused import Refused


@dataclass(slots=True)
class Relayed:
    """A relay address of an allocation."""

    socket: IRelayAllocation
    address: Address
    until: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class OfAllocation:
    """A TCP connection of an allocation with a peer (RFC 6062)."""

    peer: Address
    end: Callable[[], None]


@dataclass(slots=True)
class Allocation:
    """What a client has, for as long as it lasts. Times are Unix seconds."""

    client: RelayClient
    caller: Caller
    relayed: dict[int, Relayed]
    """By family: one, or both (RFC 8656 §7.2, ADDITIONAL-ADDRESS-FAMILY)."""
    transaction: bytes
    """Of the request that made it: repeated, it gets the same answer."""
    told: Attributes
    """What that answer had besides addresses and lifetime."""
    permissions: dict[IP, float] = field(default_factory=dict)
    channels: dict[int, tuple[Address, float]] = field(default_factory=dict)
    tcp: bool = False
    """Peers are reached by TCP connections, each with a stream of its client (RFC 6062)."""
    connections: dict[int, OfAllocation] = field(default_factory=dict, repr=False)
    """By the relay's number."""
    tickets: list[bytes] = field(default_factory=list, repr=False)
    """With the newest, and the one before, its client may go elsewhere (RFC 8016)."""

    @property
    def soonest(self) -> float:
        """When the first of its relay addresses ends."""
        return min((each.until for each in self.relayed.values()), default=0.0)

    def towards(self, peer: Address) -> Relayed:
        """The relay address of the peer's family. Raises Refused when there is none."""
        relayed = self.relayed.get(peer.family)
        if relayed is None:
            raise Refused(ErrorCode.PEER_ADDRESS_FAMILY_MISMATCH)
        return relayed

    def forget_expired(self, now: float) -> None:
        """What has run out counts for no cap and binds nothing."""
        self.permissions = {ip: until for ip, until in self.permissions.items() if until > now}
        self.channels = {number: bound for number, bound in self.channels.items() if bound[1] > now}
        for family in [family for family, each in self.relayed.items() if each.until <= now]:
            self.close(family)

    def close(self, family: int) -> None:
        """One relay address goes, with what led through it."""
        self.relayed.pop(family).socket.close()
        self.permissions = {ip: until for ip, until in self.permissions.items() if Address(ip, 0).family != family}
        self.channels = {number: bound for number, bound in self.channels.items() if bound[0].family != family}
        for connection in list(self.connections.values()):
            connection.end()


class Table:
    """All of them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._allocations: dict[RelayClient, Allocation] = {}

    def __len__(self) -> int:
        return len(self._allocations)

    def __iter__(self) -> Iterator[Allocation]:
        return iter(self._allocations.values())

    def __contains__(self, allocation: Allocation) -> bool:
        return self._allocations.get(allocation.client) is allocation

    def find(self, now: float, client: RelayClient) -> Allocation | None:
        """The client's, if it lasts."""
        allocation = self._allocations.get(client)
        if allocation is None:
            return None
        allocation.forget_expired(now)
        if not allocation.relayed:
            self.end(allocation)
            return None
        return allocation

    def existing(self, now: float, client: RelayClient) -> Allocation:
        """The client's. Raises Refused when it has none."""
        allocation = self.find(now, client)
        if allocation is None:
            raise Refused(ErrorCode.ALLOCATION_MISMATCH)
        return allocation

    def check(self, client: RelayClient, caller: Caller) -> None:
        """Raises Refused when one more would be too many."""
        self._ledger.check(client, caller)

    def add(self, allocation: Allocation) -> None:
        """A new one; there is none of this client."""
        self._allocations[allocation.client] = allocation
        self._ledger.take(allocation.client, allocation.caller)

    def move(self, allocation: Allocation, client: RelayClient) -> None:
        """Its client is here now (RFC 8016). Raises Refused when its relay addresses have gone meanwhile."""
        self._ledger.check_source(client)
        moved = [each.socket.move(client) for each in allocation.relayed.values()]
        if not all(moved):
            self.end(allocation)
            raise Refused(ErrorCode.ALLOCATION_MISMATCH)
        del self._allocations[allocation.client]
        self._ledger.give_back(allocation.client, allocation.caller)
        allocation.client = client
        self.add(allocation)

    def end(self, allocation: Allocation) -> None:
        """It ends, whatever is left of it."""
        del self._allocations[allocation.client]
        self._ledger.give_back(allocation.client, allocation.caller)
        for family in list(allocation.relayed):
            allocation.close(family)

    def gone(self, client: RelayClient) -> None:
        """Nobody can reach a client of a stream that has ended; with a ticket it may come again until it runs out."""
        allocation = self._allocations.get(client)
        if allocation is not None and not allocation.tickets:
            self.end(allocation)

    def expire(self, now: float) -> None:
        """End what has run out. Lifetimes are exact without it; it gives memory and quota back."""
        over = [client for client, each in self._allocations.items() if each.soonest <= now]
        for client in over:
            self.find(now, client)

    def rooms(self) -> set[str]:
        """Whose allocations there are."""
        return {each.caller.room for each in self}

    def end_rooms(self, rooms: set[str]) -> int:
        """End the allocations of these rooms; says how many."""
        ended = [each for each in self if each.caller.room in rooms]
        for allocation in ended:
            self.end(allocation)
        return len(ended)
