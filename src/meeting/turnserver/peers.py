"""Whom a relay may reach: public unicast addresses, and the sfuserver of the caller's own meeting. Nobody else, ever.

A relay stands inside the firewall and does what strangers ask, so what is not known to be harmless is refused.
"""

from collections.abc import Collection, Mapping
from ipaddress import IPv6Address

from meeting.daemon.networks import IP, embedded, is_public


class Peers:
    """What may be reached. `own` are this machine's addresses."""

    def __init__(self, own: Collection[IP] = ()) -> None:
        self._own = frozenset(own)

    def ports(self, ip: IP, servers: Mapping[IP, frozenset[int]]) -> frozenset[int] | None:
        """The ports of this address that may be reached. None: all of them.

        `servers`: what the credential names, this machine's addresses maybe among them.
        """
        inner = embedded(ip) if isinstance(ip, IPv6Address) else None
        if is_public(ip) and ip not in self._own and inner not in self._own:
            return None
        return servers.get(ip, frozenset())
