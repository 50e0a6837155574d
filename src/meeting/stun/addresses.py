"""Transport addresses, and how XOR-MAPPED-ADDRESS and its kin carry them (RFC 8489 §14.2)."""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

MAGIC_COOKIE = 0x2112A442

IPV4 = 1
IPV6 = 2


class Address(NamedTuple):
    """An IP address and a port."""

    ip: IPv4Address | IPv6Address
    port: int

    @property
    def family(self) -> int:
        """As TURN numbers it: 1 or 2."""
        return IPV4 if self.ip.version == 4 else IPV6

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}" if self.ip.version == 4 else f"[{self.ip}]:{self.port}"


def encode_address(address: Address) -> bytes:
    """The value of MAPPED-ADDRESS and ALTERNATE-SERVER (RFC 8489 §14.1, §14.15)."""
    return bytes((0, address.family)) + address.port.to_bytes(2) + address.ip.packed


def encode_xor_address(address: Address, transaction: bytes) -> bytes:
    """The value of an XOR-…-ADDRESS attribute."""
    masked = int(address.ip) ^ _mask(address.family, transaction)
    port = address.port ^ (MAGIC_COOKIE >> 16)
    return bytes((0, address.family)) + port.to_bytes(2) + masked.to_bytes(4 if address.family == IPV4 else 16)


def decode_xor_address(value: bytes, transaction: bytes) -> Address:
    """The inverse; raises ValueError for anything else."""
    family = value[1] if len(value) > 1 else 0
    if (family, len(value)) not in ((IPV4, 8), (IPV6, 20)):
        raise ValueError("not an address")
    port = int.from_bytes(value[2:4]) ^ (MAGIC_COOKIE >> 16)
    number = int.from_bytes(value[4:]) ^ _mask(family, transaction)
    return Address(IPv4Address(number) if family == IPV4 else IPv6Address(number), port)


def _mask(family: int, transaction: bytes) -> int:
    return MAGIC_COOKIE if family == IPV4 else int.from_bytes(MAGIC_COOKIE.to_bytes(4) + transaction)
