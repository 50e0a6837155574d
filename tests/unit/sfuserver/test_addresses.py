"""Which addresses clients are told."""

from __future__ import annotations

import pytest

from meeting.daemon.options import HostPort
from meeting.sfuserver.addresses import MediaAddress, candidates, choose_addresses, media_address, tcp_media_port


def chosen(*present: str) -> list[str]:
    return [address.told for address in choose_addresses(present)]


def test_browsers_are_told_everything_but_loopback_and_link_local() -> None:
    present = ("127.0.0.1", "::1", "2001:db8::1", "10.0.0.7", "fe80::1", "169.254.3.4", "10.0.0.7")
    assert chosen(*present) == ["10.0.0.7", "2001:db8::1"]


def test_the_loopback_is_better_than_nothing() -> None:
    assert chosen("127.0.0.1", "fe80::1") == ["127.0.0.1"]


def test_behind_a_nat_the_public_address_is_told_and_the_local_one_bound() -> None:
    address = media_address("203.0.113.7/10.0.0.5")
    assert address == MediaAddress("203.0.113.7", "10.0.0.5")
    bound = [("10.0.0.5", 7882), ("10.0.0.6", 7882)]
    assert candidates([address], bound, bound[:1], HostPort("0.0.0.0", 443)) == [
        ("udp", "203.0.113.7", 7882),
        ("udp", "10.0.0.6", 7882),
        ("tcp", "203.0.113.7", 7882),
        ("tcp", "203.0.113.7", 443),
    ]


@pytest.mark.parametrize(
    ("bound", "told"),
    [
        ("0.0.0.0", ["192.0.2.1"]),
        ("::", ["192.0.2.1", "2001:db8::1"]),
        ("2001:db8::1", ["2001:db8::1"]),
        ("198.51.100.9", []),
    ],
)
def test_the_tls_port_is_told_only_where_it_listens(bound: str, told: list[str]) -> None:
    chosen = choose_addresses(["192.0.2.1", "2001:db8::1"])
    assert [one.host for one in candidates(chosen, [], [], HostPort(bound, 443))] == told


@pytest.mark.parametrize("text", ["", "host.example", "10.0.0.1/", "1.2.3.4/x"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ADDRESS"):
        media_address(text)


@pytest.mark.parametrize(
    ("own", "http", "opened"),
    [
        (None, {443}, 7882),
        (None, {443, 7882}, None),
        (7883, {443}, 7883),
        (7882, {7882}, 7882),  # asked for: the start says that the port is taken
        (0, {443}, None),
    ],
)
def test_media_by_tcp_has_the_number_of_udp_unless_http_has_it(
    own: int | None, http: set[int], opened: int | None
) -> None:
    assert tcp_media_port(7882, own, http) == opened
