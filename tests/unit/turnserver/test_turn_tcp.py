"""TCP allocations (RFC 6062): Connect, ConnectionBind, ConnectionAttempt, and everything that is refused."""

from ipaddress import ip_address

import pytest

from meeting.dataplane.values import RelayClient
from meeting.stun import Address, AttributeType, Class, ErrorCode, Message, Method, decode_xor_address
from meeting.turnserver.quotas import Quotas
from tests.support.turn import CLIENT, NOW, TCP, UDP, Client, Server, channel, code_of, lifetime, peer, username

STREAM = RelayClient(0, 1, "198.18.0.1", 50000)
DATA = RelayClient(1, 1, "198.18.0.1", 50001)
PEER = "9.9.9.9:80"


def allocated(server: Server, address: RelayClient = STREAM) -> Client:
    """A client with a TCP allocation."""
    client = Client(address=address)
    assert server.code(client, Method.ALLOCATE, TCP) == 200
    server.relay.diary.clear()
    return client


def dialled(server: Server, client: Client, to: str = PEER) -> int:
    """The relay's number of a connection that the client has asked for."""
    assert server.machine.receive(server.now, client.address, client.build(Method.CONNECT, peer(to))) is None
    entry = server.relay.diary[-1]
    assert entry[0] == "dial"
    assert isinstance(entry[4], int)
    return entry[4]


def made(server: Server, number: int, made: bool = True) -> tuple[RelayClient, Message] | None:
    answer = server.machine.made(server.now, number, made)
    return None if answer is None else (answer[0], Message.parse(answer[1]))


def connected(server: Server, client: Client, to: str = PEER) -> tuple[int, tuple[int, bytes]]:
    """The relay's number of a connection that waits, and the attribute to come with."""
    number = dialled(server, client, to)
    answer = made(server, number)
    assert answer is not None
    id = answer[1].get(AttributeType.CONNECTION_ID)
    assert id is not None
    return number, (AttributeType.CONNECTION_ID, id)


def attempted(server: Server, number: int = 7, host: str = "9.9.9.9", port: int = 4000) -> Message | None:
    said = server.machine.connections.attempt(server.now, STREAM, number, host, port)
    assert said is None or said[0] == STREAM
    return None if said is None else Message.parse(said[1])


def test_a_stream_gets_a_relay_address_for_tcp() -> None:
    server = Server(tcp=True)
    answer = server.ask(Client(address=STREAM), Method.ALLOCATE, TCP)
    assert code_of(answer) == 200
    assert answer.addresses(AttributeType.XOR_RELAYED_ADDRESS) == [Address(ip_address("8.8.4.4"), 50_002)]
    assert server.relay.diary == [("allocate", 1, STREAM, 600, False, "tcp")]


@pytest.mark.parametrize(
    "attributes",
    [
        (AttributeType.EVEN_PORT, b"\0"),
        (AttributeType.DONT_FRAGMENT, b""),
        (AttributeType.RESERVATION_TOKEN, bytes(8)),
        (AttributeType.ADDITIONAL_ADDRESS_FAMILY, b"\2\0\0\0"),
    ],
)
def test_what_is_about_datagrams_is_refused_with_tcp(attributes: tuple[int, bytes]) -> None:
    assert Server(tcp=True).code(Client(address=STREAM), Method.ALLOCATE, TCP, attributes) == ErrorCode.BAD_REQUEST


def test_who_comes_by_udp_gets_no_tcp_and_where_there_is_none_nobody_does() -> None:
    assert Server(tcp=True).code(Client(address=CLIENT), Method.ALLOCATE, TCP) == ErrorCode.BAD_REQUEST
    assert Server().code(Client(address=STREAM), Method.ALLOCATE, TCP) == ErrorCode.UNSUPPORTED_TRANSPORT


def test_a_tcp_allocation_does_not_move() -> None:
    ticket = (AttributeType.MOBILITY_TICKET, b"")
    server = Server(tcp=True)
    assert server.code(Client(address=STREAM), Method.ALLOCATE, TCP, ticket) == ErrorCode.MOBILITY_FORBIDDEN


def test_connect_is_answered_when_the_connection_is_made() -> None:
    server = Server(tcp=True)
    client = allocated(server)
    number = dialled(server, client)
    assert server.relay.diary == [("dial", 1, "9.9.9.9", 80, number)]
    answer = made(server, number)
    assert answer is not None
    assert answer[0] == STREAM
    assert answer[1].is_genuine(client.key)
    assert code_of(answer[1]) == 200
    assert len(answer[1].get(AttributeType.CONNECTION_ID) or b"") == 4
    assert made(server, number) is None, "once"


