"""The five daemons as an administrator runs them: separate processes, files like those in etc/meeting, MariaDB, TLS.

Certificates come from a test CA; mail goes to a real SMTP server that keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.certificates import public_key_hash, write_certificates
from tests.support.mailbox import HOST, Mailbox
from tests.support.mariadb import PASSWORD, USER, MariaDb
from tests.support.processes import SECRET, Daemon, free_port

ADDRESSES = ("10.90.0.1", "fd90::1")
"""The namespace's own (namespace.sh): browsers gather no candidates from loopback."""
DAEMONS = ("allocateserver", "apiserver", "sfuserver", "turnserver", "fsserver")


@dataclass
class Deployment:
    """Where the five are, and the processes by daemon."""

    url: str
    mailbox: Mailbox
    processes: dict[str, Daemon]
    media_port: int
    """Of the sfuserver, for UDP and TCP."""
    signalling_port: int
    """Of the sfuserver, for HTTPS."""
    turn_port: int
    """Of the turnserver, for UDP and TCP."""
    key: str
    """SHA-256 in base64 of the public key of everybody's certificate, for browsers to trust."""

    def restart(self, daemon: str) -> None:
        """Starts a daemon again after a kill, with the same files."""
        self.processes[daemon].start()
        self.processes[daemon].wait_until_ready()


@contextmanager
def deployment(directory: Path, database: MariaDb) -> Iterator[Deployment]:
    """Writes certificates, the secret and configuration files into `directory`, starts the five, ends them."""
    ports = {name: free_port() for name in (*DAEMONS, "media", "turn")}
    # The turnserver's own is that of TURN over TLS.
    tls = write_certificates(directory, HOST)
    (directory / "secret").write_text(SECRET)
    (directory / "secret").chmod(0o600)
    with Mailbox(tls) as mailbox:
        processes = {}
        for daemon, settings in _settings(directory, database, mailbox, ports).items():
            settings |= {"ca": [str(directory / "ca.pem")], "domainaddress": f"{HOST}:{ports[daemon]}"}
            settings |= {"cert": str(directory / "server.pem"), "certkey": str(directory / "server.key")}
            settings |= {"stateDirectory": str(directory / daemon)}
            if daemon != "turnserver":
                settings |= {"bind": "::"}
            pool = _pool(ports) if daemon == "allocateserver" else ""
            processes[daemon] = Daemon(daemon, directory, settings, pool)
        try:
            for process in processes.values():
                process.start()
                process.wait_until_ready()
            url = f"https://{HOST}:{ports['apiserver']}"
            key = public_key_hash(directory / "server.pem")
            yield Deployment(url, mailbox, processes, ports["media"], ports["sfuserver"], ports["turn"], key)
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
        "sfuserver": {"apiserver": hub, "mediaPort": ports["media"], "mediaAddress": list(ADDRESSES)},
        "turnserver": {"port": ports["turn"], "ip": list(ADDRESSES), "apiserver": hub, "relayPorts": "20000-20999"},
        "fsserver": {"directory": str(directory / "files"), "apiserver": hub},
    }


def _pool(ports: dict[str, int]) -> str:
    return (
        f'[[sfu]]\naddress = "{HOST}:{ports["sfuserver"]}"\nturn = "{ADDRESSES[0]}:{ports["turn"]}"\nuse = "any"\n'
        f'meetings = 10\n\n[[fs]]\naddress = "{HOST}:{ports["fsserver"]}"\n'
    )
