"""Two families for one client, two ports in a row, and clients that move (RFC 8656 §7.2, RFC 8016)."""

from ipaddress import ip_address

import pytest

from meeting.dataplane.values import RelayClient
from meeting.stun import Address, AttributeType, Message, Method
from meeting.turnserver.quotas import Quotas
from tests.support.turn import CLIENT, UDP, Client, Server, channel, code_of, lifetime, peer, username

FAMILY = AttributeType.REQUESTED_ADDRESS_FAMILY
IPV4, IPV6 = (FAMILY, b"\1\0\0\0"), (FAMILY, b"\2\0\0\0")
BOTH = (AttributeType.ADDITIONAL_ADDRESS_FAMILY, b"\2\0\0\0")
PAIR = (AttributeType.EVEN_PORT, b"\x80")
MOBILE = (AttributeType.MOBILITY_TICKET, b"")
CLIENT_IP = ip_address("192.0.2.44")
ELSEWHERE = RelayClient(1, 0, "198.18.0.77", 1234)


def relayed(answer: Message) -> list[str]:
    return [str(address) for address in answer.addresses(AttributeType.XOR_RELAYED_ADDRESS)]


def token(answer: Message, attribute: AttributeType) -> tuple[int, bytes]:
    value = answer.get(attribute)
    assert value
    return attribute, value


# --- both families


def test_a_client_gets_an_address_of_each_family_and_reaches_peers_of_both() -> None:
    server, client = Server(), Client()
    answer = server.ask(client, Method.ALLOCATE, UDP, BOTH)
    assert relayed(answer) == ["8.8.4.4:50002", "[2001:4860::9]:50004"]
    assert answer.get(AttributeType.ADDRESS_ERROR_CODE) is None
    server.relay.diary.clear()
    six = (2).to_bytes(12)
    assert server.code(client, Method.CREATE_PERMISSION, peer("9.9.9.9:1"), peer("[2001:4860::1]:2", six)) == 200
    assert [entry[:3] for entry in server.relay.diary] == [("permit", 1, "9.9.9.9"), ("permit", 2, "2001:4860::1")]
    third = (3).to_bytes(12)
    assert server.code(client, Method.CHANNEL_BIND, channel(0x4000), peer("[2001:4860::1]:2", third)) == 200
    assert server.relay.diary[-1] == ("bind", 2, 0x4000, "2001:4860::1", 2, 600)


def test_one_family_ends_and_the_other_lives_on() -> None:
    server, client = Server(), Client()
    server.ask(client, Method.ALLOCATE, UDP, BOTH)
    assert server.code(client, Method.REFRESH, IPV4, lifetime(0)) == 200
    assert server.relay.diary[-1] == ("close", 1)
    assert server.code(client, Method.CREATE_PERMISSION, peer("9.9.9.9:1")) == 443
    assert server.code(client, Method.REFRESH, IPV4) == 443
    assert server.code(client, Method.REFRESH, IPV6, lifetime(1200)) == 200
    assert server.relay.diary[-1:] == [("refresh", 2, 1200)]
    assert server.code(client, Method.REFRESH, lifetime(0)) == 200
    assert len(server.machine) == 0


def test_families_that_are_refreshed_apart_end_apart() -> None:
    server, client = Server(), Client()
    server.ask(client, Method.ALLOCATE, UDP, BOTH)
    assert server.code(client, Method.REFRESH, IPV6, lifetime(1200)) == 200
    server.now += 600
    server.machine.expire(server.now)
    assert server.relay.diary[-1] == ("close", 1)
    assert server.code(client, Method.CREATE_PERMISSION, peer("9.9.9.9:1")) == 443
    server.now += 600
    server.machine.expire(server.now)
    assert server.relay.diary[-1] == ("close", 2)
    assert len(server.machine) == 0


