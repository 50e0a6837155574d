"""Frames and the join request: what is read, what is refused, and that nothing else happens."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol.models import ClientInfo
from livekit.protocol.rtc import JoinRequest, SignalRequest, SignalResponse, WrappedJoinRequest

from meeting.sfuserver.room.outgoing import Outgoing
from meeting.sfuserver.signalling.wire import (
    MAXIMUM_JOIN_REQUEST,
    BadFrame,
    join_request_from_query,
    parse_frame,
    parse_join_request,
)


def wrapped(inner: bytes, *, compression: int = 0, padding: bool = True) -> str:
    message = WrappedJoinRequest(join_request=inner)
    if compression:
        message.compression = WrappedJoinRequest.GZIP
    text = base64.urlsafe_b64encode(message.SerializeToString()).decode()
    return text if padding else text.rstrip("=")


def test_a_binary_frame_and_its_json_form_say_the_same() -> None:
    request = SignalRequest(ping=42)
    assert parse_frame(request.SerializeToString(), binary=True) == request
    assert parse_frame(b'{"ping": "42"}', binary=False) == request


def test_unknown_json_fields_come_from_newer_clients() -> None:
    assert parse_frame(b'{"ping": "42", "novelty": {"a": 1}}', binary=False) == SignalRequest(ping=42)


def test_an_answer_has_both_forms() -> None:
    outgoing = Outgoing(SignalResponse(pong=42))
    assert SignalResponse.FromString(outgoing.binary).pong == 42
    assert json.loads(outgoing.text) == {"pong": "42"}


@pytest.mark.parametrize("payload", [b"", b"[5]", b"{", b"null", b'"x"', b"\xff", b'{"offer": 5}', b"[" * 100_000])
def test_text_that_is_no_request_is_refused(payload: bytes) -> None:
    with pytest.raises(BadFrame):
        parse_frame(payload, binary=False)


def test_bytes_that_are_no_request_are_refused() -> None:
    with pytest.raises(BadFrame):
        parse_frame(b"\xff\xff\xff", binary=True)


@pytest.mark.parametrize("padding", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_join_request_is_read_in_all_its_wrappings(padding: bool, compressed: bool) -> None:
    join = JoinRequest(client_info=ClientInfo(version="2.23.0"), participant_attributes={"a": "b"})
    inner = join.SerializeToString()
    if compressed:
        inner = gzip.compress(inner)
    assert parse_join_request(wrapped(inner, compression=int(compressed), padding=padding)) == join


def test_a_join_request_that_inflates_without_end_is_refused() -> None:
    bomb = gzip.compress(b"\0" * (MAXIMUM_JOIN_REQUEST + 1))
    assert len(bomb) < 5000
    with pytest.raises(BadFrame, match="longer than"):
        parse_join_request(wrapped(bomb, compression=1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("é", "base64url"),
        ("a", "base64url"),
        (wrapped(b"\xff\xff"), "JoinRequest"),
        (wrapped(b"not gzip", compression=1), "not gzip"),
        (wrapped(gzip.compress(b"x" * 5000, mtime=0)[:20], compression=1), "middle"),
    ],
)
def test_a_join_request_that_is_none_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(BadFrame, match=says):
        parse_join_request(text)


def test_the_old_query_says_what_the_new_request_says() -> None:
    query = {
        "sdk": ["js"],
        "protocol": ["16"],
        "client_protocol": ["1"],
        "auto_subscribe": ["0"],
        "adaptive_stream": ["1"],
        "reconnect": ["1"],
        "sid": ["PA_1"],
        "capabilities": ["1,CAP_PACKET_TRAILER,NOVELTY"],
    }
    join = join_request_from_query(query)
    assert join.reconnect and join.participant_sid == "PA_1"
    assert join.client_info.sdk == ClientInfo.JS
    assert join.client_info.protocol == 16
    assert join.client_info.client_protocol == 1
    assert not join.connection_settings.auto_subscribe
    assert join.connection_settings.adaptive_stream
    assert set(join.client_info.capabilities) == {1}
    assert join_request_from_query({}).connection_settings.auto_subscribe


@given(st.binary(max_size=300), st.booleans())
def test_any_frame_is_read_or_refused(payload: bytes, binary: bool) -> None:
    try:
        parse_frame(payload, binary=binary)
    except BadFrame:
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(["offer", "sdp", "ping", "addTrack", "mute", "sid", "layers", "leave"]), children
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        parse_frame(json.dumps(value).encode(), binary=False)
    except BadFrame:
        pass


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_any_join_request_is_read_or_refused(text: str) -> None:
    try:
        parse_join_request(text)
    except BadFrame:
        pass


@given(
    st.dictionaries(
        st.sampled_from(["sdk", "protocol", "capabilities", "reconnect", "sid"]), st.lists(st.text(max_size=20))
    )
)
def test_any_query_is_read(query: dict[str, list[str]]) -> None:
    join_request_from_query(query)
