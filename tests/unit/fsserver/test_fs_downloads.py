"""A download is what the bytes are, for whom has a link, as far as and as fast as wanted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.fsserver.downloads import DownloadLimits, RangeNotSatisfiable, content_disposition, parse_range
from tests.unit.fsserver.file_server import HUB, ID, NOW, FileServer, png

PICTURE = png() + bytes(range(256)) * 1000


@pytest.fixture
def server() -> FileServer:
    server = FileServer()
    server.store.objects[ID] = PICTURE
    return server


def test_a_picture_is_shown_in_place(server: FileServer) -> None:
    answer = server.get({"Origin": HUB})
    assert answer.status == 200 and answer.body == PICTURE
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "private" in answer.headers["Cache-Control"] and "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Access-Control-Allow-Origin"] == HUB
    assert answer.headers.get_all("Content-Security-Policy") == ["sandbox; default-src 'none'"]
    assert server.store.open_files == 0


@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html><script>alert(1)</script>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"#!/bin/sh\nrm -rf /",
        b"%PDF-1.7",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n<script>",
        b"",
    ],
)
def test_all_else_is_only_for_saving_whatever_it_is_called(server: FileServer, content: bytes) -> None:
    server.store.objects[ID] = content
    answer = server.get(name="innocent.png")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.body == content


def test_a_picture_that_would_fill_the_memory_is_not_shown(server: FileServer) -> None:
    server.store.objects[ID] = png(60_000, 60_000)
    answer = server.get()
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_head_tells_all_but_the_bytes(server: FileServer) -> None:
    answer = server.get(method="HEAD")
    assert answer.status == 200 and answer.body == b""
    assert answer.headers["Content-Length"] == str(len(PICTURE))
    assert answer.headers["Content-Type"] == "image/png"


def test_one_range_is_served(server: FileServer) -> None:
    answer = server.get({"Range": "bytes=10-19"})
    assert answer.status == 206 and answer.body == PICTURE[10:20]
    assert answer.headers["Content-Range"] == f"bytes 10-19/{len(PICTURE)}"
    assert server.get({"Range": "bytes=-5"}).body == PICTURE[-5:]
    assert server.get({"Range": f"bytes={len(PICTURE) - 3}-"}).body == PICTURE[-3:]


def test_several_ranges_or_nonsense_get_the_whole(server: FileServer) -> None:
    for header in ("bytes=0-1,5-6", "lines=1-2", "bytes=9-3", "bytes=x-y"):
        answer = server.get({"Range": header})
        assert answer.status == 200 and answer.body == PICTURE


def test_a_range_outside_is_an_error_with_the_size(server: FileServer) -> None:
    answer = server.get({"Range": f"bytes={len(PICTURE)}-"})
    assert answer.status == 416 and answer.headers["Content-Range"] == f"bytes */{len(PICTURE)}"
    assert server.store.open_files == 0


def test_what_the_browser_has_is_not_sent_again(server: FileServer) -> None:
    etag = server.get().headers["ETag"]
    answer = server.get({"If-None-Match": etag})
    assert answer.status == 304 and answer.body == b"" and answer.headers["ETag"] == etag
    assert server.get({"If-Range": etag, "Range": "bytes=0-0"}).status == 206
    assert server.get({"If-Range": '"other"', "Range": "bytes=0-0"}).status == 200


def test_a_wrong_or_missing_link_opens_nothing(server: FileServer) -> None:
    link = server.link("GET", name="a")
    for bad in (link.replace("name=a", "name=b"), f"/objects/{ID}", link[:-3] + "AAA", server.link("PUT", size=4)):
        answer = server.connect().request("GET", bad)
        assert answer.status == 403 and answer.json["type"] == "urn:meeting:problem:link"


def test_an_expired_link_is_gone(server: FileServer) -> None:
    answer = server.get(expires=NOW - 1)
    assert answer.status == 410 and answer.json["type"] == "urn:meeting:problem:link-expired"


def test_what_was_never_uploaded_is_not_found(server: FileServer) -> None:
    assert server.get(id="f" * 32).status == 404


def test_a_slow_reader_is_waited_for_but_not_for_ever(server: FileServer) -> None:
    server.store.objects[ID] = b"x" * 1_000_000
    connection = server.connect()
    request = f"GET {server.link('GET', name='big')} HTTP/1.1\r\nHost: fs\r\n\r\n".encode()
    socket: Any = connection.transport
    write = socket.write

    def full_socket(data: bytes) -> None:
        write(data)
        socket.producer.pauseProducing()

    socket.write = full_socket
    connection.send(request)
    assert len(connection.transport.value()) < 200_000
    server.clock.advance(59)
    socket.producer.resumeProducing()
    assert socket.connected
    server.clock.advance(61)
    assert not socket.connected
    assert server.store.open_files == 0


@given(st.text(max_size=60), st.integers(0, 10_000))
def test_range_headers_never_surprise(header: str, size: int) -> None:
    for text in (header, f"bytes={header}"):
        try:
            range = parse_range(text, size)
        except RangeNotSatisfiable:
            continue
        assert range is None or 0 <= range[0] <= range[1] < size


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 100))
def test_ranges_are_those_of_the_file(first: int, last: int, size: int) -> None:
    data = bytes(size)
    try:
        range = parse_range(f"bytes={first}-{last}", size)
    except RangeNotSatisfiable:
        assert first >= size
        return
    if last < first:
        assert range is None
    else:
        assert range is not None and len(data[range[0] : range[1] + 1]) == len(data[first : last + 1])


@given(st.text())
def test_any_name_makes_one_safe_header(name: str) -> None:
    header = content_disposition("attachment", name)
    assert header.isascii() and header.isprintable()
    assert header.count('"') in (0, 2)


def test_a_name_keeps_its_letters() -> None:
    assert content_disposition("inline", "Übersicht 50%.png") == (
        "inline; filename=\"_bersicht 50_.png\"; filename*=UTF-8''%C3%9Cbersicht%2050%25.png"
    )
    assert content_disposition("attachment", "../../etc/passwd") == (
        "attachment; filename=\"etcpasswd\"; filename*=UTF-8''etcpasswd"
    )
    assert content_disposition("attachment", None) == "attachment"


def test_the_limit_of_pixels_is_an_option() -> None:
    server = FileServer(downloads=DownloadLimits(pixels=10))
    server.store.objects[ID] = png(4, 4)
    assert server.get().headers["Content-Type"] == "application/octet-stream"


def test_a_file_is_removed_by_a_link_for_that_alone(server: FileServer) -> None:
    for method in ("GET", "PUT"):
        assert server.connect().request("DELETE", server.link(method)).status == 403
    assert server.connect().request("DELETE", server.link("DELETE", expires=NOW - 1)).status == 410
    assert server.get().status == 200
    removed = server.connect().request("DELETE", server.link("DELETE"))
    assert (removed.status, removed.body) == (204, b"")
    assert server.get().status == 404
    # Whoever asks again, because the answer was lost, hears the same.
    assert server.connect().request("DELETE", server.link("DELETE")).status == 204
