"""A real Galera cluster of MariaDB nodes on one machine: each at an address of its own of 127/8, at the usual port.

Needs Debian's mariadb-server with all that it depends on (galera-4, rsync, socat, procps, iproute2, lsof are all used).
The data directory of node 1, after one life as a cluster of one, is copied for the others: so they join by replaying
what they lack (IST), which takes seconds, not by a copy of everything.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep

import pymysql

from tests.support.mariadb import PASSWORD, USER, die_with_parent

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
START_WITHIN = 120.0
"""Seconds. Eight on an idle machine of two cores; the tests may not be alone on it."""
STOP_WITHIN = 20.0

_MARIADBD = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")

# A node that is gone is noticed after 1.5 s; by default it would be 5.
_FAST = (
    "evs.keepalive_period=PT0.3S;evs.suspect_timeout=PT1.5S;evs.inactive_timeout=PT3S;evs.install_timeout=PT3S;"
    "evs.inactive_check_period=PT0.3S;evs.join_retrans_period=PT0.3S;pc.recovery=true"
)
_CONFIGURATION = """\
[mysqld]
{user}
datadir={home}/data
tmpdir={home}/tmp
socket={home}/s
pid-file={home}/pid
log-error={home}/errors.log
bind-address={address}
port=3306
skip-name-resolve
binlog_format=ROW
default_storage_engine=InnoDB
innodb_autoinc_lock_mode=2
innodb_flush_log_at_trx_commit=0
innodb_buffer_pool_size=64M
innodb_log_file_size=16M
performance_schema=OFF
max_connections=300
wsrep_on=ON
wsrep_provider={provider}
wsrep_cluster_name=meeting
wsrep_cluster_address=gcomm://{peers}
wsrep_node_address={address}
wsrep_sst_method=rsync
wsrep_sst_receive_address={address}
wsrep_slave_threads=2
wsrep_provider_options="gmcast.listen_addr=tcp://{address}:4567;ist.recv_addr={address}:4568;{fast}"
"""


class Galera:
    """The cluster. Nodes are numbered from 0."""

    def __init__(self, nodes: int = 3) -> None:
        # Not in pytest's directory: every session that starts closes that one to other users.
        self._directory = Path(mkdtemp(prefix="meeting-galera-"))
        # Addresses of our own, so that two runs do not meet.
        number = os.getpid()
        self.addresses = [f"127.{64 + number % 128}.{number // 128 % 256}.{10 + node}" for node in range(nodes)]
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Galera:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def options(self, database: str, first: int = 0) -> dict[str, object]:
        """The settings of a hub that prefers the node `first`."""
        nodes = [f"{address}:3306" for address in [*self.addresses[first:], *self.addresses[:first]]]
        return {"mysqlAddress": nodes, "mysqlUser": USER, "mysqlPassword": PASSWORD, "mysqlDatabase": database}

    def connect(self, node: int, database: str | None = None) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """A connection to one node, for what a test does behind the hub's back."""
        return pymysql.connect(
            host=self.addresses[node], user=USER, password=PASSWORD, database=database, autocommit=True, read_timeout=20
        )

    def kill(self, node: int) -> None:
        """kill -9."""
        self._running[node].kill()
        self._running.pop(node).wait()

    def rejoin(self, node: int) -> None:
        """Start a node that was killed; returns when it has what it missed."""
        home = self._home(node)
        log = home / "recover.log"
        arguments = [f"--defaults-file={home}/my.cnf", "--wsrep-recover", f"--log-error={log}"]
        subprocess.run([str(_MARIADBD), *arguments], check=False, timeout=START_WITHIN, capture_output=True)
        position = log.read_text().rpartition("Recovered position:")[2].split()[0]
        self._spawn(node, f"--wsrep-start-position={position}")
        self._wait([node], len(self._running))

    def stop(self) -> None:
        """End all nodes, and their data."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _home(self, node: int) -> Path:
        return self._directory / f"n{node}"

    def _start(self) -> None:
        if _MARIADBD is None or not PROVIDER.exists():
            raise RuntimeError("Galera is missing: apt-get install --no-install-recommends mariadb-server")
        self._directory.chmod(0o755)  # the servers run as another user
        self._prepare(0, None)
        self._install()
        self._spawn(0, "--wsrep-new-cluster")
        self._wait([0], 1)
        self._running[0].send_signal(signal.SIGTERM)
        self._running.pop(0).wait(STOP_WITHIN)
        for node in range(1, len(self.addresses)):
            self._prepare(node, self._home(0) / "data")
        self._spawn(0, "--wsrep-new-cluster")
        for node in range(1, len(self.addresses)):
            self._spawn(node)
        self._wait(range(len(self.addresses)), len(self.addresses))

    def _prepare(self, node: int, source: Path | None) -> None:
        home = self._home(node)
        (home / "tmp").mkdir(parents=True)
        if source is None:
            (home / "data").mkdir()
        else:
            shutil.copytree(source, home / "data", ignore=shutil.ignore_patterns("galera.cache", "gvwstate.dat"))
        text = _CONFIGURATION.format(
            user="user=mysql" if os.getuid() == 0 else "",
            home=home,
            address=self.addresses[node],
            provider=PROVIDER,
            peers=",".join(self.addresses),
            fast=_FAST,
        )
        (home / "my.cnf").write_text(text)
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", "mysql:", home], check=True)

    def _install(self) -> None:
        as_user = ["--user=mysql"] if os.getuid() == 0 else []
        common = ["--no-defaults", f"--datadir={self._home(0)}/data", "--innodb-log-file-size=16M", *as_user]
        install = ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True, timeout=START_WITHIN)
        people = (
            "FLUSH PRIVILEGES;\n"
            f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO '{USER}'@'%';\n"
        )
        bootstrap = [str(_MARIADBD), *common, "--bootstrap"]
        subprocess.run(bootstrap, input=people.encode(), check=True, capture_output=True, timeout=START_WITHIN)

    def _spawn(self, node: int, *arguments: str) -> None:
        home = self._home(node)
        with (home / "output").open("ab") as output:
            self._running[node] = subprocess.Popen(
                [str(_MARIADBD), f"--defaults-file={home}/my.cnf", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=home,
                preexec_fn=die_with_parent,
            )

    def _wait(self, nodes: range | list[int], size: int) -> None:
        """Until each of these nodes is in step with a cluster of so many."""
        end = monotonic() + START_WITHIN
        for node in nodes:
            while (seen := self._state(node)) != (str(size), "ON", "Synced"):
                if self._running[node].poll() is not None or monotonic() > end:
                    log = (self._home(node) / "errors.log").read_text(errors="replace")
                    raise RuntimeError(f"node {node} is {seen}, not one of {size}:\n{log[-3000:]}")
                sleep(0.05)  # between two looks; the deadline is above

    def _state(self, node: int) -> tuple[str, str, str] | None:
        try:
            with self.connect(node) as connection, connection.cursor() as cursor:
                cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep_%'")
                found = dict(cursor.fetchall())
        except pymysql.MySQLError:
            return None
        return found["wsrep_cluster_size"], found["wsrep_ready"], found["wsrep_local_state_comment"]
