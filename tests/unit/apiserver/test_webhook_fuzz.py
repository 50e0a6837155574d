"""Whatever is sent to the door of the sfuservers' reports. No database: it runs once, not on each engine."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meeting.apiserver.meetings.room.webhooks import check_signature, parse_event
from meeting.daemon.errors import BadRequest, BadSignature


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(max_size=100).map(str.encode)
    | st.from_regex(r'\{"(event|room|id)": ?.{0,40}\}').map(str.encode)
)
def test_whatever_is_reported_is_understood_or_refused(body: bytes) -> None:
    try:
        parse_event(body)
    except BadRequest:
        pass


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), st.binary(max_size=50))
def test_whatever_claims_to_be_a_signature_is_refused(header: str, body: bytes) -> None:
    with pytest.raises(BadSignature):
        check_signature("k" * 64, header, body, 0)
