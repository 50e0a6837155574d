"""Who asks (RFC 8489 §9.2), and what its user name says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.daemon.secret import Secret
from meeting.daemon.turn_user import TurnUser
from meeting.stun import AttributeType, Class, Message, Method, PasswordAlgorithm
from meeting.turnserver.authentication import ALGORITHMS, COOKIE
from tests.support.turn import CLIENT, NONCE, NOW, UDP, Client, Server, code_of, lifetime, username

OTHER = Secret("another secret of old")


@pytest.mark.parametrize("algorithm", [None, *PasswordAlgorithm])
@pytest.mark.parametrize("hash", ["sha1", "sha256"])
def test_the_answer_is_signed_as_the_request_was(algorithm: PasswordAlgorithm | None, hash: str) -> None:
    client = Client(algorithm=algorithm, hash="sha256" if hash == "sha256" else "sha1")
    answer = Server().ask(client, Method.ALLOCATE, UDP)
    assert code_of(answer) == 200
    assert (answer.has_integrity("sha1"), answer.has_integrity("sha256")) == (hash == "sha1", hash == "sha256")


def test_a_wrong_password_is_challenged_with_the_algorithms_that_were_offered() -> None:
    answer = Server().ask(Client(password="no", algorithm=PasswordAlgorithm.SHA256), Method.ALLOCATE, UDP)
    assert code_of(answer) == 401
    assert answer.get(AttributeType.NONCE) == COOKIE + NONCE
    assert answer.get(AttributeType.PASSWORD_ALGORITHMS) == ALGORITHMS
    assert Server().ask(Client(password="no"), Method.ALLOCATE, UDP).get(AttributeType.PASSWORD_ALGORITHMS) is None


SHA256, MD5 = PasswordAlgorithm.SHA256.entry, PasswordAlgorithm.MD5.entry


@pytest.mark.parametrize(
    ("offered", "chosen", "code"),
    [
        (ALGORITHMS, SHA256, 200),
        (MD5, MD5, 400),
        (MD5 + SHA256, MD5, 400),
        (ALGORITHMS, None, 400),
        (None, MD5, 400),
        (ALGORITHMS, b"\0\3\0\0", 400),
        (ALGORITHMS, b"", 400),
    ],
)
def test_who_was_offered_less_than_we_offered_is_refused(
    offered: bytes | None, chosen: bytes | None, code: int
) -> None:
    server, client = Server(), Client(algorithm=PasswordAlgorithm.SHA256)
    attributes = [
        UDP,
        (AttributeType.USERNAME, client.user.encode()),
        (AttributeType.REALM, b"meeting"),
        (AttributeType.NONCE, COOKIE + NONCE),
    ]
    if offered is not None:
        attributes.append((AttributeType.PASSWORD_ALGORITHMS, offered))
    if chosen is not None:
        attributes.append((AttributeType.PASSWORD_ALGORITHM, chosen))
    data = server.machine.receive(
        NOW, CLIENT, Message(Class.REQUEST, Method.ALLOCATE, bytes(12), attributes).build(client.key)
    )
    assert data is not None
    assert code_of(Message.parse(data)) == code


def test_a_truncated_tag_is_no_tag() -> None:
    client = Client(hash="sha256")
    whole = client.build(Method.ALLOCATE, UDP)
    cut = bytearray(whole[:-16])
    cut[2:4] = (len(cut) - 20).to_bytes(2)
    cut[-18:-16] = (16).to_bytes(2)
    data = Server().machine.receive(NOW, CLIENT, bytes(cut))
    assert data is not None
    assert code_of(Message.parse(data)) == 401


def test_the_hash_of_a_name_serves_who_was_here_before() -> None:
    server = Server()
    assert server.code(Client(hashed=True), Method.ALLOCATE, UDP) == 401
    server.allocated(Client())
    assert server.code(Client(hashed=True), Method.REFRESH, lifetime(600)) == 200
    assert server.code(Client(username("bob"), hashed=True), Method.REFRESH) == 401


def test_while_secrets_are_changed_the_one_before_holds_too() -> None:
    server = Server(secrets=[Secret("the new one, long enough"), OTHER])
    assert server.code(Client(secret=OTHER), Method.ALLOCATE, UDP) == 200
    assert server.code(Client(), Method.REFRESH) == 401
    assert Server().code(Client(secret=OTHER), Method.ALLOCATE, UDP) == 401


# --- names


@given(
    st.integers(0, 10**12 - 1),
    st.text(max_size=8),
    st.text(max_size=24),
    st.lists(st.tuples(st.ip_addresses(), st.integers(1, 65535)), max_size=3),
)
def test_a_user_name_says_what_it_was_made_from(
    expires_at: int, room: str, identity: str, servers: list[tuple[object, int]]
) -> None:
    texts = [f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}" for ip, port in servers]
    try:
        user = TurnUser.of(expires_at, room, identity, texts)
    except ValueError:
        return  # an IPv6 address with a zone, of which there are none in a meeting
    assert len(user.name.encode(errors="replace")) < 509
    assert TurnUser.parse(user.name) == user


@given(st.text(max_size=200))
def test_any_text_is_a_user_name_or_none(text: str) -> None:
    try:
        TurnUser.parse(text)
    except ValueError:
        pass


def test_a_user_name_has_room_for_no_more_than_its_length() -> None:
    servers = [f"[2001:db8:1234:5678:9abc:def0:1234:{number:x}]:65535" for number in range(0x1000, 0x1010)]
    user = TurnUser.of(999_999_999_999, "r" * 400, "é" * 400, servers)
    assert len(user.name.encode()) < 509
    read = TurnUser.parse(user.name)
    assert read.servers == user.servers[: len(read.servers)]
    assert len(read.servers) >= 5
