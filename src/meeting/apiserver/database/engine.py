"""Connections to the database: SQLite in a file, or the MySQL protocol to one node of several."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymysql.connections import Connection as MysqlConnection
from pymysql.constants import SERVER_STATUS
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from meeting.apiserver.database.errors import ends_connection
from meeting.apiserver.database.nodes import Nodes
from meeting.daemon.converters import HostPort

#: Where a pooled connection's node is written down.
_NODE = "node"
#: The execution option of transactions that only read.
_READS = "meeting_reads"


@dataclass(frozen=True)
class Access:
    """How a MySQL server is reached. Times in seconds."""

    nodes: tuple[HostPort, ...] = ()
    """Its addresses, the preferred one first; empty: the URL's."""
    ca: Path | None = None
    """The authority of the server's certificate; None: TLS if it is offered, and nothing is checked."""
    connect_timeout: float = 5.0
    read_timeout: float = 15.0
    """Also to write. Above the longest stall seen of a cluster that lost a node, 6.5 s, or each would be an error."""


def sqlite_url(path: Path) -> URL:
    """The URL of the SQLite database in the file `path`."""
    return URL.create("sqlite", database=str(path))


def mysql_url(host: str, port: int, user: str, password: str, database: str) -> URL:
    """The URL of a database reached by the MySQL protocol."""
    return URL.create("mysql+pymysql", user, password, host, port, database, {"charset": "utf8mb4"})


_DEFAULTS = Access()


def make_engine(
    url: URL, connections: int, access: Access = _DEFAULTS, seconds: Callable[[], float] = lambda: 0.0
) -> Engine:
    """The engine for `url`; connects to nothing yet. `seconds`: what time it is, for nodes that rest."""
    # Every transaction ends by itself, so that a connection which is put back needs no further ROLLBACK.
    # The connection put back last is taken first: its pages and its prepared statements are in the processor's cache.
    pool: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_reset_on_return": None}
    pool["pool_use_lifo"] = True
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, **pool, connect_args={"timeout": 5, "check_same_thread": False})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    arguments: dict[str, Any] = {
        "connect_timeout": access.connect_timeout,
        "read_timeout": access.read_timeout,
        "write_timeout": access.read_timeout,
        "autocommit": True,
        "init_command": "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    }
    if access.ca is not None:
        arguments |= {"ssl_ca": str(access.ca), "ssl_verify_cert": True, "ssl_verify_identity": True}
    # No ping before each transaction: one whose connection turns out to be dead is done again as a whole, on a new one.
    engine = create_engine(url, **pool, pool_timeout=30, pool_recycle=1800, connect_args=arguments)
    addresses = access.nodes or (HostPort(url.host or "127.0.0.1", url.port or 3306),)
    _choose_nodes(engine, Nodes(addresses, seconds))
    event.listen(engine, "connect", _see_what_others_wrote)
    event.listen(engine, "begin", _begin_mysql)
    return engine


def reading(engine: Engine) -> Engine:
    """The same connections, for transactions that only read."""
    return engine.execution_options(**{_READS: True})


class _Mysql(MysqlConnection):
    """A connection that ends only what was begun.

    What is only read is read statement by statement: with READ COMMITTED each sees what is committed by then in any
    case, and neither BEGIN nor COMMIT is a round trip more.
    """

    server_status: int

    def commit(self) -> None:
        if self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
            super().commit()

    def rollback(self) -> None:
        if self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
            super().rollback()


def _choose_nodes(engine: Engine, nodes: Nodes) -> None:
    def connect(dialect: Dialect, record: ConnectionPoolEntry, arguments: Any, options: dict[str, Any]) -> Any:
        last: BaseException | None = None
        for node in nodes.order():
            try:
                connection = _Mysql(*arguments, **{**options, "host": node.host, "port": node.port})
            except dialect.loaded_dbapi.OperationalError as error:
                if not ends_connection(error):
                    raise  # it is there, and does not want us
                nodes.failed(node)
                last = error
            else:
                nodes.worked(node)
                record.info[_NODE] = node
                return connection
        assert last is not None
        raise last

    def checkout(_connection: Any, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        if (node := record.info.get(_NODE)) is not None and not nodes.is_best(node):
            raise DisconnectionError("a better node may be back")  # the pool connects anew

    def fail(context: ExceptionContext) -> None:
        if not ends_connection(context.original_exception):
            return
        context.is_disconnect = True
        connection = context.connection
        if connection is not None and not connection.invalidated and _NODE in connection.info:
            nodes.failed(connection.info[_NODE])

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "checkout", checkout)
    event.listen(engine, "handle_error", fail)


def _see_what_others_wrote(connection: Any, _entry: ConnectionPoolEntry) -> None:
    """On Galera, wait at a transaction's beginning for what was committed at other nodes before (0.1 ms).

    Otherwise a person signed in at one replica would be a stranger to the next: 1 read in 9 was stale. 7: before reads,
    updates and inserts. The variable is MariaDB's and Percona's; elsewhere there is nothing to set.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
        if (row := cursor.fetchone()) is not None and row[1] == "ON":
            cursor.execute("SET SESSION wsrep_sync_wait = 7")


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see _begin_sqlite
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    if _only_reads(connection):
        # It waits for nobody, so it cannot fail: SQLAlchemy need not look on.
        connection.connection.cursor().execute("BEGIN")
    else:
        # A writer takes its lock at once: one that reads first and then finds another has written would start over.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_mysql(connection: Connection) -> None:
    if not _only_reads(connection):
        connection.exec_driver_sql("BEGIN")


def _only_reads(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(_READS, False))
