"""MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT (RFC 8489 §14.5 to §14.7), and long-term keys (§9.2.2)."""

import hmac
from binascii import crc32
from hashlib import md5
from typing import Literal

Hash = Literal["sha1", "sha256"]

TAG_LENGTH: dict[Hash, int] = {"sha1": 20, "sha256": 32}


def long_term_key(username: str, realm: str, password: str) -> bytes:
    """The key of a long-term credential. MD5 is the protocol's choice; the password has more strength than it needs."""
    return md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()


def integrity_tag(head: bytes, key: bytes, hash: Hash, length: int | None = None) -> bytes:
    """The HMAC over `head`, the message before the attribute, as if it ended with an attribute of `length` bytes."""
    end = len(head) + 4 + (TAG_LENGTH[hash] if length is None else length)
    return hmac.digest(key, _with_end(head, end), hash)[:length]


def fingerprint(head: bytes) -> bytes:
    """The value of FINGERPRINT behind `head`."""
    return (crc32(_with_end(head, len(head) + 8)) ^ 0x5354554E).to_bytes(4)


def _with_end(head: bytes, end: int) -> bytes:
    return head[:2] + (end - 20).to_bytes(2) + head[4:]
