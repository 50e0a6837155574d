"""MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT (RFC 8489 §14.5 ff.), long-term keys (§9.2.2, §18.5)."""

import hmac
from binascii import crc32
from enum import IntEnum
from hashlib import md5, sha256
from typing import Literal

Hash = Literal["sha1", "sha256"]

TAG_LENGTH: dict[Hash, int] = {"sha1": 20, "sha256": 32}


class PasswordAlgorithm(IntEnum):
    """How a password becomes a key (RFC 8489 §18.5). The value is its number; neither has parameters."""

    MD5 = 1
    SHA256 = 2

    @property
    def entry(self) -> bytes:
        """As PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS write it."""
        return self.to_bytes(2) + bytes(2)


def long_term_key(
    username: str, realm: str, password: str, algorithm: PasswordAlgorithm = PasswordAlgorithm.MD5
) -> bytes:
    """The key of a long-term credential. MD5 is the protocol's choice; the password has more strength than it needs."""
    text = f"{username}:{realm}:{password}".encode()
    return sha256(text).digest() if algorithm is PasswordAlgorithm.SHA256 else md5(text, usedforsecurity=False).digest()


def user_hash(username: str, realm: str) -> bytes:
    """USERHASH (RFC 8489 §14.4)."""
    return sha256(f"{username}:{realm}".encode()).digest()


def integrity_tag(head: bytes, key: bytes, hash: Hash, length: int | None = None) -> bytes:
    """The HMAC over `head`, the message before the attribute, as if it ended with an attribute of `length` bytes."""
    end = len(head) + 4 + (TAG_LENGTH[hash] if length is None else length)
    return hmac.digest(key, _with_end(head, end), hash)[:length]


def fingerprint(head: bytes) -> bytes:
    """The value of FINGERPRINT behind `head`."""
    return (crc32(_with_end(head, len(head) + 8)) ^ 0x5354554E).to_bytes(4)


def _with_end(head: bytes, end: int) -> bytes:
    return head[:2] + (end - 20).to_bytes(2) + head[4:]
