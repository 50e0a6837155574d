"""The whole way of a picture: announced at the hub, sent to the file server, found again by the link that lasts."""

from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

from tests.integration.files.servers import FileServer
from tests.integration.minutes.hubs import Hub
from tests.unit.fsserver.file_server import png

PICTURE = png(3, 2)


def ask(method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.request(method, f"{parts.path}?{parts.query}", body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def test_a_picture_is_kept_and_shown_to_those_of_the_meeting_only(hub: Hub, tmp_path: Path) -> None:
    directory = tmp_path / "fs"
    directory.mkdir()
    files = FileServer(directory, apiserver=hub.origin)
    files.start()
    try:
        ada, eve = hub.sign_in("ada@example.com"), hub.sign_in("eve@example.com")
        code = hub.instant(ada)
        about = {"name": "plan.png", "type": "image/png", "size": len(PICTURE)}
        end = monotonic() + 20
        status, announced, _ = hub.request("POST", f"/api/v1/meetings/{code}/files", about, ada)
        while status == 503 and monotonic() < end:  # until the file server has registered
            sleep(0.2)
            status, announced, _ = hub.request("POST", f"/api/v1/meetings/{code}/files", about, ada)
        assert status == 201

        url = announced["upload"]["url"]
        status, headers, _ = ask("PUT", url, PICTURE, Origin=hub.origin)
        assert (status, headers["Access-Control-Allow-Origin"]) == (201, hub.origin)
        assert ask("PUT", url, PICTURE)[0] == 200
        assert ask("PUT", url, PICTURE[::-1])[0] == 409
        assert ask("GET", url)[0] == 403, "a permit to upload is no link"

        status, headers, _ = ask("GET", hub.origin + announced["href"], Cookie=ada)
        assert status == 302
        status, shown, data = ask("GET", headers["Location"])
        assert (status, data) == (200, PICTURE)
        assert (shown["Content-Type"], shown["X-Content-Type-Options"]) == ("image/png", "nosniff")
        assert shown["Content-Disposition"] == "inline; filename=\"plan.png\"; filename*=UTF-8''plan.png"
        assert ask("GET", headers["Location"].replace("plan.png", "evil.exe"))[0] == 403

        assert ask("GET", hub.origin + announced["href"], Cookie=eve)[0] == 403
        assert ask("GET", hub.origin + announced["href"])[0] == 401
    finally:
        files.daemon.kill()
