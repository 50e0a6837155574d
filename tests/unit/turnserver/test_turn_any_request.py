"""Requests made of anything: attributes of TURN with values of any length, in any number, from those who may ask."""

from hypothesis import given, settings
from hypothesis import strategies as st

from meeting.stun import AttributeType, Message, Method
from tests.support.turn import UDP, Client, Server, channel, code_of, lifetime, peer, username

METHODS = (
    Method.ALLOCATE,
    Method.REFRESH,
    Method.CREATE_PERMISSION,
    Method.CHANNEL_BIND,
    Method.CONNECT,
    Method.CONNECTION_BIND,
)
#: What is read of a request besides its credentials.
READ = (
    AttributeType.LIFETIME,
    AttributeType.XOR_PEER_ADDRESS,
    AttributeType.CHANNEL_NUMBER,
    AttributeType.REQUESTED_TRANSPORT,
    AttributeType.REQUESTED_ADDRESS_FAMILY,
    AttributeType.ADDITIONAL_ADDRESS_FAMILY,
    AttributeType.EVEN_PORT,
    AttributeType.DONT_FRAGMENT,
    AttributeType.RESERVATION_TOKEN,
    AttributeType.MOBILITY_TICKET,
    AttributeType.CONNECTION_ID,
)
#: What RFC 8656, 6062 and 8016 let a server answer.
CODES = {200, 400, 403, 405, 420, 437, 438, 440, 441, 442, 443, 446, 447, 486, 508}

likely = st.sampled_from(
    [
        UDP,
        (AttributeType.REQUESTED_TRANSPORT, b"\6\0\0\0"),
        (AttributeType.REQUESTED_ADDRESS_FAMILY, b"\2\0\0\0"),
        (AttributeType.ADDITIONAL_ADDRESS_FAMILY, b"\2\0\0\0"),
        (AttributeType.EVEN_PORT, b"\x80"),
        (AttributeType.MOBILITY_TICKET, b""),
        channel(0x4000),
        lifetime(0),
        lifetime(600),
        peer("9.9.9.9:7"),
        peer("10.0.0.1:7"),
    ]
)
anything = st.tuples(st.sampled_from(READ), st.binary(max_size=40))
asked = st.tuples(
    st.sampled_from(METHODS), st.lists(likely | anything, max_size=5), st.integers(0, 1), st.integers(0, 700)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(asked, max_size=8))
def test_whatever_is_asked_is_answered_and_nothing_is_left_when_all_has_run_out(
    story: list[tuple[Method, list[tuple[int, bytes]], int, int]],
) -> None:
    server = Server(tcp=True)
    clients = [Client(), Client(username("bob"))]
    for method, attributes, who, later in story:
        request = clients[who].build(method, *attributes)
        data = server.machine.receive(server.now, clients[who].address, request)
        # What waits for a connection with a peer is answered later.
        if data is None:
            assert method is Method.CONNECT
        else:
            assert code_of(Message.parse(data)) in CODES
        server.now += later
        server.machine.expire(server.now)
    server.machine.expire(server.now + 4000)
    assert len(server.machine) == 0
    opened = sum(entry[0] == "allocate" for entry in server.relay.diary)
    assert sum(entry[0] == "close" for entry in server.relay.diary) == opened
