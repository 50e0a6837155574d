"""A certificate that is renewed while a daemon runs: whoever renews it writes the files, and that is all."""

import ssl
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPSConnection
from pathlib import Path
from time import monotonic, sleep

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import write_pair
from tests.support.processes import Daemon, free_port

WITHIN = 30.0
"""The files are looked at every 5 s."""


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    write_pair(authority, tmp_path, "localhost")
    return authority


@pytest.fixture
def connection(tmp_path: Path, authority: trustme.CA) -> Iterator[HTTPSConnection]:
    """A connection to a daemon with the first certificate, from a client that trusts its authority."""
    port = free_port()
    files = {"cert": str(tmp_path / "server.pem"), "certkey": str(tmp_path / "server.key")}
    settings = {"domainaddress": f"localhost:{port}", "bind": "127.0.0.1", "stateDirectory": str(tmp_path), **files}
    (tmp_path / "secret").write_text("correct horse battery staple")
    daemon = Daemon("allocateserver", tmp_path, settings, '[[fs]]\naddress = "fs.example.com:443"\n')
    daemon.start()
    try:
        daemon.wait_until_ready()
        yield connect(authority, port)
    finally:
        daemon.kill()


def connect(authority: trustme.CA, port: int) -> HTTPSConnection:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    connection = HTTPSConnection("localhost", port, timeout=10, context=context)
    connection.connect()
    return connection


def answers(connection: HTTPSConnection) -> bool:
    """Whether there is an answer (a refusal: the question is not signed)."""
    connection.request("GET", "/allocate?Kind=FS&Email=a@example.com")
    answer = connection.getresponse()
    answer.read()
    return answer.status == 401


def shown(connection: HTTPSConnection) -> bytes:
    """The fingerprint of the certificate that the daemon showed to this connection."""
    assert isinstance(connection.sock, ssl.SSLSocket)
    certificate = connection.sock.getpeercert(binary_form=True)
    assert certificate
    return sha256(certificate).digest()


def written(pair: trustme.LeafCert) -> bytes:
    certificate = x509.load_pem_x509_certificate(pair.cert_chain_pems[0].bytes())
    return sha256(certificate.public_bytes(Encoding.DER)).digest()


def test_a_new_certificate_is_shown_to_newcomers_and_open_connections_go_on(
    tmp_path: Path, authority: trustme.CA, connection: HTTPSConnection
) -> None:
    assert connection.port is not None
    assert answers(connection)
    first = shown(connection)

    # What cannot be used is not taken, and nobody is turned away meanwhile.
    (tmp_path / "server.pem").write_text("half a certificate")
    log = tmp_path / "allocateserver.log"
    end = monotonic() + WITHIN
    while "is not taken" not in log.read_text():
        assert monotonic() < end, log.read_text()
        sleep(0.1)
    newcomer = connect(authority, connection.port)
    assert (answers(newcomer), shown(newcomer)) == (True, first)

    renewed = written(write_pair(authority, tmp_path, "localhost"))
    assert renewed != first
    end = monotonic() + WITHIN
    while shown(newcomer) != renewed:
        assert monotonic() < end, log.read_text()
        newcomer.close()
        sleep(0.1)
        newcomer = connect(authority, connection.port)
    assert answers(newcomer)
    newcomer.close()

    assert answers(connection), "a connection that was open was cut"
    assert shown(connection) == first
    connection.close()
