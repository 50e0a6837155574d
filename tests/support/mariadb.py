"""A MariaDB server of its own for a test run: made in a directory, on a loopback port, gone afterwards."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from time import monotonic, sleep

import pymysql

STARTING = 60.0
STOPPING = 20.0


class MariaDB:
    """`with MariaDB(directory) as server:` — reachable at 127.0.0.1:`port` as `user` with `password`, who may do all.

    Durable as in production (innodb_flush_log_at_trx_commit=1), so that tests may kill what writes to it.
    """

    user = "meeting"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.password = secrets.token_hex(8)
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> MariaDB:
        data = self.directory / "data"
        data.mkdir(parents=True)
        self._belongs_to_server()
        options = ["--no-defaults", f"--datadir={data}", *self._as_user()]
        log = (self.directory / "mariadb.log").open("ab")
        with log:
            install = [_program("mariadb-install-db"), *options, "--auth-root-authentication-method=normal"]
            subprocess.run([*install, "--skip-test-db"], check=True, stdout=log, stderr=log)
            server = [_program("mariadbd"), *options, f"--socket={self.directory}/sock", f"--port={self.port}"]
            server += ["--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-buffer-pool-size=64M"]
            self._process = subprocess.Popen(server, stdout=log, stderr=log)
        self._admit_user()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _belongs_to_server(self) -> None:
        """mariadbd refuses to run as root: then the user that Debian's package made owns the directory."""
        if os.getuid() != 0:
            return
        owner = pwd.getpwnam("mysql")
        for path in (self.directory, self.directory / "data"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        for parent in self.directory.parents[:-1]:
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)

    def _as_user(self) -> list[str]:
        return ["--user=mysql"] if os.getuid() == 0 else []

    def _admit_user(self) -> None:
        deadline = monotonic() + STARTING
        while True:
            try:
                root = pymysql.connect(unix_socket=f"{self.directory}/sock", user="root")
                break
            except pymysql.OperationalError:
                assert self._process is not None
                if self._process.poll() is not None or monotonic() > deadline:
                    log = (self.directory / "mariadb.log").read_text(errors="replace")
                    raise AssertionError(f"MariaDB did not start:\n{log[-3000:]}") from None
                sleep(0.1)
        with root, root.cursor() as cursor:
            for host in ("127.0.0.1", "localhost"):
                cursor.execute(f"CREATE USER '{self.user}'@'{host}' IDENTIFIED BY '{self.password}'")
                cursor.execute(f"GRANT ALL ON *.* TO '{self.user}'@'{host}' WITH GRANT OPTION")


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    assert found, f"{name} is missing; `make test` installs mariadb-server"
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
