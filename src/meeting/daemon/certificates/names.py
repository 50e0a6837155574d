"""Which host names a public certificate authority can vouch for."""

from ipaddress import ip_address

# RFC 6761, 6762, 7686, 8375, 9476, ICANN's `internal`; and what people use for networks of their own.
_PRIVATE = "alt arpa corp example home internal intranet invalid lan local localdomain localhost onion private test"
RESERVED = frozenset(_PRIVATE.split(" "))
RESERVED_DOMAINS = ("example.com", "example.net", "example.org")


def is_address(host: str) -> bool:
    """Whether it is an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_public(host: str) -> bool:
    """Whether `host` is a name of the public DNS: not an address, not a single word, not a reserved name."""
    name = host.lower().rstrip(".")
    labels = name.split(".")
    if is_address(host) or len(labels) < 2 or not all(labels):
        return False
    reserved = any(name == domain or name.endswith(f".{domain}") for domain in RESERVED_DOMAINS)
    return labels[-1] not in RESERVED and not reserved
