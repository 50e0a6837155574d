"""The product as processes: started, found ready, killed or ended; what they say is kept for a failing test."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

MEETING = Path(sys.executable).parent / "meeting"
TWISTD = Path(sys.executable).parent / "twistd"
SECRET = "correct horse battery staple"
STARTING = 150.0
"""Seconds. Seven on an idle machine of two cores; the tests may not be alone on it."""
STOPPING = 25.0
"""A daemon ends within 20 s, or ends itself with status 1."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that is free now, and not given to anybody else of this run: below those that the system
    takes for connections going out, and those that the turnserver relays from.
    """
    while True:
        number = next(_PORTS)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
        return number


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> range:
    """So many of them in a row."""
    numbers: list[int] = []
    while len(numbers) < count:
        number = free_port(kind)
        if numbers and number != numbers[-1] + 1:
            numbers.clear()
        numbers.append(number)
    return range(numbers[0], numbers[-1] + 1)


def _ports_of_this_worker() -> Iterator[int]:
    """Each of the tests' workers has its own thousands; several runs on one machine begin at different ones of them."""
    first = 10_000 + 5_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4)
    start = os.getpid() % 5_000
    return itertools.cycle(first + (start + each) % 5_000 for each in range(5_000))


_PORTS = _ports_of_this_worker()


def page(url: str) -> tuple[int, str]:
    """Status and text of a page; (0, "") while nothing listens there."""
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except (URLError, OSError):
        return 0, ""


class Process:
    """One `meeting …`; all that it writes goes to the end of `log`."""

    def __init__(
        self, arguments: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        self._arguments = [str(each) for each in (MEETING, *arguments)]
        # Options of the person who runs the tests are not the tests'.
        own = {name: value for name, value in os.environ.items() if not name.startswith("MEETING_")}
        self._environment = {**own, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def text(self) -> str:
        """All that it has written."""
        return self.log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The system's number of it."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Begin; also again after it has ended."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._arguments, stdout=output, stderr=output, env=self._environment, cwd=self.log.parent
            )

    def wait_ready(self, url: str, within: float = STARTING) -> None:
        """Until `url` answers 200; fails with the log's end when the process has ended or time is up."""
        end = monotonic() + within
        while (found := page(url))[0] != 200:
            assert self.is_running, f"{self._arguments} has ended:\n{self.tail()}"
            assert monotonic() < end, f"{self._arguments} is not ready: {found}\n{self.tail()}"
            sleep(0.1)

    def kill(self) -> None:
        """`kill -9`: no time for a last word. Nothing happens to one that has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """SIGTERM, as an administrator's service manager would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """The exit status; fails when the process does not end by itself."""
        assert self._process is not None
        return self._process.wait(STOPPING)

    def stop(self) -> None:
        """End it one way or the other, when a test is over."""
        if self.is_running:
            self.terminate()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill()

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.text.splitlines()[-lines:])


class Daemon(Process):
    """One `meeting <name> --config …`, with a private port for its status and a log in JSON."""

    def __init__(self, name: str, directory: Path, settings: Mapping[str, object], pool: str = "") -> None:
        """`pool`: further lines of the configuration file, behind the settings."""
        self.name = name
        self.status = free_port()
        lines = {
            "secretFile": str(directory / "secret"),
            "status": f"127.0.0.1:{self.status}",
            "logFormat": "json",
            **settings,
        }
        file = directory / f"{name}.toml"
        # TOML's strings, numbers and arrays of them are written as JSON writes them.
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items()) + pool)
        super().__init__([name, "--config", file], directory / f"{name}.log")
        self._file = file

    def use_twistd(self) -> None:
        """From the next start on it is `twistd -n meeting-<name>`, which has a log of its own kind."""
        self._arguments = [str(TWISTD), "-n", "--pidfile=", f"meeting-{self.name}", "--config", str(self._file)]

    def page(self, path: str) -> tuple[int, str]:
        """A page of the private port."""
        return page(f"http://127.0.0.1:{self.status}{path}")

    def wait_until_ready(self) -> None:
        """Until `/readyz` answers 200."""
        self.wait_ready(f"http://127.0.0.1:{self.status}/readyz")

    def wait_for(self, words: str, within: float = 20.0) -> None:
        """Until the log holds `words`."""
        end = monotonic() + within
        while words not in self.text:
            assert self.is_running, f"{self.name} has ended:\n{self.tail()}"
            assert monotonic() < end, f"{self.name} did not say {words!r}:\n{self.tail()}"
            sleep(0.1)
