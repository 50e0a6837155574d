"""Each daemon as a process of its own: begun from a file, found ready, ended by SIGTERM; and refused in one line."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

MEETING = Path(sys.executable).parent / "meeting"
SECRET = "correct horse battery staple"
STARTING = 150.0  # seven seconds on an idle machine of two cores; the tests may not be alone on it
STOPPING = 25.0


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that is free now, below those that the turnserver relays from."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind(("127.0.0.1", 0))
            number: int = probe.getsockname()[1]
        if number < 49_152:
            return number


class Daemon:
    """One `meeting <name> --config …`; its log is in `log`."""

    def __init__(self, name: str, directory: Path, settings: dict[str, object], pool: str = "") -> None:
        self.name = name
        self.status = free_port()
        lines = {
            "secretFile": str(directory / "secret"),
            "status": f"127.0.0.1:{self.status}",
            "logFormat": "json",
            **settings,
        }
        file = directory / f"{name}.toml"
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items()) + pool)
        self.log = directory / f"{name}.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MEETING_")}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [MEETING, name, "--config", file], stdout=out, stderr=out, env=environment, cwd=directory
            )

    def page(self, path: str) -> tuple[int, str]:
        """A page of the private port: status and text; (0, "") while nothing listens."""
        try:
            with urlopen(f"http://127.0.0.1:{self.status}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError):
            return 0, ""

    def wait_ready(self) -> None:
        end = monotonic() + STARTING
        while self.page("/readyz")[0] != 200:
            assert self.process.poll() is None, f"{self.name} has ended:\n{self.log.read_text()}"
            assert monotonic() < end, f"{self.name} is not ready: {self.page('/readyz')}\n{self.log.read_text()}"
            sleep(0.1)

    def terminate(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOPPING)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[dict[str, Daemon]]:
    """All five, knowing one another, over plain HTTP on loopback."""
    (tmp_path / "secret").write_text(SECRET)
    http = {name: free_port() for name in ("apiserver", "sfuserver", "fsserver", "allocateserver")}
    hub = f"http://127.0.0.1:{http['apiserver']}"

    def web(name: str) -> dict[str, object]:
        return {
            "domainaddress": f"localhost:{http[name]}",
            "publicUrl": f"http://localhost:{http[name]}",
            "plainHttp": f"127.0.0.1:{http[name]}",
            "stateDirectory": str(tmp_path / name),
        }

    udp = socket.SOCK_DGRAM
    pool = f'[[sfu]]\naddress = "localhost:{http["sfuserver"]}"\n[[fs]]\naddress = "localhost:{http["fsserver"]}"\n'
    allocate = f"http://127.0.0.1:{http['allocateserver']}/allocate"
    mail = {"mailServer": ["127.0.0.1"], "mailFrom": ["meeting@example.com"]}
    media = {"mediaPort": free_port(udp), "mediaAddress": ["127.0.0.1"]}
    with ExitStack() as running:

        def start(name: str, settings: dict[str, object], pool: str = "") -> Daemon:
            daemon = Daemon(name, tmp_path, settings, pool)
            running.callback(daemon.end)
            return daemon

        yield {
            "apiserver": start("apiserver", {**web("apiserver"), **mail, "allocateserver": allocate}),
            "sfuserver": start("sfuserver", {**web("sfuserver"), **media, "apiserver": hub}),
            "turnserver": start("turnserver", {"ip": ["127.0.0.1"], "port": free_port(udp), "apiserver": hub}),
            "fsserver": start("fsserver", {**web("fsserver"), "directory": str(tmp_path / "files"), "apiserver": hub}),
            "allocateserver": start("allocateserver", {**web("allocateserver"), "apiserver": hub}, pool),
        }


def test_each_daemon_starts_from_a_file_tells_that_it_is_ready_and_ends_by_sigterm(daemons: dict[str, Daemon]) -> None:
    for daemon in daemons.values():
        daemon.wait_ready()
    for name, daemon in daemons.items():
        assert daemon.page("/healthz")[0] == 200
        assert "process_cpu_seconds_total" in daemon.page("/metrics")[1], name

    end = monotonic() + 20
    for name, daemon in daemons.items():
        while name != "apiserver" and "registered with the hub" not in daemon.log.read_text():
            assert monotonic() < end, f"{name} did not register:\n{daemon.log.read_text()}"
            sleep(0.1)

    # The hub last, so that the others can say good-bye.
    for name in reversed(daemons):
        assert daemons[name].terminate() == 0, f"{name}:\n{daemons[name].log.read_text()}"
    for name, daemon in daemons.items():
        lines = [json.loads(line) for line in daemon.log.read_text().splitlines()]
        assert SECRET not in daemon.log.read_text()
        assert [line for line in lines if line["level"] == "critical"] == [], name


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("apiserver", [], "--secret is needed"),
        ("apiserver", ["--secret", SECRET, "--domainaddress", "a:443"], "--mailServer is needed"),
        ("sfuserver", ["--secret", "short", "--domainaddress", "a:443", "--apiserver", "b:443"], "at least 16"),
        ("sfuserver", ["--secret", SECRET, "--domainaddress", "a", "--apiserver", "b:443"], "write host:port"),
        ("turnserver", ["--secret", SECRET, "--apiserver", "b:443"], "--ip is needed"),
        ("fsserver", ["--secret", SECRET, "--domainaddress", "a:443", "--apiserver", "b:443"], "--directory is needed"),
        ("fsserver", ["--cert", "/c"], "--secret is needed"),
        ("allocateserver", ["--config", "/does/not/exist.toml"], "cannot be read"),
        ("allocateserver", ["--what"], "--what"),
        ("demo", ["--port", "99999"], "--port"),
    ],
)
def test_options_that_cannot_be_end_with_one_line_and_status_2(
    tmp_path: Path, name: str, arguments: list[str], says: str
) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MEETING_")}
    done = subprocess.run(
        [MEETING, name, *arguments], capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stderr.startswith(f"meeting {name}: ")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stderr


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pool.toml").write_text('[[sfu]]\naddress = "a:1"\n')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ["--config", "pool.toml", "--stateDirectory", str(tmp_path), "--plainHttp", place]
        done = subprocess.run(
            [MEETING, "allocateserver", *arguments], capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
    assert done.returncode == 2
    assert f"cannot listen on {place}" in done.stderr.splitlines()[-1]
