"""The five daemons as an administrator runs them: separate processes, files like those in etc/meeting, MariaDB, TLS.

Certificates come from a test CA; mail goes to a real SMTP server that keeps it.
"""

from __future__ import annotations

import json
import ssl
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

from tests.browser.processes import ADDRESS, Process, free_port
from tests.support.mariadb import PASSWORD, USER, MariaDb

SECRET = "a secret of the browser tests"
HOST = "localhost"
DAEMONS = ("allocateserver", "apiserver", "sfuserver", "turnserver", "fsserver")


class Mailbox:
    """An SMTP server that asks for STARTTLS and then accepts everything, and what it got."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._mails: list[tuple[str, str]] = []
        self._lock = Lock()
        self._controller = Controller(
            self, hostname="127.0.0.1", port=free_port(), tls_context=tls, require_starttls=True
        )

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
def deployment(directory: Path, database: MariaDb) -> Iterator[Deployment]:
    """Writes certificates and configuration files into `directory`, starts the five, ends them."""
    ports = {name: free_port() for name in (*DAEMONS, "media", "turn")}
    statuses = {name: free_port() for name in DAEMONS}
    tls = _write_certificates(directory)
    with Mailbox(tls) as mailbox:
        for daemon, settings in _settings(directory, database, mailbox, ports).items():
            settings |= {"secretFile": str(directory / "secret"), "status": f"127.0.0.1:{statuses[daemon]}"}
            settings |= {"ca": [str(directory / "ca.pem")]}
            if daemon != "turnserver":
                settings |= {"cert": str(directory / "server.pem"), "certkey": str(directory / "server.key")}
                settings |= {"domainaddress": f"{HOST}:{ports[daemon]}", "stateDirectory": str(directory / daemon)}
            (directory / f"{daemon}.toml").write_text(_toml(settings))
        with (directory / "allocateserver.toml").open("a") as pool:
            pool.write(_pool(ports))
        processes = {
            daemon: Process([daemon, "--config", str(directory / f"{daemon}.toml")], directory / f"{daemon}.log")
            for daemon in DAEMONS
        }
        health = {daemon: f"http://127.0.0.1:{port}/readyz" for daemon, port in statuses.items()}
        try:
            for daemon, process in processes.items():
                process.start()
                process.wait_ready(health[daemon])
            yield Deployment(f"https://{HOST}:{ports['apiserver']}", mailbox, processes, health)
        finally:
            for process in processes.values():
                process.stop()


def _settings(directory: Path, database: MariaDb, mailbox: Mailbox, ports: dict[str, int]) -> dict[str, dict[str, Any]]:
    hub = f"{HOST}:{ports['apiserver']}"
    return {
        "allocateserver": {"apiserver": hub},
        "apiserver": {
            "mysqlAddress": f"127.0.0.1:{database.port}",
            "mysqlUser": USER,
            "mysqlPassword": PASSWORD,
            "mysqlDatabase": "Meeting",
            "mailServer": [HOST],
            "mailPort": [mailbox.port],
            "mailFrom": ["meeting@example.com"],
            "allocateserver": f"https://{HOST}:{ports['allocateserver']}/allocate",
        },
        "sfuserver": {"apiserver": hub, "mediaPort": ports["media"], "mediaAddress": [ADDRESS]},
        "turnserver": {"port": ports["turn"], "ip": [ADDRESS], "apiserver": hub, "relayPorts": "20000-20999"},
        "fsserver": {"directory": str(directory / "files"), "apiserver": hub},
    }


def _pool(ports: dict[str, int]) -> str:
    return (
        f'[[sfu]]\naddress = "{HOST}:{ports["sfuserver"]}"\nturn = "{ADDRESS}:{ports["turn"]}"\nuse = "any"\n'
        f'meetings = 10\n\n[[fs]]\naddress = "{HOST}:{ports["fsserver"]}"\n'
    )


def _write_certificates(directory: Path) -> ssl.SSLContext:
    """A test CA, one server certificate for all, the shared secret; gives the context of the mail server."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    server = authority.issue_cert(HOST)
    server.private_key_pem.write_to_path(str(directory / "server.key"))
    for blob in server.cert_chain_pems:
        blob.write_to_path(str(directory / "server.pem"), append=True)
    (directory / "secret").write_text(SECRET)
    (directory / "secret").chmod(0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(context)
    return context


def _toml(settings: dict[str, Any]) -> str:
    """TOML's strings, numbers and arrays of them are written as JSON writes them."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
