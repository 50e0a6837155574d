"""The five daemons as an administrator runs them: separate processes, files like those in etc/meeting, MariaDB, TLS.

Certificates come from a test CA; mail goes to a real SMTP server that keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Lock
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from tests.support.mariadb import MariaDB

from tests.browser.processes import ADDRESS, Process, free_port

SECRET = "a secret of the browser tests"
HOST = "localhost"


class Mailbox:
    """An SMTP server that accepts everything, and what it got."""

    def __init__(self) -> None:
        self._mails: list[tuple[str, str]] = []
        self._lock = Lock()
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain",))
        with self._lock:
            self._mails.extend((recipient, body.get_content() if body else "") for recipient in envelope.rcpt_tos)
        return "250 kept"

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def texts_to(self, address: str) -> list[str]:
        """The plain texts of the mails to `address`, oldest first."""
        with self._lock:
            return [text for recipient, text in self._mails if recipient == address]


@dataclass
class Deployment:
    """Where the five are, and the processes by daemon."""

    url: str
    mailbox: Mailbox
    processes: dict[str, Process]
    health: dict[str, str] = field(default_factory=dict)

    def restart(self, daemon: str) -> None:
        """Starts a daemon again after a kill, with the same files."""
        self.processes[daemon].start()
        self.processes[daemon].wait_ready(self.health[daemon])


@contextmanager
def deployment(directory: Path, database: MariaDB) -> Iterator[Deployment]:
    """Writes certificates and configuration files into `directory`, starts the five, ends them."""
    ports = {name: free_port() for name in ("api", "sfu", "fs", "allocate", "media", "turn")}
    statuses = {name: free_port() for name in ("apiserver", "sfuserver", "turnserver", "fsserver", "allocateserver")}
    _write_certificates(directory)
    with Mailbox() as mailbox:
        for daemon, settings in _settings(directory, database, mailbox, ports).items():
            settings |= {"secretFile": str(directory / "secret"), "status": f"127.0.0.1:{statuses[daemon]}"}
            settings |= {"stateDirectory": str(directory / daemon)}
            (directory / daemon).mkdir()
            (directory / f"{daemon}.toml").write_text(_toml(settings))
        _write_pool(directory, ports)
        processes = {
            daemon: Process([daemon, "--config", str(directory / f"{daemon}.toml")], directory / f"{daemon}.log")
            for daemon in statuses
        }
        health = {daemon: f"http://127.0.0.1:{port}/readyz" for daemon, port in statuses.items()}
        try:
            for daemon, process in processes.items():
                process.start()
                process.wait_ready(health[daemon])
            yield Deployment(f"https://{HOST}:{ports['api']}", mailbox, processes, health)
        finally:
            for process in processes.values():
                process.stop()


def _settings(directory: Path, database: MariaDB, mailbox: Mailbox, ports: dict[str, int]) -> dict[str, dict[str, Any]]:
    tls = {
        "cert": str(directory / "server.pem"),
        "certkey": str(directory / "server.key"),
        "ca": [str(directory / "ca.pem")],
    }
    hub = f"{HOST}:{ports['api']}"
    return {
        "allocateserver": {
            "pool": str(directory / "pool.toml"),
            "plainHttp": f"127.0.0.1:{ports['allocate']}",
        },
        "apiserver": {
            **tls,
            "domainaddress": hub,
            "mysqlAddress": f"127.0.0.1:{database.port}",
            "mysqlUser": database.user,
            "mysqlPassword": database.password,
            "mysqlDatabase": "Meeting",
            "mailServer": ["127.0.0.1"],
            "mailPort": [mailbox.port],
            "mailUsername": [""],
            "mailPassword": [""],
            "mailFrom": ["meeting@example.com"],
            "allocateserver": f"http://127.0.0.1:{ports['allocate']}/allocate",
        },
        "sfuserver": {
            **tls,
            "domainaddress": f"{HOST}:{ports['sfu']}",
            "apiserver": hub,
            "mediaPort": ports["media"],
            "mediaAddress": [ADDRESS],
        },
        "turnserver": {
            "ca": tls["ca"],
            "port": ports["turn"],
            "ip": ADDRESS,
            "apiserver": hub,
            "relayPorts": "20000-20999",
        },
        "fsserver": {
            **tls,
            "domainaddress": f"{HOST}:{ports['fs']}",
            "directory": str(directory / "files"),
            "apiserver": hub,
        },
    }


def _write_pool(directory: Path, ports: dict[str, int]) -> None:
    (directory / "pool.toml").write_text(
        f'[[sfu]]\naddress = "{HOST}:{ports["sfu"]}"\nturn = "{ADDRESS}:{ports["turn"]}"\nuse = "any"\n\n'
        f'[[fs]]\naddress = "{HOST}:{ports["fs"]}"\n'
    )


def _write_certificates(directory: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    server = authority.issue_cert(HOST)
    server.private_key_pem.write_to_path(str(directory / "server.key"))
    for blob in server.cert_chain_pems:
        blob.write_to_path(str(directory / "server.pem"), append=True)
    (directory / "secret").write_text(SECRET)
    (directory / "secret").chmod(0o600)


def _toml(settings: dict[str, Any]) -> str:
    """TOML's strings, numbers and arrays of them are written as JSON writes them."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
