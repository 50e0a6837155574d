"""A daemon gets its certificate from a real ACME authority, as docs/operations/certificates.md says it ends."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from socket import create_connection
from time import monotonic, sleep

import pytest
from acme import client, crypto_util, errors, messages
from cryptography import x509

from meeting.daemon.certificates.authority import Authority, Wanted, _ari_identity, _Network
from meeting.daemon.certificates.keeping import Account, new_key
from tests.support.pebble import Pebble
from tests.support.processes import SECRET, Daemon, free_port

HOST = "hub.meeting.test"
WITHIN = 60.0
VALIDITY = 30


class Hub:
    """An allocateserver, the smallest of the daemons that have a certificate."""

    def __init__(self, directory: Path, pebble: Pebble, acme_port: int | None = None, **more: object) -> None:
        self.pebble = pebble
        self.port = free_port()
        self.http_port = acme_port or pebble.http_port
        self.state = directory / "state" / "certificates"
        (directory / "secret").write_text(SECRET)
        settings: dict[str, object] = {
            "domainaddress": f"{HOST}:{self.port}",
            "bind": "127.0.0.1",
            "stateDirectory": str(directory / "state"),
            "acmeDirectory": pebble.directory_url,
            "acmeCa": [str(pebble.ca_file)],
            "acmeAgree": True,
            "acmeContact": ["it@meeting.test"],
            "acmePort": self.http_port,
            **more,
        }
        self.daemon = Daemon("allocateserver", directory, settings, '[[fs]]\naddress = "fs.example.com:443"\n')

    def shown(self) -> str | None:
        """The serial number of the certificate that a client who trusts the authority is shown; None without one."""
        try:
            with (
                create_connection(("127.0.0.1", self.port), timeout=5) as tcp,
                self.pebble.trust().wrap_socket(tcp, server_hostname=HOST) as tls,
            ):
                found = tls.getpeercert()
        except (OSError, ssl.SSLError):
            return None
        assert found
        return str(found["serialNumber"])

    def wait_for_certificate(self, other_than: str | None = None) -> str:
        end = monotonic() + WITHIN
        while (found := self.shown()) in (None, other_than):
            assert self.daemon.is_running and monotonic() < end, self.daemon.tail()
            sleep(0.2)
        assert found is not None
        return found

    def http(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and Location of what is on port 80."""
        connection = HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        connection.request(method, path, headers={"Host": HOST})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.headers.get("Location", "")

    def orders(self, outcome: str) -> float:
        pattern = rf'^meeting_certificate_orders{{outcome="{outcome}"}} (\S+)$'
        found = re.search(pattern, self.daemon.page("/metrics")[1], re.MULTILINE)
        assert found
        return float(found[1])


@pytest.fixture
def pebble(tmp_path: Path) -> Iterator[Pebble]:
    """One that refuses a third of all good nonces, and whose certificates are good for half a minute."""
    with Pebble(tmp_path, validity=VALIDITY, reject_nonces=33) as pebble:
        yield pebble


def test_from_the_first_certificate_to_a_revoked_account(tmp_path: Path, pebble: Pebble) -> None:
    hub = Hub(tmp_path, pebble)
    hub.daemon.start()
    try:
        # The first one: the daemon becomes ready when it is there.
        first = hub.wait_for_certificate()
        hub.daemon.wait_until_ready()
        first_file = (hub.state / f"{HOST}.pem").read_bytes()
        assert hub.http("/m/abc?x=1") == (301, f"https://{HOST}:{hub.port}/m/abc?x=1")
        assert hub.http("/m/abc", "POST") == (403, "")
        connection = HTTPSConnection("127.0.0.1", hub.port, timeout=5, context=ssl._create_unverified_context())
        connection.request("GET", "/allocate?Kind=FS&Email=a@example.com")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Strict-Transport-Security"]) == (401, "max-age=31536000")
        answer.read()

        # The second one, in time; who was connected stays so.
        second = hub.wait_for_certificate(other_than=first)
        assert (hub.orders("worked"), hub.orders("failed")) == (2, 0)
        connection.request("GET", "/allocate?Kind=FS&Email=a@example.com")
        assert connection.getresponse().status == 401
        connection.close()

        # The authority was told what the second one replaces: nothing else can replace that now.
        assert_replaced(pebble, hub, first_file)

        # Killed and started again it has what it had, and orders nothing.
        hub.daemon.kill()
        hub.daemon.start()
        third = hub.wait_for_certificate()
        assert third == second or hub.orders("worked") == 1, "renewed meanwhile: it lives half a minute"

        # The authority no longer takes the account: there is a new one, and a certificate.
        hub.daemon.kill()
        old = Account(hub.state)
        deactivate(pebble, old)
        (hub.state / f"{HOST}.pem").unlink()
        for diary in hub.state.glob("acme-*.json"):
            diary.unlink()
        hub.daemon.start()
        hub.wait_for_certificate(other_than=third)
        assert Account(hub.state).thumbprint != old.thumbprint
        assert "BEGIN" not in hub.daemon.text, "no key in the log"
    finally:
        hub.daemon.kill()


