"""Whom a relay may reach: public unicast addresses, and the sfuservers the hub knows. Nobody else, ever.

A relay stands inside the firewall and does what strangers ask, so what is not known to be harmless is refused.
"""

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address

from meeting.daemon.converters import HostPort, host_port
from meeting.daemon.networks import IP, embedded, is_public


class Peers:
    """What may be reached. `own` are this machine's addresses."""

    def __init__(self, own: Collection[IP] = ()) -> None:
        self._own = frozenset(own)
        self._servers: dict[IP, frozenset[int]] = {}

    def set_servers(self, addresses: Iterable[str]) -> None:
        """The media addresses of the sfuservers that are alive, as `ip:port`. What is none is passed over."""
        servers: dict[IP, frozenset[int]] = {}
        for text in addresses:
            try:
                address = host_port(text)
                ip = _ip(address)
            except ValueError:
                continue
            servers[ip] = servers.get(ip, frozenset()) | {address.port}
        self._servers = servers

    def ports(self, ip: IP) -> frozenset[int] | None:
        """The ports of this address that may be reached. None: all of them."""
        inner = embedded(ip) if isinstance(ip, IPv6Address) else None
        if is_public(ip) and ip not in self._own and inner not in self._own:
            return None
        return self._servers.get(ip, frozenset())


def _ip(address: HostPort) -> IP:
    return IPv6Address(address.host) if ":" in address.host else IPv4Address(address.host)
