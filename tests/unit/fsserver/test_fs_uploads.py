"""An upload is what its permit says, or nothing is left of it."""

from hashlib import sha256
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from meeting.fsserver.uploads import UploadLimits
from tests.support.http import Connection
from tests.unit.fsserver.file_server import HUB, ID, NOW, FileServer, png

DATA = png() + b"x" * 100_000


@pytest.fixture
def server() -> FileServer:
    return FileServer()


def head(link: str, length: int | None, *more: str) -> bytes:
    lines = [f"PUT {link} HTTP/1.1", "Host: fs.test", f"Origin: {HUB}", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_permitted_upload_is_kept(server: FileServer) -> None:
    answer = server.put(DATA)
    assert answer.status == 201
    assert answer.json == {"id": ID, "size": len(DATA), "type": "image/png", "sha256": sha256(DATA).hexdigest()}
    assert server.store.objects == {ID: DATA}
    assert server.store.parts == [] and server.uploads.running == 0
    assert answer.headers["Access-Control-Allow-Origin"] == HUB


def test_it_may_come_in_pieces(server: FileServer) -> None:
    connection = server.connect()
    connection.send(head(server.link("PUT", size=len(DATA)), len(DATA)))
    for at in range(0, len(DATA), 1000):
        connection.send(DATA[at : at + 1000])
    assert connection.answer().status == 201
    assert server.store.objects == {ID: DATA}


def test_an_empty_file_is_a_file(server: FileServer) -> None:
    assert server.put(b"").status == 201
    assert server.store.objects == {ID: b""}


def test_the_same_again_is_fine_and_other_bytes_are_a_conflict(server: FileServer) -> None:
    assert server.put(DATA).status == 201
    again = server.put(DATA)
    assert again.status == 200 and again.json["sha256"] == sha256(DATA).hexdigest()
    other = server.put(DATA[::-1])
    assert other.status == 409 and other.json["type"] == "urn:meeting:problem:conflict"
    assert server.store.objects == {ID: DATA} and server.store.parts == []
    assert server.store.open_files == 0


def test_a_tampered_permit_is_refused_before_the_body(server: FileServer) -> None:
    link = server.link("PUT", size=10).replace("size=10", "size=99")
    connection = server.connect()
    connection.send(head(link, 99))
    answer = connection.answer()
    assert answer.status == 403 and answer.json["type"] == "urn:meeting:problem:link"
    assert answer.headers["Access-Control-Allow-Origin"] == HUB, "a page must be able to read why"
    assert answer.headers["Connection"] == "close"


def test_a_permit_for_another_file_is_refused(server: FileServer) -> None:
    link = server.link("PUT", size=1, id="f" * 32).replace("f" * 32, ID)
    assert server.connect().request("PUT", link, b"x").status == 403


def test_a_link_for_reading_is_no_permit(server: FileServer) -> None:
    assert server.connect().request("PUT", server.link("GET", name="x"), b"x").status == 403
    assert server.connect().request("PUT", server.link("PUT"), b"x").status == 403


def test_an_expired_permit_is_gone(server: FileServer) -> None:
    answer = server.put(b"late", expires=NOW - 1)
    assert answer.status == 410 and answer.json["type"] == "urn:meeting:problem:link-expired"


@pytest.mark.parametrize(("length", "status"), [(11, 413), (9, 400), (None, 411)])
def test_the_length_must_be_the_one_permitted(server: FileServer, length: int | None, status: int) -> None:
    connection = server.connect()
    more = () if length is not None else ("Transfer-Encoding: chunked",)
    connection.send(head(server.link("PUT", size=10), length, *more))
    assert connection.answer().status == status
    assert server.store.parts == []


def test_an_upload_over_the_limit_of_this_server_is_refused() -> None:
    server = FileServer(UploadLimits(size=1000))
    answer = server.put(b"x" * 1001)
    assert answer.status == 413 and "1000" in answer.json["detail"]


def test_there_are_only_so_many_at_once() -> None:
    server = FileServer(UploadLimits(at_once=1))
    first = server.connect()
    first.send(head(server.link("PUT", size=10), 10) + b"12345")
    refused = server.put(b"x", id="f" * 32)
    assert refused.status == 503 and refused.headers["Retry-After"]
    first.send(b"67890")
    assert first.answer().status == 201
    assert server.put(b"x", id="f" * 32).status == 201


def test_a_full_disk_says_so_before_the_body(server: FileServer) -> None:
    server.store.free = 10
    answer = server.put(b"x" * 11)
    assert answer.status == 507 and answer.json["type"] == "urn:meeting:problem:no-space"


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(server: FileServer) -> None:
    connection = server.connect()
    connection.send(head(server.link("PUT", size=10), 10))
    server.store.free = 0
    connection.send(b"x" * 10)
    assert connection.answer().status == 507
    assert server.store.objects == {} and server.store.parts == []


def test_a_broken_upload_leaves_nothing(server: FileServer) -> None:
    connection = server.connect()
    connection.send(head(server.link("PUT", size=10), 10) + b"12345")
    connection.protocol.connectionLost(Failure(ConnectionLost()))
    assert server.store.objects == {} and server.store.parts == [] and server.uploads.running == 0
    assert server.put(b"1234567890").status == 201


def test_a_broken_upload_leaves_nothing_though_the_disk_is_slow(server: FileServer) -> None:
    server.store.is_slow = True
    connection = server.connect()
    connection.send(head(server.link("PUT", size=10), 10) + b"12345")
    connection.protocol.connectionLost(Failure(ConnectionLost()))
    server.store.write_one()
    assert server.store.parts == [] and server.uploads.running == 0


def test_a_slow_disk_stops_the_sender(server: FileServer) -> None:
    server.store.is_slow = True
    size = 1 << 20
    connection = server.connect()
    connection.send(head(server.link("PUT", size=size), size))
    sent = 0
    while connection.transport.producerState == "producing" and sent < size:
        connection.send(b"x" * 65_536)
        sent += 65_536
    assert sent < size, "the sender was never stopped"
    held = sent
    while server.store.writes:
        server.store.write_one()
    assert connection.transport.producerState == "producing"
    assert held <= 512 << 10
    server.store.is_slow = False
    connection.send(b"x" * (size - sent))
    assert connection.answer().status == 201


def test_an_upload_that_stands_still_is_given_up(server: FileServer) -> None:
    connection = server.connect()
    connection.send(head(server.link("PUT", size=10), 10) + b"12345")
    server.clock.advance(29)
    assert server.uploads.running == 1
    server.clock.advance(2)
    answer = connection.answer()
    assert answer.status == 408 and answer.json["type"] == "urn:meeting:problem:upload-too-slow"
    assert server.store.parts == [] and server.uploads.running == 0
    server.clock.advance(6)
    assert connection.is_closed


def test_an_upload_that_drips_is_given_up(server: FileServer) -> None:
    connection = server.connect()
    connection.send(head(server.link("PUT", size=1000), 1000))
    for _ in range(4):
        connection.send(b"x")
        server.clock.advance(20)
    assert connection.answer().status == 408
    assert server.uploads.running == 0


def test_who_was_refused_may_send_on_for_a_moment_and_hears_the_answer(server: FileServer) -> None:
    connection = server.connect()
    connection.send(head(server.link("PUT", size=10, expires=NOW - 1), 10) + b"1234")
    assert connection.answer().status == 410
    assert not connection.is_closed
    connection.send(b"567890")
    assert connection.is_closed


def test_who_was_refused_is_not_listened_to_for_ever(server: FileServer) -> None:
    patient = server.connect()
    patient.send(head(server.link("PUT", size=10, expires=NOW - 1), 10))
    server.clock.advance(6)
    assert patient.is_closed
    eager = server.connect()
    eager.send(head(server.link("PUT", size=1 << 30, expires=NOW - 1), 1 << 30))
    for _ in range(17):
        if not eager.is_closed:
            eager.send(b"x" * 65_536)
    assert eager.is_closed


def test_expect_continue_is_honoured_only_for_whom_is_let_in(server: FileServer) -> None:
    good = server.connect()
    good.send(head(server.link("PUT", size=4), 4, "Expect: 100-continue"))
    assert good.transport.value() == b"HTTP/1.1 100 Continue\r\n\r\n"
    bad = server.connect()
    bad.send(head(server.link("PUT", size=4, expires=NOW - 1), 4, "Expect: 100-continue"))
    assert bad.answer().status == 410
    assert bad.transport.value() == b""
    good.transport.clear()
    good.send(b"data")
    assert good.answer().status == 201


def test_a_page_of_the_hub_may_ask_first(server: FileServer) -> None:
    preflight = {
        "Origin": HUB,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = server.connect().request("OPTIONS", server.link("PUT", size=1), headers=preflight)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == HUB
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    assert "content-type" in answer.headers["Access-Control-Allow-Headers"].lower()
    stranger = server.connect().request(
        "OPTIONS", "/objects/x", headers={**preflight, "Origin": "https://evil.example"}
    )
    assert stranger.headers["Access-Control-Allow-Origin"] is None


def test_other_methods_and_addresses_are_not_there(server: FileServer) -> None:
    assert server.connect().request("POST", f"/objects/{ID}", b"x").status == 405
    assert server.connect().request("DELETE", f"/objects/{ID}").status == 403
    assert server.connect().request("PUT", "/objects/../etc/passwd", b"x").status == 404
    assert server.connect().request("GET", "/objects/" + "g" * 32).status == 404


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["meeting", "expires", "size", "name", "signature", "x"]),
        st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=30),
    ),
    st.sampled_from(["PUT", "GET", "HEAD"]),
)
def test_no_made_up_query_opens_anything(query: dict[str, str], method: str) -> None:
    server = FileServer()
    server.store.objects[ID] = b"secret"
    body = b"x" if method == "PUT" else None
    answer = Connection(server.site).request(method, f"/objects/{ID}?{urlencode(query)}", body)
    assert answer.status in (400, 403, 410)
    assert server.store.objects == {ID: b"secret"}


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_in_a_query_break_it(raw: bytes) -> None:
    server = FileServer()
    query = bytes(byte for byte in raw if 0x20 < byte < 0x7F)
    connection = server.connect()
    connection.send(b"GET /objects/" + ID.encode() + b"?" + query + b" HTTP/1.1\r\nHost: fs\r\n\r\n")
    assert 400 <= connection.answer().status < 500
