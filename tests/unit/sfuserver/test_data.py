"""Data packets: who gets them, whose name they carry, and what the server does not touch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol.models import DataPacket, DataStream, RpcRequest, UserPacket

from meeting.sfuserver.room.data import BadPacket, read_packet
from tests.unit.sfuserver.clients import Client, World


@pytest.fixture
def world() -> World:
    return World()


def say(client: Client, packet: DataPacket, label: str = "_reliable") -> None:
    client.world.port.listener.message(client.sending, label, packet.SerializeToString(), True)


def heard(client: Client) -> list[DataPacket]:
    return [DataPacket.FromString(data) for _, data in client.sending.sent]


def text(payload: str, **fields: object) -> DataPacket:
    return DataPacket(user=UserPacket(payload=payload.encode()), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["_reliable", "_lossy"])
def test_everyone_but_the_sender_gets_it_on_the_same_channel(world: World, label: str) -> None:
    anna, bert, clara = world.join("anna"), world.join("bert", single=True), world.join("clara")
    say(anna, text("hello"), label)
    assert not heard(anna)
    for client in (bert, clara):
        ((where, _),) = client.sending.sent
        assert where == label
        (packet,) = heard(client)
        assert packet.user.payload == b"hello"
        assert packet.kind == (DataPacket.RELIABLE if label == "_reliable" else DataPacket.LOSSY)


def test_the_server_says_who_sent_it(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    forged = text("hello", participant_identity="boss", participant_sid="PA_boss")
    forged.user.participant_identity = "boss"
    say(anna, forged)
    (packet,) = heard(bert)
    assert packet.participant_identity == packet.user.participant_identity == "anna"
    assert packet.participant_sid == packet.user.participant_sid == anna.participant.sid


def test_the_hidden_have_no_name(world: World) -> None:
    ghost, bert = world.join("ghost", grants={"hidden": True}), world.join("bert")
    say(ghost, text("boo"))
    (packet,) = heard(bert)
    assert (packet.participant_identity, packet.participant_sid) == ("", "")


@pytest.mark.parametrize("place", ["packet", "user", "sid"])
def test_only_those_named_get_it(world: World, place: str) -> None:
    anna, bert, clara = world.join("anna"), world.join("bert"), world.join("clara")
    packet = text("psst")
    if place == "packet":
        packet.destination_identities.append("bert")
    elif place == "user":
        packet.user.destination_identities.append("bert")
    else:
        packet.user.destination_sids.append(bert.participant.sid)
    say(anna, packet)
    assert len(heard(bert)) == 1
    assert not heard(clara)


def test_without_the_grant_nothing_goes_out(world: World) -> None:
    anna, bert = world.join("anna", grants={"canPublishData": False}), world.join("bert")
    say(anna, text("hello"))
    assert not heard(bert)
    assert world.counted == ["data_not_allowed"]


def test_streams_and_calls_pass_untouched_unknown_fields_included(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    chunk = DataPacket(stream_chunk=DataStream.Chunk(stream_id="s", chunk_index=1, content=b"abc"))
    call = DataPacket(rpc_request=RpcRequest(id="1", method="m", payload="p"), destination_identities=["bert"])
    novelty = DataPacket.FromString(call.SerializeToString() + b"\x82\x7d\x03new")  # field 2000, bytes
    for packet in (chunk, novelty):
        say(anna, packet)
    first, second = heard(bert)
    assert first.stream_chunk == chunk.stream_chunk
    assert second.rpc_request == call.rpc_request
    assert b"\x82\x7d\x03new" in bert.sending.sent[1][1]


def test_what_was_passed_on_before_a_resume_is_not_passed_on_again(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    for sequence in (1, 2, 2, 1, 3):
        say(anna, text(str(sequence), sequence=sequence))
    assert [packet.user.payload for packet in heard(bert)] == [b"1", b"2", b"3"]
    say(anna, text("lossy", sequence=1), "_lossy")
    assert len(heard(bert)) == 4


def test_bytes_that_are_no_packet_disturb_nobody(world: World) -> None:
    anna, bert = world.join("anna"), world.join("bert")
    world.port.listener.message(anna.sending, "_reliable", b"\xff\xff", True)
    world.port.listener.message(anna.sending, "_novelty", b"", True)
    say(anna, DataPacket(speaker={}))
    assert not heard(bert)
    assert world.counted == ["data_malformed"] * 3
    say(anna, text("hello"))
    assert len(heard(bert)) == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_packet("_reliable", data)
    except BadPacket:
        pass
