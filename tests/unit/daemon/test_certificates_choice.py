"""Which certificate a daemon has, what has to be written for it, and what port 80 does."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.usage import UsageError
from twisted.web.resource import Resource

from meeting.daemon.certificates.automatic import AutomaticCertificate
from meeting.daemon.certificates.choice import SelfSigned, certificate_for
from meeting.daemon.certificates.files import CertificateFiles
from meeting.daemon.certificates.names import is_public
from meeting.daemon.certificates.port80 import Port80
from meeting.daemon.errors import ConfigurationError
from meeting.daemon.listeners import PORT80_LIMITS, listeners
from meeting.daemon.options import DOMAIN_ADDRESS, WEB, DaemonOptions
from meeting.daemon.site import site


class Options(DaemonOptions):
    flags = (DOMAIN_ADDRESS, *WEB)
    environment = {}


def parse(tmp_path: Path, *arguments: str) -> Options:
    options = Options()
    options.parseOptions(["--stateDirectory", str(tmp_path), *arguments])
    return options


PUBLIC = ["--domainaddress", "meeting.enterprise.com:443"]
OWN = ["--domainaddress", "m.test:443"]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (OWN, SelfSigned),
        ([*PUBLIC, "--acmeAgree"], AutomaticCertificate),
        ([*PUBLIC, "--acmeDirectory", "none"], SelfSigned),
        ([*PUBLIC, "--plainHttp", "127.0.0.1:80"], type(None)),
        ([*PUBLIC, "--cert", "/c", "--certkey", "/k"], CertificateFiles),
        ([*PUBLIC, "--cert", "/c", "--certkey", "/k", "--plainHttp", "127.0.0.1:80"], CertificateFiles),
        ([*OWN, "--acmeDirectory", "https://ca.test/dir", "--acmeAgree"], AutomaticCertificate),
    ],
)
def test_the_options_choose(tmp_path: Path, arguments: list[str], kind: type) -> None:
    assert type(certificate_for(parse(tmp_path, *arguments), MemoryReactorClock())) is kind
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (PUBLIC, "write --acmeAgree if you agree"),
        ([*OWN, "--acmeDirectory", "https://ca.test/dir"], "comes from https://ca.test/dir: write --acmeAgree"),
        ([*OWN, "--acmeDirectory", "http://ca.test/dir"], "URL of an ACME directory, https://"),
        ([*OWN, "--acmeDirectory", "off"], "write none or|write a URL"),
        ([*OWN, "--acmeContact", "nobody"], "write an e-mail address"),
        ([*OWN, "--acmeEabKid", "7"], "--acmeEabKid and --acmeEabKey .* belong together"),
        ([*OWN, "--acmeEabKid", "7", "--acmeEabKey", "a b"], "write the key as the authority gave it"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(tmp_path, *arguments)


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("meeting.enterprise.com", True),
        ("MEETING.Enterprise.COM.", True),
        ("xn--bcher-kva.ch", True),
        ("meeting", False),
        ("localhost", False),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
        ("hub.corp", False),
        ("hub.internal", False),
        ("meeting.example.com", False),
        ("notexample.com", True),
        ("a..com", False),
    ],
)
def test_which_names_are_public(host: str, public: bool) -> None:
    assert is_public(host) is public


@given(st.text(max_size=40))
def test_any_text_is_public_or_not(host: str) -> None:
    assert is_public(host) in (True, False)


# --- port 80


def answer_to(request: bytes, ready: bool = True, thumbprint: Any = lambda: "thumb-print") -> tuple[bytes, bytes]:
    """Headers and body."""
    clock = MemoryReactorClock()
    factory = site(Port80("https://m.test", thumbprint, lambda: ready), clock, limits=PORT80_LIMITS)
    protocol = factory.buildProtocol(None)
    transport: Any = StringTransport()
    transport.abortConnection = transport.loseConnection
    assert protocol is not None
    protocol.makeConnection(transport)
    protocol.dataReceived(request)
    headers, _, body = transport.value().partition(b"\r\n\r\n")
    for call in clock.getDelayedCalls():
        call.cancel()
    return headers, body


def get(path: bytes, method: bytes = b"GET", **keywords: Any) -> tuple[bytes, bytes]:
    return answer_to(method + b" " + path + b" HTTP/1.1\r\nHost: evil.test\r\n\r\n", **keywords)


def test_any_challenge_is_answered_with_the_accounts_thumbprint() -> None:
    token = b"evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
    headers, body = get(b"/.well-known/acme-challenge/" + token, ready=False)
    assert headers.startswith(b"HTTP/1.1 200")
    assert body == token + b".thumb-print"


@pytest.mark.parametrize("token", [b"", b"short", b"<script>alert(1)</script>", b"a" * 300, b"../../etc/passwd-of-all"])
def test_what_is_no_token_is_not_echoed(token: bytes) -> None:
    headers, body = get(b"/.well-known/acme-challenge/" + token)
    assert headers.startswith(b"HTTP/1.1 404")
    assert not token or token not in body


def test_without_an_account_no_challenge_is_answered() -> None:
    headers, _ = get(b"/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZf17", thumbprint=None)
    assert headers.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_all_else_goes_to_https_under_our_own_name(method: bytes) -> None:
    headers, body = get(b"/m/abc?x=1", method)
    assert headers.startswith(b"HTTP/1.1 301")
    assert b"Location: https://m.test/m/abc?x=1\r\n" in headers + b"\r\n"
    assert (body, b"Strict-Transport-Security" in headers) == (b"", False)


@pytest.mark.parametrize("path", [b"//evil.test/", b"http://evil.test/"])
def test_it_sends_nobody_elsewhere(path: bytes) -> None:
    headers, _ = get(path)
    assert b"Location: https://m.test/" in headers


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS"])
def test_what_would_change_something_is_refused(method: bytes) -> None:
    headers, body = get(b"/api/v1/meetings", method)
    assert headers.startswith(b"HTTP/1.1 403")
    assert b"https only" in body


def test_a_body_is_not_even_read() -> None:
    headers, _ = answer_to(b"POST / HTTP/1.1\r\nHost: m.test\r\nContent-Length: 100\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 413")


def test_nobody_is_sent_to_a_port_that_has_no_certificate_yet() -> None:
    headers, body = get(b"/", ready=False)
    assert headers.startswith(b"HTTP/1.1 503")
    assert b"no certificate yet" in body


@given(st.binary(max_size=200))
def test_whatever_comes_there_nothing_breaks(data: bytes) -> None:
    answer_to(data)


def opened(tmp_path: Path, *arguments: str) -> list[int]:
    options = parse(tmp_path, *arguments)
    reactor: Any = MemoryReactorClock()
    service = listeners(options, Resource(), reactor, None, certificate_for(options, reactor))
    service.privilegedStartService()
    return [port for port, *_ in reactor.tcpServers]


def test_port_80_is_opened_for_acme_and_where_it_is_asked_for(tmp_path: Path) -> None:
    assert opened(tmp_path, *OWN) == [443]
    assert opened(tmp_path, *OWN, "--acmePort", "80") == [80, 443]
    assert opened(tmp_path, *PUBLIC, "--acmeAgree") == [80, 443]
    assert opened(tmp_path, *PUBLIC, "--acmeAgree", "--acmePort", "8080") == [8080, 443]


def test_a_port_80_that_is_taken_stops_the_start_with_the_ways_out(tmp_path: Path) -> None:
    options = parse(tmp_path, *PUBLIC, "--acmeAgree")
    reactor: Any = MemoryReactorClock()

    def taken(port: int, *_: Any) -> None:
        raise CannotListenError("", port, OSError(98, "Address already in use"))

    reactor.listenTCP = taken
    with pytest.raises(ConfigurationError, match=r"give --acmePort another port and have /.well-known/acme-challenge/"):
        listeners(options, Resource(), reactor, None, certificate_for(options, reactor)).privilegedStartService()