def test_a_connection_that_cannot_be_made_is_told_and_may_be_tried_again() -> None:
    server = Server(tcp=True)
    client = allocated(server)
    answer = made(server, dialled(server, client), made=False)
    assert answer is not None
    assert code_of(answer[1]) == ErrorCode.CONNECTION_TIMEOUT_OR_FAILURE
    assert len(server.machine.connections) == 0
    dialled(server, client)


@pytest.mark.parametrize("state", ["being made", "waiting", "joined"])
def test_there_is_one_connection_with_a_peer_at_a_time(state: str) -> None:
    server = Server(tcp=True)
    client = allocated(server)
    if state == "being made":
        dialled(server, client)
    else:
        _, id = connected(server, client)
        if state == "joined":
            assert server.code(Client(address=DATA), Method.CONNECTION_BIND, id) == 200
    assert server.code(client, Method.CONNECT, peer(PEER)) == ErrorCode.CONNECTION_ALREADY_EXISTS


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("127.0.0.1:80", ErrorCode.FORBIDDEN),
        ("10.0.0.1:80", ErrorCode.FORBIDDEN),
        ("169.254.169.254:80", ErrorCode.FORBIDDEN),
        ("8.8.4.4:80", ErrorCode.FORBIDDEN),
        ("9.9.9.9:0", ErrorCode.FORBIDDEN),
        ("[2001:4860::1]:80", ErrorCode.PEER_ADDRESS_FAMILY_MISMATCH),
    ],
)
def test_nobody_is_reached_by_tcp_who_is_not_by_udp(to: str, code: ErrorCode) -> None:
    server = Server(tcp=True)
    client = allocated(server)
    assert server.code(client, Method.CONNECT, peer(to, (2).to_bytes(12))) == code


def test_the_media_servers_ports_are_the_only_ones_of_a_private_address() -> None:
    server = Server(tcp=True)
    client = Client(username(servers=["10.0.0.1:7000"]), STREAM)
    server.ask(client, Method.ALLOCATE, TCP)
    assert server.code(client, Method.CONNECT, peer("10.0.0.1:22")) == ErrorCode.FORBIDDEN
    dialled(server, client, "10.0.0.1:7000")


def test_connect_needs_one_peer_and_a_tcp_allocation() -> None:
    server = Server(tcp=True)
    assert server.code(Client(address=STREAM), Method.CONNECT, peer(PEER)) == ErrorCode.ALLOCATION_MISMATCH
    client = allocated(server)
    assert server.code(client, Method.CONNECT) == ErrorCode.BAD_REQUEST
    assert server.code(client, Method.CONNECT, peer(PEER), peer("9.9.9.9:81")) == ErrorCode.BAD_REQUEST
    other = Client(address=DATA)
    assert server.code(other, Method.ALLOCATE, UDP) == 200
    assert server.code(other, Method.CONNECT, peer(PEER)) == ErrorCode.BAD_REQUEST


def test_channels_are_for_datagrams() -> None:
    server = Server(tcp=True)
    client = allocated(server)
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4000), peer(PEER)) == ErrorCode.BAD_REQUEST


def test_an_allocation_has_so_many_connections_and_no_more() -> None:
    server = Server(Quotas(connections=2), tcp=True)
    client = allocated(server)
    dialled(server, client)
    assert attempted(server) is not None
    assert server.code(client, Method.CONNECT, peer("9.9.9.9:81")) == ErrorCode.INSUFFICIENT_CAPACITY
    assert attempted(server, 8, port=4001) is None
    assert server.relay.diary[-1] == ("hang up", 8, STREAM)


def test_a_stream_of_the_client_is_joined_with_its_peer() -> None:
    server = Server(tcp=True)
    number, id = connected(server, allocated(server))
    answer = server.ask(Client(address=DATA), Method.CONNECTION_BIND, id)
    assert code_of(answer) == 200
    assert server.relay.diary[-1] == ("join", number, DATA)
    server.now += 3000
    server.machine.connections.expire(server.now)
    assert len(server.machine.connections) == 1, "what is joined lasts"


