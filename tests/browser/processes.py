"""The product as processes: started, found ready, ended; their output kept for a failing test."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.request import Request, urlopen

#: The namespace's own address (namespace.sh): browsers gather no candidates from loopback.
ADDRESS = "10.90.0.1"
MEETING = Path(sys.executable).parent / "meeting"


def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Process:
    """One `meeting …` process; its output goes to `log`."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._arguments = [str(MEETING), *arguments]
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(self._arguments, stdout=output, stderr=output, env=environment)

    def wait_ready(self, url: str, *, within: float = 120.0) -> None:
        """Waits until `url` answers 200; fails with the log's end when the process has ended or time is up."""
        assert self._process is not None
        deadline = monotonic() + within
        while not answers(url):
            if self._process.poll() is not None or monotonic() > deadline:
                raise AssertionError(f"{' '.join(self._arguments)} is not ready at {url}:\n{self.tail()}")
            sleep(0.1)

    def kill(self) -> None:
        """`kill -9`: no time for a last word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, as an administrator's service would; -9 after 15 s."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def answers(url: str) -> bool:
    """Whether `url` answers 200. Certificates are not this question's concern."""
    try:
        with urlopen(url, timeout=2, context=ssl._create_unverified_context()) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def get_json(url: str) -> object:
    with urlopen(Request(url, headers={"Accept": "application/json"}), timeout=5) as response:
        return json.load(response)