@pytest.mark.parametrize(("ipv6", "ports", "code"), [(False, 9, b"\2\0\4\x28"), (True, 1, b"\2\0\5\x08")])
def test_the_family_that_is_missing_is_told_with_its_reason(ipv6: bool, ports: int, code: bytes) -> None:
    server, client = Server(ipv6=ipv6, ports=ports), Client()
    answer = server.ask(client, Method.ALLOCATE, UDP, BOTH, transaction=b"transaction!")
    assert relayed(answer) == ["8.8.4.4:50002"]
    assert answer.get(AttributeType.ADDRESS_ERROR_CODE) == code
    assert server.ask(client, Method.ALLOCATE, UDP, BOTH, transaction=b"transaction!") == answer
    assert Server(ports=0).code(client, Method.ALLOCATE, UDP, BOTH) == 508


# --- two ports in a row


def test_the_next_port_is_kept_for_who_has_the_token() -> None:
    server = Server()
    first = server.ask(Client(), Method.ALLOCATE, UDP, PAIR)
    assert [entry[-1] for entry in server.relay.diary] == ["pair"]
    reserved = token(first, AttributeType.RESERVATION_TOKEN)
    second = Client(address=CLIENT._replace(port=2))
    assert relayed(server.ask(second, Method.ALLOCATE, UDP, reserved)) == ["8.8.4.4:50003"]
    assert server.relay.diary[-1][-1] == 50003
    third = Client(address=CLIENT._replace(port=3))
    assert server.code(third, Method.ALLOCATE, UDP, reserved) == 508, "a token is good for once"


def test_a_token_is_good_for_half_a_minute_and_its_owner() -> None:
    server = Server()
    reserved = token(server.ask(Client(), Method.ALLOCATE, UDP, PAIR), AttributeType.RESERVATION_TOKEN)
    thief = Client(username("eve"), CLIENT._replace(port=2))
    assert server.code(thief, Method.ALLOCATE, UDP, reserved) == 508
    server.now += 30
    server.machine.expire(server.now)
    assert server.relay.diary[-1] == ("forget", 50003, False)
    assert server.code(Client(address=CLIENT._replace(port=3)), Method.ALLOCATE, UDP, reserved) == 508


def test_a_kept_port_that_cannot_be_used_is_given_back() -> None:
    server = Server(Quotas(per_user=1))
    reserved = token(server.ask(Client(), Method.ALLOCATE, UDP, PAIR), AttributeType.RESERVATION_TOKEN)
    assert server.code(Client(address=CLIENT._replace(port=2)), Method.ALLOCATE, UDP, reserved) == 486
    assert server.relay.diary[-1] == ("forget", 50003, False)


def test_nobody_fills_the_ports_with_what_is_kept() -> None:
    server = Server()
    codes = [
        server.code(Client(address=CLIENT._replace(port=port)), Method.ALLOCATE, UDP, PAIR) for port in range(1, 11)
    ]
    assert codes == [200] * 8 + [508] * 2


def test_two_ports_are_for_one_family() -> None:
    assert Server().code(Client(), Method.ALLOCATE, UDP, PAIR, BOTH) == 400


# --- clients that move


def test_a_client_takes_its_allocation_along() -> None:
    server, client = Server(), Client()
    ticket = token(server.ask(client, Method.ALLOCATE, UDP, BOTH, MOBILE), AttributeType.MOBILITY_TICKET)
    server.ask(client, Method.CHANNEL_BIND, channel(0x4000), peer("9.9.9.9:7", (2).to_bytes(12)))
    server.relay.diary.clear()
    moved = Client(address=ELSEWHERE)
    answer = server.ask(moved, Method.REFRESH, lifetime(600), ticket)
    assert code_of(answer) == 200
    assert answer.get(AttributeType.MOBILITY_TICKET) not in (None, ticket[1])
    moves = [("move", 1, ELSEWHERE), ("move", 2, ELSEWHERE)]
    assert server.relay.diary == [*moves, ("refresh", 1, 600), ("refresh", 2, 600)]
    assert server.code(client, Method.REFRESH) == 437
    (state,) = server.machine.state(server.now)
    assert (state["client"], state["channels"]) == ("198.18.0.77:1234", {0x4000: "9.9.9.9:7"})


def test_a_ticket_survives_a_client_that_keeps_it_as_a_text() -> None:
    _, ticket = token(Server().ask(Client(), Method.ALLOCATE, UDP, MOBILE), AttributeType.MOBILITY_TICKET)
    assert ticket.decode("ascii").isprintable() and len(ticket) * 6 >= 128


