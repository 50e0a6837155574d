"""Certificates from a certificate authority of the test's own, as files that daemons take."""

from __future__ import annotations

import base64
import hashlib
import ssl
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def write_pair(authority: trustme.CA, directory: Path, name: str) -> trustme.LeafCert:
    """`server.pem` and `server.key` in `directory`, for `name`; what is there is replaced, the certificate last."""
    pair = authority.issue_cert(name)
    chain = b"".join(blob.bytes() for blob in pair.cert_chain_pems)
    for file, content in (("server.key", pair.private_key_pem.bytes()), ("server.pem", chain)):
        new = directory / f"{file}.new"
        new.write_bytes(content)
        new.replace(directory / file)
    return pair


def write_certificates(directory: Path, name: str) -> ssl.SSLContext:
    """`ca.pem`, `server.pem` and `server.key` in `directory`; the context of another server with the same pair."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    write_pair(authority, directory, name).configure_cert(context)
    return context


def public_key_hash(certificate: Path) -> str:
    """SHA-256 of a PEM certificate's public key, in base64, as browsers write it (RFC 7469 §2.4)."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()
