"""Whom a relay may reach: every way to write what it may not."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.daemon.networks import embedded, is_public
from meeting.turnserver.peers import Peers

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
]
PRIVATE_V6 = [
    "::",
    "::1",
    "100::1",
    "64:ff9b:1::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001::1",
    "2001:db8::1",
    "2001:20::1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "e000::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "192.167.255.255", "223.255.255.255"]
PUBLIC_V6 = ["2001:4860::8888", "2606:4700::1", "2a00:1450::1", "2400:cb00::1"]


def forms(v4: str) -> list[IPv6Address]:
    """All the ways to hide an IPv4 address in an IPv6 one."""
    number = int(IPv4Address(v4))
    return [
        IPv6Address(number),
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0xFFFF << 48 | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(0x2002 << 112 | number << 80 | 1),
        IPv6Address(0x20010000 << 96 | number ^ 0xFFFFFFFF),
        IPv6Address(int(IPv6Address("2606:4700::5efe:0:0")) | number),
        IPv6Address(int(IPv6Address("2606:4700::200:5efe:0:0")) | number),
    ]


@pytest.mark.parametrize("text", PRIVATE + PRIVATE_V6)
def test_what_is_not_public_unicast_is_refused(text: str) -> None:
    assert not is_public(ip_address(text))
    assert Peers().ports(ip_address(text), {}) == frozenset()


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_not_public_is_refused_in_every_disguise(text: str) -> None:
    for form in forms(text):
        assert embedded(form) == ip_address(text), form
        assert not is_public(form), form


@pytest.mark.parametrize("text", PUBLIC + PUBLIC_V6)
def test_public_addresses_are_reached_with_all_ports(text: str) -> None:
    assert Peers().ports(ip_address(text), {}) is None


def test_own_addresses_are_refused_in_every_disguise_though_public() -> None:
    peers = Peers(own=[ip_address("8.8.8.8"), ip_address("2a00:1450::1")])
    for own in [ip_address("8.8.8.8"), ip_address("2a00:1450::1"), *forms("8.8.8.8")]:
        assert peers.ports(own, {}) == frozenset(), own
    assert peers.ports(ip_address("8.8.8.9"), {}) is None


def test_servers_are_reached_by_their_ports_alone_even_on_this_machine() -> None:
    peers = Peers(own=[ip_address("8.8.8.8")])
    servers = {
        ip_address("10.0.0.7"): frozenset({1, 2}),
        ip_address("fd00::7"): frozenset({3}),
        ip_address("8.8.8.8"): frozenset({4}),
    }
    for ip, ports in servers.items():
        assert peers.ports(ip, servers) == ports
        assert peers.ports(ip, {}) == frozenset()
    assert peers.ports(ip_address("10.0.0.8"), servers) == frozenset()
    assert peers.ports(ip_address("1.1.1.1"), servers) is None
    # A server's address in disguise is not the server's address.
    for form in forms("10.0.0.7"):
        assert peers.ports(form, servers) == frozenset()


@given(st.ip_addresses(v=6))
def test_outside_global_unicast_nothing_is_public_but_nat64(ip: IPv6Address) -> None:
    if is_public(ip):
        assert int(ip) >> 125 == 1 or int(ip) >> 32 == 0x0064FF9B << 64
