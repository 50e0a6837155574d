"""Certificates: self-signed ones are kept while good, files are swapped while connections stay, bad pairs refused."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from meeting.daemon.certificates.context import SwappableContext, load_context, load_pair
from meeting.daemon.certificates.files import CertificateFiles
from meeting.daemon.certificates.self_signed import Pair, self_signed
from meeting.daemon.errors import ConfigurationError
from tests.support.logs import captured_events, text_of


def served_by(creator: Any) -> x509.Certificate:
    """The certificate that a handshake in memory shows; the client is a bare OpenSSL one."""
    server = creator.serverConnectionForTLS(None)
    server.set_accept_state()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    for _ in range(10):
        for one, other in ((client, server), (server, client)):
            try:
                one.do_handshake()
            except SSL.WantReadError:
                pass
            try:
                other.bio_write(one.bio_read(65_536))
            except SSL.WantReadError:
                pass
    certificate = client.get_peer_certificate(as_cryptography=True)
    assert certificate is not None
    return certificate


def clock_of_today() -> Clock:
    """The certificates of these tests are made by the real clock."""
    clock = Clock()
    clock.advance(datetime.now(UTC).timestamp())
    return clock


def names(cert: Path) -> list[Any]:
    certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def replace(pair: Pair, new: Pair) -> None:
    new.key.replace(pair.key)
    new.cert.replace(pair.cert)


# --- self-signed


def test_a_self_signed_certificate_holds_for_names_and_addresses(tmp_path: Path) -> None:
    pair = self_signed(["m.test", "192.0.2.1", "::1"], tmp_path / "new" / "directory")
    assert [str(name.value) for name in names(pair.cert)] == ["m.test", "192.0.2.1", "::1"]
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600
    load_context(pair.cert, pair.key)


def test_it_is_kept_while_it_is_good(tmp_path: Path) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    first = self_signed(["a.test", "b.test"], tmp_path, now).cert.read_bytes()
    assert self_signed(["b.test"], tmp_path, now + timedelta(days=300)).cert.read_bytes() == first
    assert self_signed(["b.test"], tmp_path, now + timedelta(days=390)).cert.read_bytes() != first


@pytest.mark.parametrize("damage", ["other name", "no key", "garbage"])
def test_it_is_made_anew_when_it_does_not_serve(tmp_path: Path, damage: str) -> None:
    pair = self_signed(["a.test"], tmp_path)
    if damage == "no key":
        pair.key.unlink()
    if damage == "garbage":
        pair.cert.write_text("garbage")
    self_signed(["c.test" if damage == "other name" else "a.test"], tmp_path)
    load_context(pair.cert, pair.key)


# --- from files


def test_changed_files_are_served_without_a_restart(tmp_path: Path) -> None:
    clock = clock_of_today()
    pair = self_signed(["first.test"], tmp_path / "a")
    files = CertificateFiles(pair.cert, pair.key, clock)
    files.privilegedStartService()
    files.startService()
    verifyObject(IOpenSSLServerConnectionCreator, files.creator)
    before = files.creator.context
    assert served_by(files.creator).subject.rfc4514_string() == "CN=first.test"

    replace(pair, self_signed(["second.test"], tmp_path / "b"))
    clock.advance(5)
    assert served_by(files.creator).subject.rfc4514_string() == "CN=second.test"

    unchanged = files.creator.context
    clock.advance(5)
    assert files.creator.context is unchanged is not before
    files.stopService()
    assert clock.getDelayedCalls() == []


def test_a_pair_that_does_not_fit_yet_is_not_taken(tmp_path: Path) -> None:
    clock = clock_of_today()
    pair, new = self_signed(["first.test"], tmp_path / "a"), self_signed(["second.test"], tmp_path / "b")
    files = CertificateFiles(pair.cert, pair.key, clock)
    files.startService()
    new.cert.replace(pair.cert)
    with captured_events() as events:
        clock.pump([5, 5, 5])
    assert "is not the key" in text_of(events)
    assert text_of(events).count("not taken") // 2 == 1, "told once"
    assert served_by(files.creator).subject.rfc4514_string() == "CN=first.test"
    new.key.replace(pair.key)
    clock.advance(5)
    assert served_by(files.creator).subject.rfc4514_string() == "CN=second.test"
    files.stopService()


def test_a_pair_that_has_ended_is_not_taken_while_there_is_a_better_one(tmp_path: Path) -> None:
    clock = clock_of_today()
    pair = self_signed(["m.test"], tmp_path / "a")
    files = CertificateFiles(pair.cert, pair.key, clock)
    files.startService()
    good_until = files.until
    replace(pair, self_signed(["m.test"], tmp_path / "b", datetime(2020, 1, 1, tzinfo=UTC)))
    with captured_events() as events:
        clock.advance(5)
    assert "is valid from 2019-12-31 23:00 to 2021-02-01 00:00 UTC, not now" in text_of(events)
    assert (files.until, "not now" in files.trouble) == (good_until, True)
    replace(pair, self_signed(["m.test"], tmp_path / "c"))
    clock.advance(5)
    assert files.trouble == ""
    files.stopService()


def test_at_the_start_one_that_has_ended_is_told_of_and_the_daemon_is_not_ready(tmp_path: Path) -> None:
    clock = clock_of_today()
    pair = self_signed(["m.test"], tmp_path, datetime(2020, 1, 1, tzinfo=UTC))
    files = CertificateFiles(pair.cert, pair.key, clock, host="other.test")
    with captured_events() as events:
        files.startService()
    assert "nobody will trust it" in text_of(events)
    assert "is not for other.test" in text_of(events)
    assert (files.serves(clock.seconds()), files.condition(clock.seconds())) == (False, "ended 2021-02-01")
    files.stopService()


def test_a_chain_has_to_be_one(tmp_path: Path) -> None:
    authority = trustme.CA().create_child_ca()
    leaf = authority.issue_cert("m.test", "*.wild.test", "192.0.2.1")
    key = leaf.private_key_pem.bytes()
    chain = [each.bytes() for each in leaf.cert_chain_pems]
    assert len(load_pair(b"".join(chain), key).chain) == 1
    stranger = trustme.CA().cert_pem.bytes()
    with pytest.raises(ConfigurationError, match="no chain"):
        load_pair(chain[0] + stranger, key)
    for host in ("m.test", "M.test.", "a.wild.test", "192.0.2.1"):
        load_pair(b"".join(chain), key, host=host)
    for host in ("n.test", "a.b.wild.test", "wild.test", "192.0.2.2"):
        with pytest.raises(ConfigurationError, match=f"is not for {host}"):
            load_pair(b"".join(chain), key, host=host)


def test_the_key_and_the_chain_may_stand_in_one_file(tmp_path: Path) -> None:
    pair = self_signed(["m.test"], tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes())
    load_context(both, both)


def test_before_there_is_a_certificate_a_handshake_is_refused_and_nothing_is_logged() -> None:
    server = SwappableContext().serverConnectionForTLS(None)
    server.set_accept_state()
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    client.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    server.bio_write(client.bio_read(65_536))
    with pytest.raises(SSL.Error, match=r"no suitable signature algorithm|no shared cipher"):
        server.do_handshake()


def test_files_that_vanish_do_no_harm(tmp_path: Path) -> None:
    clock = clock_of_today()
    pair = self_signed(["first.test"], tmp_path)
    files = CertificateFiles(pair.cert, pair.key, clock)
    files.startService()
    pair.cert.unlink()
    clock.advance(5)
    assert served_by(files.creator)
    files.stopService()


def test_a_bad_pair_stops_the_start_with_words(tmp_path: Path) -> None:
    pair, other = self_signed(["a.test"], tmp_path / "a"), self_signed(["b.test"], tmp_path / "b")
    bad = tmp_path / "bad.pem"
    for content in (
        b"",
        b"garbage",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        os.urandom(100),
    ):
        bad.write_bytes(content)
        with pytest.raises(ConfigurationError, match="no certificate"):
            load_context(bad, pair.key)
        with pytest.raises(ConfigurationError, match="no private key"):
            load_context(pair.cert, bad)
    with pytest.raises(ConfigurationError, match="is not the key"):
        load_context(pair.cert, other.key)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        CertificateFiles(tmp_path / "none.pem", pair.key, Clock()).privilegedStartService()


def test_old_tls_is_refused(tmp_path: Path) -> None:
    pair = self_signed(["a.test"], tmp_path)
    server = SSL.Connection(load_context(pair.cert, pair.key), None)
    server.set_accept_state()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    client = SSL.Connection(context, None)
    client.set_connect_state()
    with pytest.raises(SSL.Error):
        for _ in range(3):
            try:
                client.do_handshake()
            except SSL.WantReadError:
                pass
            server.bio_write(client.bio_read(65_536))
            server.do_handshake()
