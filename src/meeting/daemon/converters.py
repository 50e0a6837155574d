"""From the text of a flag, a variable or a configuration file to a value. Each raises ValueError with what to write."""

import re
from base64 import b64decode
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

LARGEST_PORT = 65_535
NO_AUTHORITY = "none"

_UNITS_OF_SIZE = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS_OF_SIZE |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_UNITS_OF_TIME = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_HOST_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})", re.ASCII)
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", re.ASCII)


class HostPort(NamedTuple):
    """A host (name or address) and a port. As text `host:port`, IPv6 addresses in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PortRange(NamedTuple):
    """Ports `first` to `last`, both included."""

    first: int
    last: int


def host_port(text: str) -> HostPort:
    """`meeting.example.com:443`, `1.2.3.4:443`, `[2001:db8::1]:443`."""
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        raise ValueError("write host:port, an IPv6 address in brackets, for example meeting.example.com:443")
    return HostPort(found["six"] or found["host"], port(found["port"]))


def host_ports(text: str) -> list[HostPort]:
    """One of these, or several with commas between them."""
    return [host_port(each.strip()) for each in text.split(",")]


def port(text: str) -> int:
    """0 to 65535; 0 lets the system choose."""
    if not (text.isascii() and text.isdecimal()) or int(text) > LARGEST_PORT:
        raise ValueError("write a port, 0 to 65535")
    return int(text)


def port_range(text: str) -> PortRange:
    """`40000-49999`."""
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError("write first-last, for example 40000-49999")
    ports = PortRange(port(first.strip()), port(last.strip()))
    if not 0 < ports.first <= ports.last:
        raise ValueError("the first port has to be above 0 and not above the last")
    return ports


def whole_number(text: str) -> int:
    """0 or more."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise ValueError("write a whole number, 0 or more")
    return int(text)


def seconds(text: str) -> float:
    """`10`, `500ms`, `10s`, `5m`, `2h`, `30d`."""
    found = _QUANTITY.fullmatch(text.strip())
    if found is None or found[2] not in _UNITS_OF_TIME:
        raise ValueError("write a time such as 10, 500ms, 10s, 5m, 2h or 30d")
    return float(found[1]) * _UNITS_OF_TIME[found[2]]


def size(text: str) -> int:
    """Bytes: `1000000`, `10MB` (decimal), `10MiB` (binary)."""
    found = _QUANTITY.fullmatch(text.strip())
    if found is None or found[2].upper() not in _UNITS_OF_SIZE:
        raise ValueError("write a size such as 500KB, 10MB or 2GiB")
    return int(float(found[1]) * _UNITS_OF_SIZE[found[2].upper()])


def boolean(text: str) -> bool:
    """`true` or `false`."""
    lower = text.strip().lower()
    if lower in ("true", "yes", "on", "1"):
        return True
    if lower in ("false", "no", "off", "0"):
        return False
    raise ValueError("write true or false")


def path(text: str) -> Path:
    """The absolute path of a file; `~` is the home directory. Whether it is there is seen when the daemon starts."""
    if not text or "\0" in text:
        raise ValueError("write a path")
    return Path(text).expanduser().absolute()


def directory(text: str) -> Path:
    """The same, of a directory."""
    return path(text)


def url(text: str) -> str:
    """`http://…` or `https://…`, without the slash at its end."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.fragment:
        raise ValueError("write a URL such as https://meeting.example.com")
    return text.rstrip("/")


def server_url(text: str) -> str:
    """`host:port` means https; a URL says for itself."""
    return url(text) if "://" in text else https_url(host_port(text))


def https_url(address: HostPort) -> str:
    """`https://host[:port]`, without the port that https has anyway."""
    return f"https://{address}".removesuffix(":443") if address.port == 443 else f"https://{address}"


def acme_directory(text: str) -> str:
    """`https://…`, or `none`."""
    if text == NO_AUTHORITY:
        return text
    if not url(text).startswith("https://"):
        raise ValueError("write none or the URL of an ACME directory, https://…")
    # The directory's own path is kept as it is written: a slash at its end may belong to it.
    return text


def contact(text: str) -> str:
    """An e-mail address, as an ACME account takes it."""
    local, at, domain = text.partition("@")
    if not (local and at and domain) or any(not character.isprintable() or character in " ,<>?" for character in text):
        raise ValueError("write an e-mail address, for example it@example.com")
    return text


def base64url(text: str) -> str:
    """A key in base64url, as certificate authorities give it; kept as it is written."""
    try:
        decoded = b64decode(text.strip() + "=" * (-len(text.strip()) % 4), altchars=b"-_", validate=True)
    except ValueError:
        decoded = b""
    if not decoded:
        raise ValueError("write the key as the authority gave it, in base64url: letters, digits, - and _")
    return text.strip()


def network(text: str) -> IPv4Network | IPv6Network:
    """`10.0.0.0/8`, `::1`."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError("write an address or a network, for example 10.0.0.0/8") from None


def one_of(*choices: str) -> Callable[[str], str]:
    """One of a few words."""

    def convert(text: str) -> str:
        if text not in choices:
            raise ValueError(f"write one of {', '.join(choices)}")
        return text

    return convert
