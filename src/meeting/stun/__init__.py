"""STUN and TURN messages for the control side (RFC 8489, RFC 8656): bytes in, values out, no I/O.

What a packet costs does not matter here; the packet path has its own parser, the Rust crate `stun`. Both read
tests/vectors/stun.
"""

from meeting.stun.addresses import Address, decode_xor_address, encode_address, encode_xor_address
from meeting.stun.integrity import Hash, PasswordAlgorithm, long_term_key, user_hash
from meeting.stun.message import Malformed, Message
from meeting.stun.numbers import AttributeType, Class, ErrorCode, Method

__all__ = [
    "Address",
    "AttributeType",
    "Class",
    "ErrorCode",
    "Hash",
    "Malformed",
    "Message",
    "Method",
    "PasswordAlgorithm",
    "decode_xor_address",
    "encode_address",
    "encode_xor_address",
    "long_term_key",
    "user_hash",
]
