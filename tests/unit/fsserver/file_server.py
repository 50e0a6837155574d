"""A file server in memory: the real resource behind a real Site, on a virtual clock."""

from struct import pack
from typing import Any
from zlib import compress, crc32

import pytest
from twisted.internet.task import Clock

from meeting.daemon.observe import Metrics
from meeting.daemon.secret import Secret, sign_file_link
from meeting.daemon.web import site
from meeting.fsserver.downloads import DownloadLimits, Downloads
from meeting.fsserver.removals import Removals
from meeting.fsserver.resource import ObjectsResource
from meeting.fsserver.uploads import UploadLimits, Uploads
from tests.support.http import Answer, Connection
from tests.unit.fsserver.memory_store import MemoryStore

ID = "0123456789abcdef0123456789abcdef"
HUB = "https://meet.example.com"
NOW = 1_800_000_000


def png(width: int = 1, height: int = 1) -> bytes:
    """A PNG picture; only its header tells a large size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data))

    header = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


class FileServer:
    """What a browser does with it."""

    def __init__(self, uploads: UploadLimits | None = None, downloads: DownloadLimits | None = None) -> None:
        downloads = downloads or DownloadLimits()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.secret = Secret("a secret of the tests")
        self.store = MemoryStore()
        self.uploads = Uploads(self.store, self.secret, self.clock, self.clock.seconds, uploads or UploadLimits())
        answers = Downloads(self.store, self.secret, self.clock.seconds, downloads)
        removals = Removals(self.store, self.secret, self.clock.seconds)
        self.resource = ObjectsResource(self.uploads, answers, removals, self.clock, {HUB}, downloads, Metrics())
        self.site = site(self.resource, self.clock, log_access=False)

    def connect(self) -> Connection:
        return Connection(self.site)

    def link(self, method: str, *, id: str = ID, expires: int = NOW + 300, **members: Any) -> str:
        """A link as the hub makes it."""
        path = f"/objects/{id}"
        return f"{path}?{sign_file_link(self.secret, method, path, 'ab' * 16, expires, **members)}"

    def put(self, data: bytes, **members: Any) -> Answer:
        """Upload with a permit of the right size."""
        link = self.link("PUT", **{"size": len(data), **members})
        return self.connect().request("PUT", link, data, {"Origin": HUB})

    def get(self, headers: dict[str, str] | None = None, method: str = "GET", **members: Any) -> Answer:
        return self.connect().request(method, self.link("GET", **{"name": "plan.png", **members}), headers=headers)


@pytest.fixture
def server() -> FileServer:
    return FileServer()
