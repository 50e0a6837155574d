"""The user names of TURN credentials: until when, for whom, and which servers they reach (docs/protocols/tokens.md).

A relay knows nobody. All it has to know of a caller stands in the name, and the password proves that we wrote it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from typing import Self
from urllib.parse import quote, unquote

from meeting.daemon.converters import host_port
from meeting.daemon.networks import IP

#: Bytes of a room's or participant's name; a longer one is told by its hash. A user name has 508 (RFC 8489 §14.3).
LONGEST_PART = 96
#: Characters for the servers; there are rarely more than two, one for IPv4 and one for IPv6.
LONGEST_SERVERS = 280


@dataclass(frozen=True, slots=True)
class TurnUser:
    """Who may relay. `servers`: the media addresses of the room's sfuserver, reached though they be private."""

    expires_at: int
    """Unix seconds."""
    room: str
    identity: str
    servers: tuple[tuple[IP, int], ...] = ()

    @classmethod
    def of(cls, expires_at: int, room: str, identity: str, servers: Iterable[str] = ()) -> Self:
        """`servers` as `ip:port`. Raises ValueError."""
        addresses = (host_port(server) for server in servers)
        return cls(expires_at, room, identity, tuple((ip_address(each.host), each.port) for each in addresses))

    @classmethod
    def parse(cls, name: str) -> Self:
        """Raises ValueError for what `name` does not make."""
        expiry, about, identity = name.split(":", 2)
        if not (expiry.isascii() and expiry.isdecimal() and len(expiry) <= 12):
            raise ValueError("no time")
        room, *servers = about.split(",")
        return cls(int(expiry), unquote(room), identity, tuple(map(_read, servers)))

    @property
    def name(self) -> str:
        """`<unix expiry>:<room>[,<ip>_<port>…]:<identity>`; colons of an IPv6 address are written as hyphens."""
        parts = [_short(quote(self.room, safe=""))]
        room_for_servers = LONGEST_SERVERS
        for ip, port in self.servers:
            written = f"{ip}_{port}".replace(":", "-")
            room_for_servers -= len(written) + 1
            if room_for_servers >= 0:
                parts.append(written)
        return f"{self.expires_at}:{','.join(parts)}:{_short(self.identity)}"


def _read(server: str) -> tuple[IP, int]:
    host, _, port = server.replace("-", ":").rpartition("_")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError("no port")
    return ip_address(host), int(port)


def _short(text: str) -> str:
    data = text.encode(errors="replace")
    return text if len(data) <= LONGEST_PART else sha256(data).hexdigest()
