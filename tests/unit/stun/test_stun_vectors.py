"""The packets of RFC 5769 and RFC 8489, and packets that must be refused. The Rust crate reads the same files."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from meeting.stun import Class, Malformed, Message, long_term_key

VECTORS = Path(__file__).parents[2] / "vectors" / "stun"
RFC = json.loads((VECTORS / "rfc.json").read_text())
MALFORMED = json.loads((VECTORS / "malformed.json").read_text())


def name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", RFC, ids=name)
def test_reads_what_the_rfcs_say(vector: dict[str, Any]) -> None:
    message = Message.parse(bytes.fromhex(vector["packet"]))
    key = bytes.fromhex(vector["key"])
    assert message.message_class is (Class.REQUEST if vector["type"] == "request" else Class.SUCCESS)
    assert message.method == vector["method"]
    assert list(message.attributes) == [(number, bytes.fromhex(value)) for _, number, value in vector["attributes"]]
    for ip, port in vector["addresses"].values():
        [address] = message.addresses(0x20)
        assert (str(address.ip), address.port) == (ip, port)
    assert (message.has_integrity(), message.is_genuine(key)) == (vector["integrity"],) * 2
    assert (message.has_integrity("sha256"), message.is_genuine(key, "sha256")) == (vector["sha256"],) * 2
    assert message.has_fingerprint() == vector["fingerprint"]
    assert message.is_intact()


@pytest.mark.parametrize("vector", RFC, ids=name)
def test_writes_what_the_rfcs_say_apart_from_their_padding(vector: dict[str, Any]) -> None:
    packet, key = bytes.fromhex(vector["packet"]), bytes.fromhex(vector["key"])
    read = Message.parse(packet)
    hash: Literal["sha1", "sha256"] = "sha256" if vector["sha256"] else "sha1"
    written = read.build(key, hash=hash, with_fingerprint=vector["fingerprint"])
    again = Message.parse(written)
    assert again == read
    assert again.is_genuine(key, hash)
    assert again.is_intact()
    # RFC 5769 pads §2.1 to §2.3 with blanks; the others with zeros, as we do.
    assert vector["fingerprint"] or written == packet


def test_the_key_of_a_long_term_credential() -> None:
    vector = next(each for each in RFC if "2.4" in each["name"])
    assert long_term_key(vector["username"], vector["realm"], vector["password"]).hex() == vector["key"]


@pytest.mark.parametrize("vector", MALFORMED, ids=name)
def test_refuses_the_malformed(vector: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        Message.parse(bytes.fromhex(vector["packet"]))


@pytest.mark.parametrize("vector", RFC, ids=name)
def test_every_truncation_is_refused(vector: dict[str, Any]) -> None:
    packet = bytes.fromhex(vector["packet"])
    for end in range(len(packet)):
        with pytest.raises(Malformed):
            Message.parse(packet[:end])


@pytest.mark.parametrize("vector", [each for each in RFC if each["integrity"]], ids=name)
def test_any_changed_bit_that_is_protected_is_noticed(vector: dict[str, Any]) -> None:
    packet, key = bytes.fromhex(vector["packet"]), bytes.fromhex(vector["key"])
    for bit in range(8 * (len(packet) - (8 if vector["fingerprint"] else 0))):
        altered = bytearray(packet)
        altered[bit // 8] ^= 1 << bit % 8
        try:
            message = Message.parse(bytes(altered))
        except Malformed:
            continue
        assert not message.is_genuine(key)
