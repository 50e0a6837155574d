"""People in networks of their own: behind NATs, behind firewalls that leave only a relay, where there is no IPv4."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tests.browser.apart import Apart
from tests.browser.networks import SERVERS, Network
from tests.browser.person import Person


def meet(ana: Person, ben: Person, *, relayed: Sequence[Person] = ()) -> None:
    ana.sign_in()
    link = ana.open_instant_meeting()
    ana.join(link, relay=ana in relayed)
    ben.join(link, relay=ben in relayed, name="Ben")
    for person in (ana, ben):
        person.sees(within=60)
        person.hears(within=60)


def is_symmetric(network: Network) -> bool:
    """Whether one socket has a port of its own for each that it speaks to, seen from outside (RFC 4787 §4.1)."""
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        ears = (one, other)
        for ear in ears:
            ear.bind((SERVERS[4], 0))
            ear.settimeout(5)
        places = [ear.getsockname() for ear in ears]
        network.python(f"import socket; s = socket.socket(type=2); [s.sendto(b'?', to) for to in {places}]")
        return len({ear.recvfrom(9)[1][1] for ear in ears}) == 2


def test_behind_two_symmetric_nats_people_are_connected_directly(apart: Apart) -> None:
    ana, ben = apart.people()
    assert all(is_symmetric(network) for network in apart.networks)
    meet(ana, ben)
    for person in (ana, ben):
        person.page.get_by_text("Connected directly").wait_for()


def test_where_no_udp_gets_out_media_takes_tcp_and_where_only_https_does_that_port(apart: Apart) -> None:
    ana, ben = apart.people()
    for network in apart.networks:
        network.uplink.drop("meta l4proto udp")
    apart.networks[1].uplink.refuse(f"tcp dport {{ {apart.deployed.media_port}, {apart.deployed.turn_port} }}")
    meet(ana, ben)
    for person in (ana, ben):
        person.page.get_by_text("Connected over TCP").wait_for()


def test_where_only_tcp_or_only_tls_gets_to_the_relay_people_are_connected_through_it(apart: Apart) -> None:
    ana, ben = apart.people()
    for network in apart.networks:
        network.uplink.drop("meta l4proto udp")
    apart.networks[1].uplink.refuse(f"tcp dport {apart.deployed.turn_port}")
    meet(ana, ben, relayed=[ana, ben])
    for person, protocol in ((ana, "tcp"), (ben, "tls")):
        assert {candidate["relayProtocol"] for candidate in person.candidates()} == {protocol}
        person.page.get_by_text("Connected through the relay").wait_for()


def test_where_there_is_only_ipv6_people_are_connected_directly_and_through_the_relay(apart: Apart) -> None:
    ana, ben = apart.people((6,), (6,))
    meet(ana, ben, relayed=[ben])
    ana.page.get_by_text("Connected directly").wait_for()
    ben.page.get_by_text("Connected through the relay").wait_for()