def test_a_peer_that_comes_is_told_of() -> None:
    server = Server(tcp=True)
    allocated(server)
    said = attempted(server)
    assert said is not None
    assert (said.message_class, said.method) == (Class.INDICATION, Method.CONNECTION_ATTEMPT)
    where = said.get(AttributeType.XOR_PEER_ADDRESS)
    assert where is not None
    assert str(decode_xor_address(where, said.transaction)) == "9.9.9.9:4000"
    id = (AttributeType.CONNECTION_ID, said.get(AttributeType.CONNECTION_ID) or b"")
    assert server.code(Client(address=DATA), Method.CONNECTION_BIND, id) == 200


def test_a_peer_that_comes_when_the_allocation_has_gone_is_turned_away() -> None:
    server = Server(tcp=True)
    assert attempted(server) is None
    assert server.relay.diary == [("hang up", 7, STREAM)]


def test_a_connection_is_joined_once_by_its_owner_on_a_stream_of_its_own() -> None:
    server = Server(tcp=True)
    client = allocated(server)
    _, id = connected(server, client)
    bind = Method.CONNECTION_BIND
    somebody = Client(username("ben"), DATA)
    assert server.code(Client(address=DATA), bind) == ErrorCode.BAD_REQUEST
    assert server.code(Client(address=DATA), bind, (AttributeType.CONNECTION_ID, b"ab")) == ErrorCode.BAD_REQUEST
    assert server.code(Client(address=DATA), bind, (AttributeType.CONNECTION_ID, bytes(4))) == ErrorCode.BAD_REQUEST
    assert server.code(somebody, bind, id) == ErrorCode.BAD_REQUEST
    assert server.code(client, bind, id) == ErrorCode.BAD_REQUEST, "the stream of an allocation"
    assert server.code(Client(address=CLIENT), bind, id) == ErrorCode.BAD_REQUEST, "by UDP"
    assert server.code(Client(address=DATA), bind, id) == 200
    another = Client(address=DATA._replace(port=50002))
    assert server.code(another, bind, id) == ErrorCode.BAD_REQUEST


def test_whom_nobody_comes_for_is_hung_up_on_after_half_a_minute() -> None:
    server = Server(tcp=True)
    number, id = connected(server, allocated(server))
    server.now += 29.9
    server.machine.expire(server.now)
    assert len(server.machine.connections) == 1
    server.now += 0.1
    assert server.code(Client(address=DATA), Method.CONNECTION_BIND, id) == ErrorCode.BAD_REQUEST
    server.machine.expire(server.now)
    assert server.relay.diary[-1] == ("hang up", number, STREAM)
    assert len(server.machine.connections) == 0


def test_a_connection_that_has_gone_meanwhile_cannot_be_joined() -> None:
    server = Server(tcp=True)
    number, id = connected(server, allocated(server))
    server.relay.gone.add(number)
    assert server.code(Client(address=DATA), Method.CONNECTION_BIND, id) == ErrorCode.BAD_REQUEST
    assert len(server.machine.connections) == 0


@pytest.mark.parametrize("how", ["deleted", "expired", "stream gone", "meeting over"])
def test_connections_end_with_their_allocation(how: str) -> None:
    server = Server(tcp=True)
    client = allocated(server)
    number, id = connected(server, client)
    assert server.code(Client(address=DATA), Method.CONNECTION_BIND, id) == 200
    waiting = dialled(server, client, "9.9.9.9:81")
    server.relay.diary.clear()
    if how == "deleted":
        assert server.code(client, Method.REFRESH, lifetime(0)) == 200
    elif how == "expired":
        server.now = NOW + 600
        server.machine.expire(server.now)
    elif how == "stream gone":
        server.machine.gone(STREAM)
    else:
        assert server.machine.end_rooms(["room1"]) == 1
    assert server.relay.diary == [("close", 1), ("hang up", number, DATA), ("hang up", waiting, STREAM)]
    assert len(server.machine.connections) == 0
    assert made(server, waiting) is None
    server.machine.connections.ended(number)


def test_a_connection_that_ends_by_itself_may_be_made_again() -> None:
    server = Server(tcp=True)
    client = allocated(server)
    number, _ = connected(server, client)
    assert server.machine.state(NOW)[0]["connections"] == [PEER]
    server.machine.connections.ended(number)
    assert server.machine.state(NOW)[0]["connections"] == []
    dialled(server, client)


def test_answers_that_took_their_time_are_counted() -> None:
    server = Server(tcp=True)
    client = allocated(server)
    connected(server, client)
    made(server, dialled(server, client, "9.9.9.9:81"), made=False)
    assert server.machine.answers == {("ALLOCATE", 200): 1, ("CONNECT", 200): 1, ("CONNECT", 447): 1}
