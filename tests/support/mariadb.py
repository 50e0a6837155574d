"""A MariaDB server of the tests' own: on a loopback port, in a directory that goes with it, as user `mysql`.

Needs Debian's package mariadb-server (apt-get install --no-install-recommends mariadb-server); its service may be off.
"""

import ctypes
import os
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep

import pymysql

from tests.support.processes import free_port

USER, PASSWORD = "meeting", "a password of the tests"
START_WITHIN = 60.0
_PR_SET_PDEATHSIG = 1


class MariaDb:
    """The server. `options(name)` gives the flags of a hub that uses a database in it."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: certificate and key; people are then let in by TLS only."""
        self._tls = tls
        # Not in pytest's directory: every session that starts closes that one to other users.
        self._directory = Path(mkdtemp(prefix="meeting-mariadb-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "MariaDb":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the data directory and start; returns when the server answers."""
        data = self._directory / "data"
        data.mkdir(parents=True)
        self._process = subprocess.Popen(
            [
                *self._server(data),
                f"--socket={self._directory}/s",
                f"--pid-file={self._directory}/pid",
                f"--log-error={self._directory}/errors.log",
                "--bind-address=127.0.0.1",
                f"--port={self.port}",
                "--skip-name-resolve",
                "--performance-schema=OFF",
                "--innodb-buffer-pool-size=64M",
                "--innodb-flush-log-at-trx-commit=0",  # nobody pulls the plug of a test
                "--innodb-lock-wait-timeout=5",
                *self._tls_arguments(),
            ],
            preexec_fn=die_with_parent,
        )
        self._wait()
        with self.connect("root", "") as connection, connection.cursor() as cursor:
            by_tls = " REQUIRE SSL" if self._tls else ""
            cursor.execute(f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'{by_tls}")
            cursor.execute(f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION")

    def _server(self, data: Path) -> list[str]:
        """The command that starts it; its system tables are in `data` then."""
        for program in ("mariadb-install-db", "mariadbd"):
            if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
                raise RuntimeError(f"{program} is missing: apt-get install --no-install-recommends mariadb-server")
        as_user = []
        if os.getuid() == 0:
            as_user = ["--user=mysql"]
            for directory in (self._directory, data):
                shutil.chown(directory, "mysql")
                directory.chmod(0o755)
        arguments = ["--no-defaults", *as_user, f"--datadir={data}"]
        install = ["mariadb-install-db", *arguments, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=START_WITHIN)
        return [shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin") or "mariadbd", *arguments]

    def _tls_arguments(self) -> list[str]:
        if self._tls is None:
            return []
        arguments = []
        for source, flag in zip(self._tls, ("--ssl-cert", "--ssl-key"), strict=True):
            file = shutil.copy(source, self._directory)
            if os.getuid() == 0:
                shutil.chown(file, "mysql")
            arguments.append(f"{flag}={file}")
        return arguments

    def stop(self) -> None:
        """End it, and its data."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        shutil.rmtree(self._directory, ignore_errors=True)

    def connect(self, user: str = USER, password: str = PASSWORD) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        """A connection, for what a test does behind the hub's back."""
        if user == "root":  # MySQL's is of this machine's only
            return pymysql.connect(unix_socket=f"{self._directory}/s", user=user, password=password, autocommit=True)
        return pymysql.connect(host="127.0.0.1", port=self.port, user=user, password=password, autocommit=True)

    def options(self, database: str) -> list[str]:
        """The flags by which a hub uses the database of this name."""
        address = ["--mysqlAddress", f"127.0.0.1:{self.port}", "--mysqlUser", USER, "--mysqlPassword", PASSWORD]
        return [*address, "--mysqlDatabase", database]

    def settings(self, database: str) -> dict[str, object]:
        """The same as a configuration file has them."""
        address = f"127.0.0.1:{self.port}"
        return {
            "mysqlAddress": [address],
            "mysqlUser": USER,
            "mysqlPassword": PASSWORD,
            "mysqlDatabase": database,
        }

    def _wait(self) -> None:
        assert self._process is not None
        deadline = monotonic() + START_WITHIN
        while True:
            try:
                self.connect("root", "").close()
                return
            except pymysql.OperationalError:
                log = self._directory / "errors.log"
                if self._process.poll() is not None or monotonic() > deadline:
                    raise RuntimeError(
                        f"the database server did not start:\n{log.read_text() if log.exists() else ''}"
                    ) from None
            sleep(0.05)  # between two looks; the deadline is above


def die_with_parent() -> None:
    """A test run that is killed leaves no server behind (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
