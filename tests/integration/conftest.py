"""Servers that the integration tests share; those of a session are started when the first test asks for them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.certificates import write_certificates
from tests.support.mailbox import HOST, Mailbox
from tests.support.mariadb import MariaDb
from tests.support.mysql import Mysql
from tests.support.processes import SECRET, Daemon, free_port


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A MariaDB server of this run's own; MySQL with MEETING_TESTS_DATABASE=mysql."""
    with Mysql() if os.environ.get("MEETING_TESTS_DATABASE") == "mysql" else MariaDb() as server:
        yield server


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """An SMTP server; its certificate is signed by `ca.pem` in the test's directory."""
    with Mailbox(write_certificates(tmp_path, HOST)) as mailbox:
        yield mailbox


@pytest.fixture
def five(tmp_path: Path, mailbox: Mailbox) -> Iterator[dict[str, Daemon]]:
    """All five, not started: knowing one another, over plain HTTP on loopback, logging in JSON all that they can."""
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "mail-password").write_text("the password of the mail server")
    http = {name: free_port() for name in ("apiserver", "sfuserver", "fsserver", "allocateserver")}
    hub = f"http://localhost:{http['apiserver']}"

    def web(name: str) -> dict[str, object]:
        return {
            "domainaddress": f"localhost:{http[name]}",
            "publicUrl": f"http://localhost:{http[name]}",
            "plainHttp": f"127.0.0.1:{http[name]}",
            "stateDirectory": str(tmp_path / name),
        }

    udp = socket.SOCK_DGRAM
    turn_port = free_port(udp)
    mail = {
        "mailServer": [HOST],
        "mailPort": [mailbox.port],
        "mailUsername": ["meeting"],
        "mailPasswordFile": [str(tmp_path / "mail-password")],
        "mailFrom": ["meeting@example.com"],
        "ca": [str(tmp_path / "ca.pem")],
    }
    settings: dict[str, dict[str, object]] = {
        "apiserver": {
            **web("apiserver"),
            **mail,
            "allocateserver": f"http://127.0.0.1:{http['allocateserver']}/allocate",
        },
        "sfuserver": {**web("sfuserver"), "mediaPort": free_port(udp), "mediaAddress": ["127.0.0.1"], "apiserver": hub},
        "turnserver": {"ip": ["127.0.0.1"], "port": turn_port, "apiserver": hub},
        "fsserver": {**web("fsserver"), "directory": str(tmp_path / "files"), "apiserver": hub, "freeSpace": "1MB"},
        "allocateserver": {**web("allocateserver"), "apiserver": hub},
    }
    pool = (
        f'[[sfu]]\naddress = "localhost:{http["sfuserver"]}"\nturn = "127.0.0.1:{turn_port}"\n'
        f'[[fs]]\naddress = "localhost:{http["fsserver"]}"\n'
    )
    with ExitStack() as running:
        found = {}
        for name, each in settings.items():
            daemon = Daemon(name, tmp_path, {"logLevel": "debug", **each}, pool if name == "allocateserver" else "")
            running.callback(daemon.kill)
            found[name] = daemon
        yield found


@pytest.fixture
def daemons(five: dict[str, Daemon]) -> dict[str, Daemon]:
    """The five, started."""
    for daemon in five.values():
        daemon.start()
    return five
