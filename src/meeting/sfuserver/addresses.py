"""Where media goes: the addresses that sockets are bound to, and those that clients are told."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from meeting.daemon.options import HostPort
from meeting.sfuserver.negotiation.offer_answer import Candidate

__all__ = ["MediaAddress", "candidates", "choose_addresses", "interface_addresses", "media_address", "tcp_media_port"]


class MediaAddress(NamedTuple):
    """An address of this machine, and the one under which clients reach it (they differ behind a NAT)."""

    told: str
    bound: str


def media_address(text: str) -> MediaAddress:
    """`192.0.2.1`, or `203.0.113.7/10.0.0.5` for a public address that is translated to a local one."""
    told, slash, bound = text.partition("/")
    try:
        return MediaAddress(str(ip_address(told)), str(ip_address(bound if slash else told)))
    except ValueError:
        raise ValueError(f"{text!r} is neither ADDRESS nor PUBLIC/LOCAL") from None


def interface_addresses() -> list[str]:
    """Every address of this machine, without scopes."""
    import ifaddr  # not at the top: `twistd --help` reads this module for the options

    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            found.append(address.ip[0] if isinstance(address.ip, tuple) else address.ip)
    return found


def choose_addresses(present: Iterable[str]) -> list[MediaAddress]:
    """What a browser can be told: not the loopback, unless there is nothing else; nothing link-local. IPv4 first."""
    addresses = [ip_address(text) for text in dict.fromkeys(present)]
    usable = [one for one in addresses if not (one.is_link_local or one.is_multicast or one.is_unspecified)]
    outside = [one for one in usable if not one.is_loopback]
    chosen: Sequence[IPv4Address | IPv6Address] = outside or usable
    return [MediaAddress(str(one), str(one)) for one in sorted(chosen, key=lambda one: one.version)]


def tcp_media_port(udp: int, own: int | None, http: Container[int]) -> int | None:
    """The TCP port to open for media; None: none, as `own` is 0, or is not given and HTTP has the number of `udp`.

    Machines on demand have one number for all: there media comes by the TLS port, which hands it on.
    """
    if own is None:
        return None if udp in http else udp
    return own or None


def candidates(
    chosen: Sequence[MediaAddress],
    udp: Iterable[tuple[str, int]],
    tcp: Iterable[tuple[str, int]],
    tls: HostPort | None = None,
) -> list[Candidate]:
    """The sockets as bound (`tls`: of the TLS port, where media may come too), under the addresses that clients know.

    UDP before TCP; before the TLS port the port that is made for media, which gives the reactor no work at all.
    """
    told = {address.bound: address.told for address in chosen}
    found = [Candidate("udp", told.get(host, host), port) for host, port in udp]
    found += [Candidate("tcp", told.get(host, host), port) for host, port in tcp]
    if tls is not None:
        found += [Candidate("tcp", one.told, tls.port) for one in chosen if _listens(tls.host, one.bound)]
    return list(dict.fromkeys(found))


def _listens(bound: str, address: str) -> bool:
    """Whether a port bound to `bound` can be reached at an address of this machine."""
    if bound == "::":
        return True
    if bound in ("", "*", "0.0.0.0"):
        return ip_address(address).version == 4
    return bound == address
