"""An authenticator in software (WebAuthn level 3): makes a passkey (ES256, attestation "none") and signs with it."""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from struct import pack
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ELIGIBLE, SYNCED, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
"""Bits of the flags (section 6.1)."""


class Authenticator:
    """A device with one passkey. What it signs can be made wrong by its attributes."""

    def __init__(self, origin: str, *, flags: int = PRESENT | VERIFIED, count: int = 1) -> None:
        self.origin = origin
        self.flags = flags
        self.count = count
        self.credential_id = secrets.token_bytes(32)
        self.user_handle = b""
        self.rp_id = ""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """`navigator.credentials.create`: the credential's toJSON()."""
        self.rp_id = options["rp"]["id"]
        self.user_handle = _bytes(options["user"]["id"])
        point = self._key.public_key().public_numbers()
        # COSE: kty EC2, alg ES256, crv P-256, x, y (RFC 9053 section 7.1.1)
        key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        attested = bytes(16) + pack(">H", len(self.credential_id)) + self.credential_id + key
        data = self._data(ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options)
        self.count += 1
        return self._credential({"clientDataJSON": _text(client), "attestationObject": _text(attestation)})

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """`navigator.credentials.get`: the credential's toJSON()."""
        data = self._data()
        client = self._client("webauthn.get", options)
        signature = self._key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        self.count += 1
        return self._credential(
            {
                "clientDataJSON": _text(client),
                "authenticatorData": _text(data),
                "signature": _text(signature),
                "userHandle": _text(self.user_handle),
            }
        )

    def _data(self, more: int = 0) -> bytes:
        """Authenticator data (section 6.1)."""
        return sha256(self.rp_id.encode()).digest() + pack(">BI", self.flags | more, self.count)

    def _client(self, type: str, options: dict[str, Any]) -> bytes:
        return json.dumps({"type": type, "challenge": options["challenge"], "origin": self.origin}).encode()

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        return {
            "id": _text(self.credential_id),
            "rawId": _text(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
