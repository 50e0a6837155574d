"""A STUN message: from bytes, to bytes."""

import hmac
from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from meeting.stun.addresses import MAGIC_COOKIE, Address, decode_xor_address
from meeting.stun.integrity import TAG_LENGTH, Hash, fingerprint, integrity_tag
from meeting.stun.numbers import AttributeType, Class

HEADER_LENGTH = 20

_HEADER = Struct("!HHI12s")
_ATTRIBUTE = Struct("!HH")
_CLASS_BITS = 0x110
_INTEGRITY: dict[int, Hash] = {
    AttributeType.MESSAGE_INTEGRITY: "sha1",
    AttributeType.MESSAGE_INTEGRITY_SHA256: "sha256",
}
_ATTRIBUTE_OF: dict[Hash, int] = {name: attribute for attribute, name in _INTEGRITY.items()}
#: What may stand behind the attributes that integrity protects, and how long it may be (RFC 8489 §14.5 to 14.7).
_TRAILERS: dict[int, Container[int]] = {
    AttributeType.MESSAGE_INTEGRITY: (TAG_LENGTH["sha1"],),
    AttributeType.MESSAGE_INTEGRITY_SHA256: range(16, TAG_LENGTH["sha256"] + 1, 4),
    AttributeType.FINGERPRINT: (4,),
}


class Malformed(ValueError):
    """These bytes are no STUN message."""


@dataclass(frozen=True, slots=True)
class Message:
    """`attributes` are those before the integrity and fingerprint, as (type, value): what comes behind them is not
    protected and is not shown (RFC 8489 §14.5). `method` is a `Method`, or the number of another protocol's.
    """

    message_class: Class
    method: int
    transaction: bytes
    attributes: Sequence[tuple[int, bytes]] = ()
    _received: bytes = field(default=b"", repr=False, compare=False)
    _trailers: Sequence[tuple[int, int, int]] = field(default=(), repr=False, compare=False)
    """Of a received message, its integrity and fingerprint attributes: type, position, length of the value."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises Malformed."""
        if len(data) < HEADER_LENGTH:
            raise Malformed("shorter than a header")
        kind, length, cookie, transaction = _HEADER.unpack_from(data)
        if data[0] > 3 or cookie != MAGIC_COOKIE:
            raise Malformed("not STUN (RFC 7983, RFC 8489)")
        if length % 4 or length + HEADER_LENGTH != len(data):
            raise Malformed("the length does not match the header")
        attributes: list[tuple[int, bytes]] = []
        trailers: list[tuple[int, int, int]] = []
        for position, attribute, size in _walk(data):
            if _is_trailer(attribute, size):
                trailers.append((attribute, position, size))
            elif not trailers:
                attributes.append((attribute, data[position + 4 : position + 4 + size]))
            elif trailers[-1][0] == AttributeType.FINGERPRINT:
                raise Malformed("something follows FINGERPRINT")
        if any(attribute == AttributeType.FINGERPRINT for attribute, _, _ in trailers[:-1]):
            raise Malformed("something follows FINGERPRINT")
        method = (kind & 0x0F) | (kind & 0xE0) >> 1
        return cls(Class(kind & _CLASS_BITS), method, transaction, tuple(attributes), data, tuple(trailers))

    def build(self, key: bytes | None = None, *, hash: Hash = "sha1", with_fingerprint: bool = False) -> bytes:
        """The bytes, with integrity under `key` if there is one."""
        kind = (self.method & 0x0F) | (self.method & 0x70) << 1 | self.message_class.value
        body = b"".join(_attribute(*attribute) for attribute in self.attributes)
        data = _HEADER.pack(kind, len(body), MAGIC_COOKIE, self.transaction) + body
        if key is not None:
            data += _attribute(_ATTRIBUTE_OF[hash], integrity_tag(data, key, hash))
        if with_fingerprint:
            data += _attribute(AttributeType.FINGERPRINT, fingerprint(data))
        return data[:2] + (len(data) - HEADER_LENGTH).to_bytes(2) + data[4:]

    def get(self, attribute: int) -> bytes | None:
        """The value of the first attribute of a type (RFC 8489 §14)."""
        for each, value in self.attributes:
            if each == attribute:
                return value
        return None

    def text(self, attribute: int) -> str | None:
        """The same as text; None also when it is not UTF-8."""
        value = self.get(attribute)
        try:
            return None if value is None else value.decode()
        except UnicodeDecodeError:
            return None

    def addresses(self, attribute: int) -> list[Address]:
        """The addresses in all XOR-…-ADDRESS attributes of a type. Raises ValueError if one is none."""
        values = (value for each, value in self.attributes if each == attribute)
        return [decode_xor_address(value, self.transaction) for value in values]

    def unknown(self, known: Collection[int]) -> list[int]:
        """The types that must be understood and are not among `known`."""
        return [each for each, _ in self.attributes if each < 0x8000 and each not in known]

    def has_integrity(self, hash: Hash = "sha1") -> bool:
        """Whether a received message carries integrity of this kind, right or wrong."""
        return self._integrity(hash) is not None

    def is_genuine(self, key: bytes, hash: Hash = "sha1") -> bool:
        """Whether a received message carries integrity under this key (constant time).

        A truncated tag is none: only usages that say so may truncate, TURN and ICE do not (RFC 8489 §14.6).
        """
        found = self._integrity(hash)
        if found is None:
            return False
        position, size = found
        tag = self._received[position + 4 : position + 4 + size]
        return hmac.compare_digest(tag, integrity_tag(self._received[:position], key, hash))

    def has_fingerprint(self) -> bool:
        """Whether a received message carries FINGERPRINT, right or wrong."""
        return bool(self._trailers) and self._trailers[-1][0] == AttributeType.FINGERPRINT

    def is_intact(self) -> bool:
        """False when a received message carries a FINGERPRINT that does not fit."""
        if not self.has_fingerprint():
            return True
        position = self._trailers[-1][1]
        return self._received[position + 4 :] == fingerprint(self._received[:position])

    def _integrity(self, hash: Hash) -> tuple[int, int] | None:
        """Of each kind the first counts, and SHA-1 only before SHA-256 (RFC 8489 §14.6)."""
        for attribute, position, size in self._trailers:
            if _INTEGRITY.get(attribute) == hash:
                return position, size
            if attribute == AttributeType.MESSAGE_INTEGRITY_SHA256:
                return None
        return None


def _walk(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Position, type and length of each attribute. Raises Malformed."""
    position = HEADER_LENGTH
    while position < len(data):
        attribute, size = _ATTRIBUTE.unpack_from(data, position)
        following = position + 4 + size + -size % 4
        if following > len(data):
            raise Malformed("an attribute reaches over the end of the message")
        yield position, attribute, size
        position = following


def _is_trailer(attribute: int, size: int) -> bool:
    sizes = _TRAILERS.get(attribute)
    if sizes is None:
        return False
    if size not in sizes:
        raise Malformed("a malformed integrity or fingerprint attribute")
    return True


def _attribute(attribute: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(attribute, len(value)) + value + bytes(-len(value) % 4)
