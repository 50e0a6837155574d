"""A MySQL server of the tests' own, as tools/mysql has unpacked it: the same tests, the other engine."""

import os
import subprocess
from pathlib import Path

from tests.support.mariadb import START_WITHIN, MariaDb

ROOT = Path(__file__).parents[2] / ".cache" / "mysql" / "root"


class Mysql(MariaDb):
    """The server."""

    def _server(self, data: Path) -> list[str]:
        if not (ROOT / "usr/sbin/mysqld").exists():
            raise RuntimeError("MySQL is not unpacked: tools/mysql")
        libraries = ROOT / "usr/lib/x86_64-linux-gnu"
        command = [
            *(str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), str(ROOT / "usr/sbin/mysqld")),
            "--no-defaults",
            *(["--user=root"] if os.getuid() == 0 else []),
            f"--basedir={ROOT / 'usr'}",
            f"--lc-messages-dir={ROOT / 'usr/share/mysql'}",
            f"--character-sets-dir={ROOT / 'usr/share/mysql/charsets'}",
            f"--datadir={data}",
        ]
        subprocess.run(
            [*command, "--initialize-insecure"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=START_WITHIN,
        )
        return [*command, "--mysqlx=OFF", "--secure-file-priv=NULL", "--skip-log-bin", "--innodb-doublewrite=OFF"]