def test_a_port_80_that_does_not_reach_the_daemon_is_said_in_words(tmp_path: Path, pebble: Pebble) -> None:
    hub = Hub(tmp_path, pebble, acme_port=free_port())
    hub.daemon.start()
    try:
        hub.daemon.wait_for("the authority did not find its challenge", WITHIN)
        assert hub.shown() is None
        status, text = hub.daemon.page("/readyz")
        condition = json.loads(text)["checks"]["certificate"]
        assert status == 503
        assert condition.startswith(f"none yet: the authority did not find its challenge at http://{HOST}/")
        assert "port 80 of hub.meeting.test has to reach this daemon's --acmePort" in condition
        assert "connection refused" in condition
        assert hub.http("/") == (503, "")
        assert (hub.orders("worked"), hub.orders("failed")) == (0, 1)
    finally:
        hub.daemon.kill()


def test_an_authority_that_wants_accounts_bound_to_its_customers(tmp_path: Path) -> None:
    kid, key = "customer-7", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    with Pebble(tmp_path, bindings={kid: key}) as pebble:
        stranger = Hub(tmp_path, pebble)
        stranger.daemon.start()
        try:
            stranger.daemon.wait_for("give --acmeEabKid and --acmeEabKeyFile", WITHIN)
        finally:
            stranger.daemon.kill()
        (tmp_path / "customer").mkdir()
        (tmp_path / "customer" / "key").write_text(f"{key}\n")
        file = str(tmp_path / "customer" / "key")
        customer = Hub(tmp_path / "customer", pebble, acmeEabKid=kid, acmeEabKeyFile=file)
        customer.daemon.start()
        try:
            customer.wait_for_certificate()
            assert key not in customer.daemon.text
        finally:
            customer.daemon.kill()


def assert_replaced(pebble: Pebble, hub: Hub, old: bytes) -> None:
    """The authority refuses an order that replaces the certificate in `old`; ours is made without the word then."""
    authority = Authority(Wanted(pebble.directory_url, HOST, ca_files=[pebble.ca_file]), Account(hub.state))
    cert = x509.load_pem_x509_certificate(old)
    talk = authority._signed_in()
    csr = crypto_util.make_csr(new_key(), domains=[HOST])
    talk.replaces = _ari_identity(cert)
    with pytest.raises(errors.ConflictError):  # 409 alreadyReplaced (RFC 9773, section 7.4)
        talk.new_order(csr)
    ours = authority._new_order(talk, csr, cert).body
    # Ready at once when the authority remembers that we proved the name (Pebble does so in 1 of 100 even at "never").
    assert ours.status in {messages.STATUS_PENDING, messages.STATUS_READY}


def deactivate(pebble: Pebble, account: Account) -> None:
    network = _Network(account.key, [pebble.ca_file])
    talk = client.ClientV2(client.ClientV2.get_directory(pebble.directory_url, network), network)
    known = talk.query_registration(messages.RegistrationResource(body=messages.Registration(), uri=""))
    talk.deactivate_registration(known)
