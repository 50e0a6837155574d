"""Which of a database's errors pass."""

from ssl import SSLCertVerificationError

from sqlalchemy.exc import DBAPIError

from meeting.daemon.errors import PleaseWait

#: MySQL's errors after which the same transaction may well succeed: lock wait, deadlock (or a Galera certification
#: failure, which may come as late as at COMMIT).
_CONFLICTS = frozenset({1205, 1213})
#: … on another connection: server is going down, cannot connect, gone away, connection lost, read only (fail-over under
#: way), connection killed, not (yet, or any more) in a cluster's primary component.
_LOST = frozenset({1053, 2003, 2006, 2013, 1927})
_USELESS = frozenset({1290, 1047, 1180})
TRANSIENT = _CONFLICTS | _LOST | _USELESS
_SQLITE_BUSY_OR_LOCKED = (5, 6)


class Stale(Exception):
    """The row changed between this transaction's read and its write: do the whole transaction again."""


class Unavailable(PleaseWait):
    """The database cannot be reached, or is too busy, for now."""

    title = "The database is not available for the moment"


def mysql_code(error: BaseException | None) -> int | None:
    """MySQL's number of a DB-API error, if it has one."""
    first = error.args[0] if error is not None and error.args else None
    return first if isinstance(first, int) else None


def in_words(error: DBAPIError) -> str:
    """Why the database cannot be used, for an administrator."""
    why = error.orig
    below = getattr(why, "original_exception", None)  # PyMySQL's, of what befell the connection
    if isinstance(below, SSLCertVerificationError):
        return (
            f"the MySQL server's certificate is not good: {below.verify_message}. --mysqlCa has to name the authority "
            "that issued it, and --mysqlAddress a name that it is for"
        )
    return str(why)


def ends_connection(error: BaseException | None) -> bool:
    """Whether the server at the other end is of no use for now: what is tried again has to go elsewhere."""
    return mysql_code(error) in _LOST | _USELESS


def is_transient(error: BaseException) -> bool:
    """Whether the transaction that ended with `error` should be done again."""
    if isinstance(error, Stale):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_BUSY_OR_LOCKED
    return mysql_code(error.orig) in TRANSIENT
