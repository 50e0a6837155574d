"""Each daemon as a process of its own: begun from a file, found ready, ended by SIGTERM; and refused in one line."""

import json
import os
import socket
import subprocess
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.support.processes import MEETING, SECRET, Daemon


def test_each_daemon_starts_from_a_file_tells_that_it_is_ready_and_ends_by_sigterm(daemons: dict[str, Daemon]) -> None:
    for daemon in daemons.values():
        daemon.wait_until_ready()
    for name, daemon in daemons.items():
        assert daemon.page("/healthz")[0] == 200
        assert "process_cpu_seconds_total" in daemon.page("/metrics")[1], name

    for name, daemon in daemons.items():
        if name != "apiserver":
            daemon.wait_for("registered with the hub")

    # The hub last, so that the others can say good-bye.
    for name in reversed(daemons):
        daemons[name].terminate()
        assert daemons[name].wait() == 0, f"{name}:\n{daemons[name].tail()}"
    for name, daemon in daemons.items():
        lines = [json.loads(line) for line in daemon.text.splitlines()]
        assert [line for line in lines if line["level"] == "critical"] == [], name


def test_twistd_runs_each_daemon_from_the_same_file(five: dict[str, Daemon]) -> None:
    for daemon in five.values():
        daemon.use_twistd()
        daemon.start()
    for daemon in five.values():
        daemon.wait_until_ready()
        if daemon.name != "apiserver":
            daemon.wait_for("registered with the hub")
    for name in reversed(five):
        five[name].terminate()
        # twistd ends in order, and then by the signal that it was sent.
        assert five[name].wait() == -SIGTERM, f"{name}:\n{five[name].tail()}"
        assert "Main loop terminated" in five[name].text
        assert "Traceback" not in five[name].text, five[name].text


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
