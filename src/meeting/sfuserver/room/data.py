"""Data packets: the server says who sent them and to whom they go, and looks no deeper.

Text and byte streams, RPC, chat and encrypted packets pass as they are, fields unknown here included.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError
from livekit.protocol.models import DataPacket

__all__ = ["BadPacket", "destinations", "read_packet", "stamp"]

KINDS = {"_reliable": DataPacket.RELIABLE, "_lossy": DataPacket.LOSSY}


class BadPacket(ValueError):
    """A data message that is not a DataPacket, or one that only the server may send."""


def read_packet(label: str, data: bytes) -> DataPacket:
    """The packet in a message of that channel. Raises BadPacket."""
    if label not in KINDS:
        raise BadPacket(f"nobody reads the channel {label[:40]!r}")
    packet = DataPacket()
    try:
        packet.ParseFromString(data)
    except DecodeError as error:
        raise BadPacket(f"not a DataPacket: {error}") from None
    if packet.WhichOneof("value") == "speaker":
        raise BadPacket("only the server tells who speaks")
    packet.kind = KINDS[label]
    return packet


def stamp(packet: DataPacket, sid: str, identity: str) -> None:
    """Overwrite who sent it; both empty for one who is hidden."""
    packet.participant_sid = sid
    packet.participant_identity = identity
    if packet.WhichOneof("value") == "user":
        packet.user.participant_sid = sid
        packet.user.participant_identity = identity
        # Old clients name the receivers within, new ones outside: both are told both.
        if packet.user.destination_identities and not packet.destination_identities:
            packet.destination_identities.extend(packet.user.destination_identities)
        elif packet.destination_identities and not packet.user.destination_identities:
            packet.user.destination_identities.extend(packet.destination_identities)


def destinations(packet: DataPacket) -> tuple[frozenset[str], frozenset[str]]:
    """(identities, sids) that shall get it; both empty: everyone."""
    identities = set(packet.destination_identities)
    sids: set[str] = set()
    if packet.WhichOneof("value") == "user":
        identities.update(packet.user.destination_identities)
        sids.update(packet.user.destination_sids)
    return frozenset(identities), frozenset(sids)
