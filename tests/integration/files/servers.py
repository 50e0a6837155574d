"""An fsserver as a process, and a client that is as rude as a test wants."""

import socket
from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from time import time
from typing import Any

from meeting.daemon.secret import Secret, sign_file_link
from tests.support.processes import SECRET, Daemon, free_port


class FileServer:
    """`meeting fsserver --config …`; may be killed and begun again over the same directory."""

    def __init__(self, directory: Path, **settings: object) -> None:
        (directory / "secret").write_text(SECRET)
        self.directory = directory / "files"
        self._home = directory
        self.port = free_port()
        self._settings: dict[str, object] = {
            "domainaddress": f"127.0.0.1:{self.port}",
            "plainHttp": f"127.0.0.1:{self.port}",
            "publicUrl": f"http://127.0.0.1:{self.port}",
            "directory": str(self.directory),
            "apiserver": f"http://127.0.0.1:{free_port()}",
            "stateDirectory": str(directory),
            "freeSpace": "1MB",
            **settings,
        }
        self._secret = Secret(SECRET)

    def start(self) -> None:
        self.daemon = Daemon("fsserver", self._home, self._settings)
        self.daemon.start()
        self.daemon.wait_until_ready()

    def kill(self) -> None:
        """kill -9."""
        self.daemon.kill()

    def link(self, method: str, id: str, *, expires: int | None = None, **members: Any) -> str:
        path = f"/objects/{id}"
        query = sign_file_link(self._secret, method, path, "ab" * 16, expires or int(time()) + 300, **members)
        return f"{path}?{query}"

    def put(self, id: str, data: bytes) -> int:
        """Upload; the status. Raises OSError or HTTPException when the connection breaks."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("PUT", self.link("PUT", id, size=len(data)), data)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def get(self, id: str, headers: Mapping[str, str] | None = None) -> tuple[HTTPResponse, bytes]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", self.link("GET", id, name="x"), headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer, answer.read()

    def dial(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return connection

    @property
    def parts(self) -> list[Path]:
        """What is not complete."""
        return list((self.directory / "parts").iterdir())

    @property
    def memory(self) -> float:
        """Bytes of resident memory."""
        line = next(
            line for line in self.daemon.page("/metrics")[1].splitlines() if line.startswith("process_resident_memory")
        )
        return float(line.split()[1])


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()