def test_the_ticket_before_serves_who_missed_the_answer_and_none_before_that() -> None:
    server, client = Server(), Client()
    tickets = [token(server.ask(client, Method.ALLOCATE, UDP, MOBILE), AttributeType.MOBILITY_TICKET)]
    for _ in range(2):
        answer = server.ask(Client(address=ELSEWHERE), Method.REFRESH, tickets[-1])
        tickets.append(token(answer, AttributeType.MOBILITY_TICKET))
    back = Client()
    assert server.code(back, Method.REFRESH, tickets[0]) == 400
    assert server.code(back, Method.REFRESH, tickets[1]) == 200
    assert server.relay.diary[-2:] == [("move", 1, CLIENT), ("refresh", 1, 600)]


def test_a_ticket_moves_nothing_for_anybody_else() -> None:
    server, client = Server(), Client()
    ticket = token(server.ask(client, Method.ALLOCATE, UDP, MOBILE), AttributeType.MOBILITY_TICKET)
    assert server.code(Client(username("eve"), ELSEWHERE), Method.REFRESH, ticket) == 441
    occupied = server.allocated(Client(address=ELSEWHERE))
    assert server.code(occupied, Method.REFRESH, ticket) == 437
    assert server.code(Client(address=CLIENT._replace(port=9)), Method.REFRESH, (ticket[0], bytes(16))) == 400
    assert server.code(client, Method.REFRESH) == 200


def test_a_ticket_ends_with_its_allocation() -> None:
    server, client = Server(), Client()
    ticket = token(server.ask(client, Method.ALLOCATE, UDP, MOBILE), AttributeType.MOBILITY_TICKET)
    server.now += 600
    server.machine.expire(server.now)
    assert server.code(Client(address=ELSEWHERE), Method.REFRESH, ticket) == 400


def test_where_nobody_moves_tickets_are_forbidden() -> None:
    server = Server(mobility=False)
    assert server.code(Client(), Method.ALLOCATE, UDP, MOBILE) == 405
    client = server.allocated()
    assert server.code(client, Method.REFRESH, (AttributeType.MOBILITY_TICKET, bytes(16))) == 405
    assert Server().code(Client(), Method.ALLOCATE, UDP, (AttributeType.MOBILITY_TICKET, b"x")) == 400


def test_the_quota_of_a_source_holds_for_those_who_move_there() -> None:
    server = Server(Quotas(per_source=1))
    ticket = token(server.ask(Client(), Method.ALLOCATE, UDP, MOBILE), AttributeType.MOBILITY_TICKET)
    server.allocated(Client(username("bob"), RelayClient(0, 0, ELSEWHERE.host, 9)))
    assert server.code(Client(address=ELSEWHERE), Method.REFRESH, ticket) == 486
    assert server.code(Client(), Method.REFRESH) == 200


# --- meetings that end, servers that drain


def test_the_allocations_of_a_meeting_that_is_over_end() -> None:
    server = Server()
    server.allocated(Client())
    other = server.allocated(Client(username(room="room2"), ELSEWHERE))
    assert server.machine.rooms() == {"room1", "room2"}
    assert server.machine.end_rooms(["room1", "room3"]) == 1
    assert server.relay.diary == [("close", 1)]
    assert server.code(Client(), Method.REFRESH) == 437
    assert server.code(other, Method.REFRESH) == 200


def test_a_server_that_drains_sends_the_new_elsewhere_and_keeps_the_others() -> None:
    server = Server()
    client = server.allocated()
    other = Address(CLIENT_IP, 3479)
    server.machine.redirect(lambda family: other if family == 1 else None)
    late = Client(address=ELSEWHERE)
    answer = server.ask(late, Method.ALLOCATE, UDP)
    assert code_of(answer) == 300
    assert answer.get(AttributeType.ALTERNATE_SERVER) == b"\0\1" + (3479).to_bytes(2) + CLIENT_IP.packed
    assert answer.has_integrity(), "nobody else sends our clients away"
    six = Client(address=RelayClient(0, 0, "2001:db8::1", 9))
    assert server.code(six, Method.ALLOCATE, UDP) == 508, "nowhere to go"
    assert server.code(client, Method.REFRESH) == 200
