"""Webhooks lead nowhere inside: what a name means is looked at, and the connection goes to what was looked at."""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IReactorPluggableNameResolver
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from meeting.apiserver.hooks.reach import guarded_agent
from meeting.apiserver.hooks.rules import Network

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

#: Every way to say this machine, its neighbours, or where clouds keep their keys.
INSIDE = (
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.0.0.7",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:0:10.0.0.7",
    "64:ff9b::169.254.169.254",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:56ff:fefe",
    "2606:2800::5efe:10.0.0.7",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
)


@implementer(IHostResolution)
class Resolution:
    """One question of a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """There is nothing to stop."""


@implementer(IHostnameResolver)
class Names:
    """What names mean: each time they are asked for the next of their meanings. Keeps a diary."""

    def __init__(self, meanings: dict[str, list[list[str]]]) -> None:
        self._meanings = meanings
        self.asked: list[str] = []

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        self.asked.append(hostName)
        resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for address in self._meanings.get(hostName, [[hostName]]).pop(0):
            kind = IPv6Address if ":" in address else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IReactorPluggableNameResolver)
class Outside(MemoryReactorClock):
    """A reactor that connects to nothing, with names of its own."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self.nameResolver = self.names = names

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        raise NotImplementedError

    @property
    def connected(self) -> list[str]:
        """To which addresses it was asked to connect."""
        return [host for host, *_ in self.tcpClients]


def ask(url: str, *meanings: Sequence[str], networks: Sequence[str] = (), times: int = 1) -> tuple[Outside, list[Any]]:
    """Post to a URL whose host means these addresses, one after the other; the reactor and the results."""
    outside = Outside(Names({"hooks.example.com": [list(each) for each in meanings]}))
    ours: list[Network] = [ip_network(each) for each in networks]
    agent: IAgent = guarded_agent(outside, [], ours)
    results: list[Any] = []
    for _ in range(times):
        answered: Deferred[IResponse] = agent.request(b"POST", url.encode())
        answered.addBoth(results.append)
        outside.advance(1)  # the next address of a name is tried after a moment
    return outside, results


URL = "https://hooks.example.com/in"


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6])
def test_a_public_address_is_connected_to(address: str) -> None:
    outside, results = ask(URL, [address])
    assert outside.connected == [address]
    assert results == [], "it is under way"


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_means_something_inside_leads_nowhere(address: str) -> None:
    outside, results = ask(URL, [address])
    assert outside.connected == []
    (refused,) = results
    assert isinstance(refused, Failure) and refused.check(DNSLookupError)


@pytest.mark.parametrize("address", [each for each in INSIDE if "%" not in each])
def test_an_address_inside_in_the_url_leads_nowhere(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    outside, results = ask(f"https://{host}/in")
    assert outside.connected == []
    assert isinstance(results[0], Failure)


def test_of_several_addresses_only_the_public_ones_are_tried() -> None:
    outside, _ = ask(URL, ["127.0.0.1", PUBLIC, "::1", PUBLIC_6, "169.254.169.254"])
    assert sorted(outside.connected) == sorted([PUBLIC, PUBLIC_6])


def test_a_name_is_asked_once_and_the_connection_goes_to_what_was_looked_at() -> None:
    """DNS rebinding: the second answer would be this machine."""
    outside, _ = ask(URL, [PUBLIC], ["127.0.0.1"])
    assert outside.names.asked == ["hooks.example.com"]
    assert outside.connected == [PUBLIC]


def test_the_next_delivery_looks_again() -> None:
    outside, results = ask(URL, [PUBLIC], ["127.0.0.1"], times=2)
    assert outside.connected == [PUBLIC]
    (refused,) = results
    assert isinstance(refused, Failure) and refused.check(DNSLookupError)


@pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7"])
def test_a_network_that_the_operator_named_is_reached_and_no_other_one(address: str) -> None:
    assert ask(URL, [address], networks=["10.0.0.0/24"])[0].connected == [address]
    assert ask(URL, [address], networks=["10.0.1.0/24"])[0].connected == []
    assert ask(URL, ["127.0.0.1"], networks=["10.0.0.0/24"])[0].connected == []


def test_a_redirect_is_told_and_not_followed() -> None:
    outside, results = ask("http://hooks.example.com/in", [PUBLIC])
    _, _, factory, *_ = outside.tcpClients[0]
    protocol = factory.buildProtocol(None)
    assert protocol is not None
    protocol.makeConnection(StringTransport())
    protocol.dataReceived(b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")
    assert results[0].code == 307
    outside.advance(5)
    assert outside.connected == [PUBLIC]
