"""Which of the pictures a browser shows is this? Decided by the bytes alone, never by a name or a claim.

Five formats are shown in place (png, jpeg, gif, webp, avif); all else is only ever offered for saving, so all there
is to answer is
"one of the five, and of a sane size". A guess among a thousand types (puremagic, libmagic) would be a larger surface
for
less: what they add, we must not act upon.

The size counts, because a file of a few kilobytes may decode into gigabytes in every viewer's browser. It is read
from the headers:
PNG (ISO 15948) 11.2.2, GIF89a 18, JPEG (T.81) B.2.2, RIFF/WebP container (VP8, VP8L, VP8X), AVIF's `ispe` (ISO
23008-12) 6.5.3.
"""

from dataclasses import dataclass
from struct import error as StructError
from struct import unpack_from

HEAD_SIZE = 256 << 10  # bytes of a file that are looked at: a JPEG's frame follows its metadata

OCTET_STREAM = "application/octet-stream"


@dataclass(frozen=True)
class Picture:
    """A picture in one of the five formats."""

    type: str
    width: int
    height: int


def picture_in(head: bytes) -> Picture | None:
    """The picture that a file beginning with `head` (up to HEAD_SIZE bytes) is, if it is one of clear size."""
    try:
        for matches, type, size in _FORMATS:
            if matches(head):
                width, height = size(head)
                return Picture(type, width, height) if width and height else None
    except (StructError, IndexError):
        pass
    return None


def shown_type(head: bytes, most_pixels: int) -> str | None:
    """The media type under which the file may be shown in place; None: it is to be saved, as OCTET_STREAM."""
    picture = picture_in(head)
    return picture.type if picture is not None and picture.width * picture.height <= most_pixels else None


class _NoSize(IndexError):
    pass


def _png(head: bytes) -> tuple[int, int]:
    if head[12:16] != b"IHDR":
        raise _NoSize
    width, height = unpack_from(">II", head, 16)
    return width, height


def _gif(head: bytes) -> tuple[int, int]:
    width, height = unpack_from("<HH", head, 6)
    return width, height


def _jpeg(head: bytes) -> tuple[int, int]:
    at = 2
    while True:
        if head[at] != 0xFF:
            raise _NoSize
        while head[at] == 0xFF:
            at += 1
        marker = head[at]
        length = unpack_from(">H", head, at + 1)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = unpack_from(">HH", head, at + 4)
            return width, height
        if marker == 0xDA or length < 2:
            raise _NoSize
        at += 1 + length


def _webp(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8 ":
        if head[23:26] != b"\x9d\x01\x2a":
            raise _NoSize
        width, height = unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = unpack_from("<I", head, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        width, height = (int.from_bytes(_exactly(head[at : at + 3]), "little") + 1 for at in (24, 27))
        return width, height
    raise _NoSize


def _exactly(three: bytes) -> bytes:
    if len(three) != 3:
        raise _NoSize
    return three


def _avif(head: bytes) -> tuple[int, int]:
    """The largest `ispe` counts: a small primary item may stand beside a huge one."""
    sizes = []
    at = head.find(b"ispe")
    while at >= 0:
        sizes.append(unpack_from(">II", head, at + 8))
        at = head.find(b"ispe", at + 4)
    if not sizes:
        raise _NoSize
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return width, height


def _is_avif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis")


_FORMATS = (
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), "image/png", _png),
    (lambda head: head.startswith(b"\xff\xd8\xff"), "image/jpeg", _jpeg),
    (lambda head: head[:6] in (b"GIF87a", b"GIF89a"), "image/gif", _gif),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", "image/webp", _webp),
    (_is_avif, "image/avif", _avif),
)
