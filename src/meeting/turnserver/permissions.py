"""CreatePermission and ChannelBind (RFC 8656 §10.2, §12.2): whom an allocation may reach."""

from meeting.daemon.networks import IP
from meeting.dataplane.values import RelayClient
from meeting.stun import Address, AttributeType, ErrorCode, Message
from meeting.turnserver.authentication import Caller
from meeting.turnserver.fields import Attributes, fixed, peers
from meeting.turnserver.peers import Peers
from meeting.turnserver.quotas import Quotas
from meeting.turnserver.refused import Refused
from meeting.turnserver.table import Allocation, Table

PERMISSION_LIFETIME = 300
CHANNEL_LIFETIME = 600
CHANNELS = range(0x4000, 0x5000)
OLD_CHANNELS = range(0x4000, 0x8000)
"""Before RFC 8656 left the upper ones to other protocols (RFC 5766 §11)."""


class Permissions:
    """Both methods; `channels` are the numbers that can be bound."""

    def __init__(self, table: Table, reachable: Peers, quotas: Quotas, channels: range) -> None:
        self._table = table
        self._reachable = reachable
        self._quotas = quotas
        self._channels = channels

    def create(self, now: float, client: RelayClient, caller: Caller, request: Message) -> Attributes:
        """All of the peers, or none."""
        allocation = self._table.existing(now, client)
        wanted = peers(request)
        for peer in wanted:
            allocation.towards(peer)
        allowed = {peer.ip: self._reach(peer.ip, caller) for peer in wanted}
        if len(allocation.permissions.keys() | allowed.keys()) > self._quotas.permissions:
            raise Refused(ErrorCode.INSUFFICIENT_CAPACITY)
        for ip, ports in allowed.items():
            _permit(now, allocation, ip, ports)
        return []

    def bind(self, now: float, client: RelayClient, caller: Caller, request: Message) -> Attributes:
        """One peer gets one number; that gives the permission, too."""
        allocation = self._table.existing(now, client)
        if allocation.tcp:
            raise Refused(ErrorCode.BAD_REQUEST)
        number = int.from_bytes(fixed(request, AttributeType.CHANNEL_NUMBER, 4)[:2])
        peer, *others = peers(request)
        relayed = allocation.towards(peer)
        bound = allocation.channels.get(number)
        elsewhere = any(each == peer and key != number for key, (each, _) in allocation.channels.items())
        if number not in self._channels or others or elsewhere or (bound is not None and bound[0] != peer):
            raise Refused(ErrorCode.BAD_REQUEST)
        ports = self._reach(peer.ip, caller)
        if ports is not None and peer.port not in ports:
            raise Refused(ErrorCode.FORBIDDEN)
        too_many = len(allocation.permissions.keys() | {peer.ip}) > self._quotas.permissions
        if too_many or len(allocation.channels.keys() | {number}) > self._quotas.channels:
            raise Refused(ErrorCode.INSUFFICIENT_CAPACITY)
        _permit(now, allocation, peer.ip, ports)
        allocation.channels[number] = (peer, now + CHANNEL_LIFETIME)
        relayed.socket.bind(number, str(peer.ip), peer.port, CHANNEL_LIFETIME)
        return []

    def _reach(self, ip: IP, caller: Caller) -> frozenset[int] | None:
        ports = self._reachable.ports(ip, caller.servers)
        if ports is not None and not ports:
            raise Refused(ErrorCode.FORBIDDEN)
        return ports


def _permit(now: float, allocation: Allocation, ip: IP, ports: frozenset[int] | None) -> None:
    allocation.permissions[ip] = now + PERMISSION_LIFETIME
    allocation.towards(Address(ip, 0)).socket.permit(str(ip), PERMISSION_LIFETIME, ports=ports)
