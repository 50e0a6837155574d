"""Which addresses are public ones: whoever connects to where a stranger says must not be led inside.

What is not known to be harmless is refused. Every way to write an IPv4 address as an IPv6 one is undone first: each has
been a hole in somebody's server.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IP = IPv4Address | IPv6Address

#: IANA, "IPv4 Special-Purpose Address Registry", and multicast; (network, mask), as it is asked of every peer.
_SPECIAL_V4 = tuple(
    (int(network.network_address), int(network.netmask))
    for network in map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)

#: All that IANA has given out as global unicast, and what is special in it ("IPv6 Special-Purpose Address Registry").
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")
)

_COMPATIBLE = IPv6Network("::/96")
_MAPPED = IPv6Network("::ffff:0:0/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)


def embedded(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address within an IPv6 address: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP."""
    bits = int(ip)
    if ip in _6TO4:
        return IPv4Address(bits >> 80 & 0xFFFFFFFF)
    if ip in _TEREDO:
        return IPv4Address(~bits & 0xFFFFFFFF)
    if any(ip in network for network in (_MAPPED, _COMPATIBLE, _TRANSLATED, _NAT64)):
        return IPv4Address(bits & 0xFFFFFFFF)
    return IPv4Address(bits & 0xFFFFFFFF) if bits >> 32 & 0xFFFFFFFF in _ISATAP else None


def is_public(ip: IP) -> bool:
    """Whether it is a unicast address of the public internet, in itself and in what it embeds."""
    if isinstance(ip, IPv4Address):
        bits = int(ip)
        return not any(bits & mask == network for network, mask in _SPECIAL_V4)
    inner = embedded(ip)
    if inner is not None and not is_public(inner):
        return False
    if ip in _NAT64:
        return True
    return ip in _GLOBAL_V6 and not any(ip in network for network in _SPECIAL_V6)
