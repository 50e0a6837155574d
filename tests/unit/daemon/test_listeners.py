"""Which ports a daemon opens, and that they serve what they should."""

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import Site

from meeting.daemon.certificates.choice import certificate_for
from meeting.daemon.certificates.self_signed import self_signed
from meeting.daemon.errors import ConfigurationError
from meeting.daemon.listeners import listeners
from meeting.daemon.options import DOMAIN_ADDRESS, WEB, DaemonOptions


class Options(DaemonOptions):
    flags = (DOMAIN_ADDRESS, *WEB)
    environment = {}


def open_ports(tmp_path: Path, *arguments: str, status: bool = True) -> list[tuple[int, str, type]]:
    """Port, interface and kind of factory of what was opened; closes it again."""
    options = Options()
    options.parseOptions(["--domainaddress", "m.test:8443", "--stateDirectory", str(tmp_path), *arguments])
    reactor: Any = MemoryReactorClock()
    service = listeners(options, Resource(), reactor, Resource() if status else None, certificate_for(options, reactor))
    assert not reactor.tcpServers, "nothing is opened while a daemon is put together"
    assert list(tmp_path.iterdir()) == [] or "--cert" in arguments
    service.privilegedStartService()
    service.startService()
    found = [(port, interface, type(factory)) for port, factory, _, interface in reactor.tcpServers]
    service.stopService()
    assert reactor.getDelayedCalls() == []
    return found


def is_tls(kind: type) -> bool:
    return issubclass(kind, TLSMemoryBIOFactory)


def test_without_more_the_domain_port_is_tls_with_a_self_signed_certificate(tmp_path: Path) -> None:
    ((port, interface, kind),) = open_ports(tmp_path)
    assert (port, interface, is_tls(kind)) == (8443, "", True)
    assert (tmp_path / "certificates" / "self-signed.pem").exists()


def test_behind_a_proxy_only_the_plain_port_is_open(tmp_path: Path) -> None:
    ((port, interface, kind),) = open_ports(tmp_path, "--plainHttp", "127.0.0.1:8080")
    assert (port, interface, issubclass(kind, Site)) == (8080, "127.0.0.1", True)
    assert not (tmp_path / "certificates").exists()


def test_a_certificate_and_a_plain_port_give_both_and_the_status_port_is_a_third(tmp_path: Path) -> None:
    pair = self_signed(["m.test"], tmp_path)
    arguments = ["--cert", str(pair.cert), "--certkey", str(pair.key), "--bind", "192.0.2.1"]
    found = open_ports(tmp_path, *arguments, "--plainHttp", "127.0.0.1:8080", "--status", "127.0.0.1:9090")
    assert [(port, interface) for port, interface, _ in found] == [
        (8443, "192.0.2.1"),
        (8080, "127.0.0.1"),
        (9090, "127.0.0.1"),
    ]


def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("garbage")
    with pytest.raises(ConfigurationError, match="no certificate"):
        open_ports(tmp_path, "--cert", str(tmp_path / "bad.pem"), "--certkey", str(tmp_path / "bad.pem"))
