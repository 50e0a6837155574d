"""The file server on real sockets: large, slow, broken and rude clients."""

import os
import socket
from collections.abc import Callable
from time import monotonic, sleep, time

from tests.integration.files.servers import FileServer, digest

ID = "0123456789abcdef0123456789abcdef"


def head(server: FileServer, method: str, link: str, length: int | None = None) -> bytes:
    lines = [f"{method} {link} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def wait_until(condition: Callable[[], bool], within: float = 20.0) -> None:
    end = monotonic() + within
    while not condition():
        assert monotonic() < end, "it did not happen in time"
        sleep(0.05)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65_536):
        data += piece
    return data


def test_a_large_file_goes_through_without_filling_the_memory(make_file_server: Callable[..., FileServer]) -> None:
    server = make_file_server()
    data = os.urandom(1 << 20) * 80
    assert server.put("a" * 32, b"warm") == 201
    before = server.memory
    assert server.put(ID, data) == 201
    answer, body = server.get(ID)
    assert answer.status == 200 and digest(body) == digest(data)
    assert server.memory - before < 40 << 20
    assert server.parts == []

    answer, body = server.get(ID, {"Range": "bytes=1000000-1999999"})
    assert answer.status == 206 and body == data[1_000_000:2_000_000]


def test_an_upload_that_breaks_off_leaves_nothing(make_file_server: Callable[..., FileServer]) -> None:
    server = make_file_server()
    with server.dial() as connection:
        connection.sendall(head(server, "PUT", server.link("PUT", ID, size=10_000_000), 10_000_000))
        connection.sendall(b"x" * 2_000_000)
        wait_until(lambda: bool(server.parts))
    wait_until(lambda: not server.parts)
    assert server.get(ID)[0].status == 404
    assert server.put(ID, b"whole") == 201


def test_who_is_refused_hears_why_though_much_was_on_its_way(make_file_server: Callable[..., FileServer]) -> None:
    server = make_file_server(maxFileSize="1MB")
    cases = [
        (server.link("PUT", ID, size=5_000_000, expires=int(time()) - 5), b"410", b"link-expired"),
        (server.link("PUT", ID, size=5_000_000), b"413", b"too-large"),
        (server.link("PUT", "f" * 32, size=5_000_000).replace("f" * 32, ID), b"403", b"problem:link"),
    ]
    id, data = "e" * 32, b"y" * 1_000_000
    with server.dial() as other:
        other.sendall(head(server, "PUT", server.link("PUT", id, size=len(data)), len(data)) + data[:500_000])
        for link, status, problem in cases:
            with server.dial() as connection:
                connection.sendall(head(server, "PUT", link, 5_000_000))
                try:
                    connection.sendall(b"x" * 5_000_000)
                except OSError:
                    pass  # it does not have to listen to the end
                answer = connection.recv(65_536)
            assert answer.split()[1] == status and problem in answer
        other.sendall(data[500_000:])
        assert other.recv(65_536).split()[1] == b"201", "a neighbour's upload was disturbed"
    assert server.get(id)[1] == data
    assert server.parts == []


def test_an_upload_that_stands_still_is_ended(make_file_server: Callable[..., FileServer]) -> None:
    server = make_file_server(uploadSilence="1s")
    with server.dial() as connection:
        connection.sendall(head(server, "PUT", server.link("PUT", ID, size=100), 100) + b"slow")
        answer = read_all(connection)
    assert answer.split()[1] == b"408"
    wait_until(lambda: not server.parts)


def test_a_reader_that_takes_nothing_is_cut_off(make_file_server: Callable[..., FileServer]) -> None:
    server = make_file_server(readerStall="1s")
    data = os.urandom(1 << 20) * 40
    assert server.put(ID, data) == 201
    before = server.memory
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
    with connection:
        connection.sendall(head(server, "GET", server.link("GET", ID, name="x")))

        def is_cut_off() -> bool:
            log = server.daemon.page("/metrics")[1]
            return 'meeting_file_answers_total{method="GET",status="200"} 1.0' in log

        wait_until(is_cut_off)
        assert server.memory - before < 20 << 20
        received = 0
        try:
            while piece := connection.recv(65_536):
                received += len(piece)
        except ConnectionResetError:
            pass
        assert received < len(data)


def test_many_uploads_at_once_are_all_kept_apart(make_file_server: Callable[..., FileServer]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = make_file_server()
    files = {f"{number:032x}": os.urandom(200_000 + number) for number in range(24)}
    with ThreadPoolExecutor(12) as threads:
        assert set(threads.map(lambda item: server.put(*item), files.items())) == {201}
    for id, data in files.items():
        assert server.get(id)[1] == data
