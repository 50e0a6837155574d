"""Five kinds of picture are known by their bytes, with their size; nothing else is."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.daemon.images import Picture, picture_in, shown_type
from tests.unit.fsserver.file_server import png

JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    + b"\xff\xfe\x00\x04hi"
    + b"\xff\xc2\x00\x11\x08"
    + pack(">HH", 48, 64)
)
GIF = b"GIF89a" + pack("<HH", 64, 48) + b"\0\0\0"
WEBP_LOSSY = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + pack("<HH", 64, 48)
WEBP_LOSSLESS = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + pack("<I", 63 | 47 << 14)
WEBP_EXTENDED = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x3f\0\0\x2f\0\0"
AVIF = b"\0\0\0\x1cftypavif\0\0\0\0" + b"\0\0\0\x14ispe\0\0\0\0" + pack(">II", 64, 48)


@pytest.mark.parametrize(
    ("head", "type"),
    [
        (png(64, 48), "image/png"),
        (JPEG, "image/jpeg"),
        (GIF, "image/gif"),
        (WEBP_LOSSY, "image/webp"),
        (WEBP_LOSSLESS, "image/webp"),
        (WEBP_EXTENDED, "image/webp"),
        (AVIF, "image/avif"),
    ],
)
def test_a_picture_is_known_by_its_bytes(head: bytes, type: str) -> None:
    assert picture_in(head) == Picture(type, 64, 48)
    assert shown_type(head, 64 * 48) == type
    assert shown_type(head, 64 * 48 - 1) is None
    for end in range(len(head) - 1):
        cut = picture_in(head[:end])
        assert cut is None or cut == Picture(type, 64, 48)


@given(st.sampled_from([png(), JPEG, GIF, WEBP_LOSSY, WEBP_LOSSLESS, WEBP_EXTENDED, AVIF]), st.data())
def test_damaged_pictures_are_never_a_surprise(head: bytes, data: st.DataObject) -> None:
    damaged = bytearray(head)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    picture = picture_in(bytes(damaged))
    assert picture is None or (picture.width > 0 and picture.height > 0)


@given(st.binary(max_size=100))
def test_random_bytes_are_no_picture(data: bytes) -> None:
    picture = picture_in(b"<" + data)
    assert picture is None
