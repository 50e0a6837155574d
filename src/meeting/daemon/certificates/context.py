"""A TLS context that can be swapped while the port is open: the next handshake has the new certificate."""

from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from meeting.daemon.errors import ConfigurationError


@implementer(IOpenSSLServerConnectionCreator)
class SwappableContext:
    """What `TLSMemoryBIOFactory` asks for each connection; connections that are open keep what they began with."""

    def __init__(self) -> None:
        self.context: SSL.Context | None = None

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """A connection with the certificate of this moment."""
        if self.context is None:
            raise RuntimeError("a connection came before the certificate was loaded")
        return SSL.Connection(self.context, None)


def load_context(cert: Path, key: Path) -> SSL.Context:
    """A whole context from PEM files: TLS 1.2 and 1.3, HTTP/1.1. Raises ConfigurationError, in words for people."""
    chain_text, key_text = _content("--cert", cert), _content("--certkey", key)
    try:
        own, *others = x509.load_pem_x509_certificates(chain_text)
    except ValueError:
        raise ConfigurationError(f"--cert {cert}: holds no certificate in PEM") from None
    try:
        private_key = load_pem_private_key(key_text, password=None)
    except (ValueError, TypeError):
        raise ConfigurationError(f"--certkey {key}: holds no private key in PEM without a passphrase") from None
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # Thousands of WebSockets lie still most of the time: idle ones keep no buffers.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_alpn_select_callback(_select_http)
    try:
        context.use_certificate(own)
        for each in others:
            context.add_extra_chain_cert(each)
        context.use_privatekey(private_key)  # type: ignore[arg-type]
        context.check_privatekey()
    except (SSL.Error, TypeError):
        raise ConfigurationError(f"--certkey {key} is not the key of the certificate in --cert {cert}") from None
    return context


def _select_http(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """HTTP/1.1 (RFC 7301); a client that offers other protocols only is served without ALPN."""
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _content(flag: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{flag} {file}: cannot be read: {error.strerror}") from None
