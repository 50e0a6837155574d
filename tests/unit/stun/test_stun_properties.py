"""What holds for every message, and for bytes that are none."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from meeting.stun import Address, AttributeType, Class, Malformed, Message, decode_xor_address, encode_xor_address

TRAILERS = (AttributeType.MESSAGE_INTEGRITY, AttributeType.MESSAGE_INTEGRITY_SHA256, AttributeType.FINGERPRINT)

transactions = st.binary(min_size=12, max_size=12)
attributes = st.tuples(st.integers(0, 0xFFFF).filter(lambda kind: kind not in TRAILERS), st.binary(max_size=40))
messages = st.builds(
    Message, st.sampled_from(Class), st.integers(0, 0x7F), transactions, st.lists(attributes, max_size=8).map(tuple)
)
addresses = st.builds(
    Address,
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(0, 0xFFFF),
)


@given(messages, st.binary(max_size=80), st.booleans())
def test_what_is_written_is_read_again(message: Message, key: bytes, with_fingerprint: bool) -> None:
    again = Message.parse(message.build(key, with_fingerprint=with_fingerprint))
    assert again == message
    assert again.is_genuine(key)
    assert not again.is_genuine(key + b"x")
    assert again.is_intact()
    assert again.has_fingerprint() == with_fingerprint


@given(addresses, transactions)
def test_xor_addresses_survive(address: Address, transaction: bytes) -> None:
    assert decode_xor_address(encode_xor_address(address, transaction), transaction) == address


@given(st.binary(max_size=200))
def test_bytes_are_a_message_or_malformed(data: bytes) -> None:
    read(data)


@given(st.binary(max_size=16), st.lists(st.binary(max_size=60)), st.integers(0, 0x3FF))
def test_a_header_before_anything_is_a_message_or_malformed(tail: bytes, parts: list[bytes], kind: int) -> None:
    body = b"".join(parts) + tail
    body = body[: len(body) // 4 * 4]
    read(kind.to_bytes(2) + len(body).to_bytes(2) + bytes.fromhex("2112a442") + bytes(12) + body)


@given(messages, st.data())
def test_a_changed_message_is_a_message_or_malformed(message: Message, data: st.DataObject) -> None:
    packet = bytearray(message.build(b"key", with_fingerprint=True))
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(packet))


def read(data: bytes) -> None:
    try:
        message = Message.parse(data)
    except Malformed:
        return
    message.is_genuine(b"key")
    message.is_genuine(b"key", "sha256")
    message.is_intact()
    message.unknown(())
    message.text(AttributeType.USERNAME)
    try:
        assert all(isinstance(each.ip, IPv4Address | IPv6Address) for each in message.addresses(0x12))
    except ValueError:
        pass


def test_what_is_appended_behind_the_integrity_is_not_seen() -> None:
    protected = Message(Class.REQUEST, 1, bytes(12), ((0x06, b"user"),)).build(b"key")
    appended = protected + bytes.fromhex("00250000")
    appended = appended[:2] + (len(appended) - 20).to_bytes(2) + appended[4:]
    message = Message.parse(appended)
    assert message.is_genuine(b"key")
    assert message.attributes == ((0x06, b"user"),)
