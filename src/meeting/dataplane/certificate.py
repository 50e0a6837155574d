"""The certificate a Port shows in DTLS: self-signed, as peers check its fingerprint alone (RFC 8827 §6.5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meeting.dataplane.values import Certificate

__all__ = ["make_certificate"]

LIFETIME = timedelta(days=365)
"""Nobody looks at it; a process that runs for longer would still be fine."""
CLOCKS_DIFFER = timedelta(days=1)


def make_certificate(now: float) -> Certificate:
    """A fresh ECDSA P-256 key with its certificate; `now` in Unix seconds. Takes about a millisecond."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meeting")])
    begin = datetime.fromtimestamp(now, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - CLOCKS_DIFFER)
        .not_valid_after(begin + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate=certificate.public_bytes(serialization.Encoding.DER),
        key=key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
