"""A TLS context that can be swapped while the port is open: the next handshake has the new certificate."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from meeting.daemon.certificates.names import is_address
from meeting.daemon.errors import ConfigurationError


@dataclass(frozen=True)
class Pair:
    """A certificate that fits its key, and the context made of them."""

    context: SSL.Context
    certificate: x509.Certificate
    chain: Sequence[x509.Certificate] = ()
    key: bytes = field(default=b"", repr=False)
    """PEM, for TLS that is not OpenSSL's."""

    @property
    def pem(self) -> bytes:
        """The certificate with its chain."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.chain))


@implementer(IOpenSSLServerConnectionCreator)
class SwappableContext:
    """What `TLSMemoryBIOFactory` asks for each connection; connections that are open keep what they began with.

    Before there is a certificate a handshake is refused as TLS does it (an alert): a certificate that nobody vouches
    for would teach people to click warnings away.
    """

    def __init__(self) -> None:
        self.context = _bare_context()

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """A connection with the certificate of this moment."""
        return SSL.Connection(self.context, None)


def load_context(cert: Path, key: Path) -> SSL.Context:
    """A whole context from PEM files. Raises ConfigurationError, in words for people."""
    return load_files(cert, key).context


def load_files(cert: Path, key: Path, now: datetime | None = None) -> Pair:
    """The same with its certificate; at `now` it has to be valid."""
    return load_pair(_content("--cert", cert), _content("--certkey", key), cert, key, now=now)


def load_pair(
    chain: bytes,
    key: bytes,
    cert_file: Path | str = "",
    key_file: Path | str = "",
    *,
    host: str | None = None,
    now: datetime | None = None,
) -> Pair:
    """A certificate with its chain and its key, PEM, as one whole: TLS 1.2 and 1.3, HTTP/1.1.

    :param host: if given, the name or address that the certificate has to hold for.
    :param now: if given, the moment at which it has to be valid.
    :raise ConfigurationError: they do not fit, or the chain is not one.
    """
    cert_place, key_place = f"--cert {cert_file}".rstrip(), f"--certkey {key_file}".rstrip()
    try:
        own, *others = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise ConfigurationError(f"{cert_place}: holds no certificate in PEM") from None
    try:
        private_key = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        raise ConfigurationError(f"{key_place}: holds no private key in PEM without a passphrase") from None
    context = _bare_context()
    try:
        context.use_certificate(own)
        for each in others:
            context.add_extra_chain_cert(each)
        context.use_privatekey(private_key)  # type: ignore[arg-type]
        context.check_privatekey()
    except (SSL.Error, TypeError):
        raise ConfigurationError(f"{key_place} is not the key of the certificate in {cert_place}") from None
    _check_chain(cert_place, [own, *others])
    if now is not None and not own.not_valid_before_utc <= now < own.not_valid_after_utc:
        times = f"{own.not_valid_before_utc:%Y-%m-%d %H:%M} to {own.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        raise ConfigurationError(f"{cert_place}: is valid from {times}, not now")
    if host is not None and not holds_for(own, host):
        raise ConfigurationError(f"{cert_place}: is not for {host}")
    return Pair(context, own, others, key)


def holds_for(certificate: x509.Certificate, host: str) -> bool:
    """Whether the certificate names `host` (RFC 9525): an address itself, a name also by `*.` in its first label."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    if is_address(host):
        return ip_address(host) in names.get_values_for_type(x509.IPAddress)
    wanted = host.lower().rstrip(".")
    held = {name.lower().rstrip(".") for name in names.get_values_for_type(x509.DNSName)}
    return wanted in held or f"*.{wanted.partition('.')[2]}" in held


def _check_chain(place: str, chain: Sequence[x509.Certificate]) -> None:
    """Each is followed by the one that signed it: some clients do not put them in order."""
    for each, issuer in pairwise(chain):
        try:
            each.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise ConfigurationError(
                f"{place}: the certificates in it are no chain: {each.subject.rfc4514_string() or 'the first one'} "
                "is not followed by its issuer's"
            ) from None


def _bare_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # Thousands of WebSockets lie still most of the time: idle ones keep no buffers.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_alpn_select_callback(_select_http)
    return context


def _select_http(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """HTTP/1.1 (RFC 7301); a client that offers other protocols only is served without ALPN."""
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _content(flag: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{flag} {file}: cannot be read: {error.strerror}") from None
