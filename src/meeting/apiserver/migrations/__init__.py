"""The history of the schema (Alembic), and how a hub brings its database to the newest revision at its start.

Several replicas may start at once over one database. Who migrates is settled by a row, not by a lock that only one
node of a cluster would know: the guard row is taken for a while, renewed while the work goes on, and free again when
its holder died.

Migrations expand, later ones contract (docs/decisions, "expand, then contract"): a replica of the last version runs on
beside the new schema, so a revision that this version does not know is newer and is left alone. One that contracts says
in `floor` which revision a hub has to know at least; a hub that does not know it refuses to work.
"""

import secrets
from datetime import datetime, timedelta
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, column, inspect, select, table, update
from sqlalchemy.schema import CreateTable
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from meeting.apiserver.database import Database, insert_if_absent, upsert
from meeting.apiserver.schema import Moment, metadata, utc_now
from meeting.daemon.errors import ConfigurationError

if TYPE_CHECKING:
    # It takes half a second to import, which only a start that has something to migrate has to spend.
    from alembic.config import Config

log = Logger()

#: The modules whose tables make the schema; the migrations are written from them.
SUBJECTS = (
    "accounts",
    "allocation",
    "audit",
    "chat",
    "hooks",
    "idempotency",
    "mail",
    "meetings",
    "minutes",
    "settings",
    "tokens",
)
BESIDE_SUBJECTS = ("events", "leases")

#: How long a holder of the guard may be silent before another takes over.
LEASE = timedelta(seconds=60)

# Beside the schema, not of it: it is there before the first revision.
_beside = MetaData()
guard = Table(
    "migration_guard",
    _beside,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("holder", String(32), nullable=False),
    Column("until", Moment, nullable=False),
    mysql_engine="InnoDB",
)

floor = Table(
    "migration_floor",
    _beside,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", String(32), nullable=False),
    mysql_engine="InnoDB",
)
#: What is there beside the schema, and Alembic does not know.
BESIDE = (guard.name, floor.name)

_ALEMBICS_OWN = table("alembic_version", column("version_num", String))


def schema() -> MetaData:
    """The MetaData with every table of the hub in it."""
    for subject in SUBJECTS:
        import_module(f"meeting.apiserver.{subject}.tables")
    for module in BESIDE_SUBJECTS:
        import_module(f"meeting.apiserver.{module}")
    return metadata


def configuration(connection: Connection) -> "Config":
    """What Alembic's commands take: no ini file, the environment is in this package."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("meeting.apiserver") / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(database: Database, clock: IReactorTime) -> Deferred[None]:
    """Bring the schema to the newest revision; returns when it is there, whoever did it."""
    return Deferred.fromCoroutine(_migrate(database, clock))


async def _migrate(database: Database, clock: IReactorTime) -> None:
    holder = secrets.token_hex(16)
    await database.transact(_make_guard, utc_now(clock))
    await database.transact(check_floor)
    while not await database.transact(is_current):
        if not await database.transact(_take, holder, utc_now(clock)):
            await deferLater(clock, 0.25)  # another replica is at it
            continue
        renewing = LoopingCall(lambda: Deferred.fromCoroutine(database.transact(_renew, holder, utc_now(clock))))
        renewing.clock = clock
        # SQLite's one writer is the migration itself: to renew would only wait for it.
        if database.engine.dialect.name != "sqlite":
            renewing.start(LEASE.total_seconds() / 3, now=False).addErrback(
                lambda failure: log.failure("the migration's guard could not be renewed", failure)
            )
        try:
            await database.retry(lambda: _upgrade(database))
        finally:
            if renewing.running:
                renewing.stop()
            await database.transact(_release, holder, utc_now(clock))


def revisions() -> list[str]:
    """Every revision, the newest last: their history is a line, and each file's name begins with its number."""
    names = (file.name for file in (files("meeting.apiserver") / "migrations" / "versions").iterdir())
    return sorted(name.partition("_")[0] for name in names if name[0].isdigit())


def is_current(transaction: Connection) -> bool:
    """Whether the schema is at this version's newest revision, or at one that only a newer version knows."""
    if not inspect(transaction).has_table(_ALEMBICS_OWN.name):
        return False
    at = newest_in(transaction)
    known = revisions()
    if at is None or at in known[:-1]:
        return False
    if at not in known:
        log.warn("the database is at revision {revision}, newer than this version", revision=at)
    return True


def newest_in(transaction: Connection) -> str | None:
    """The revision that the database is at; there has to be Alembic's table in it."""
    at: str | None = transaction.execute(select(_ALEMBICS_OWN.c.version_num)).scalar()
    return at


def check_floor(transaction: Connection) -> None:
    """Raises ConfigurationError when a newer version has taken away what this one needs."""
    needed = transaction.execute(select(floor.c.revision)).scalar()
    if needed is not None and needed not in revisions():
        raise ConfigurationError(
            "this version is too old for its database: something it uses was taken away, revision "
            f"{needed} is not known here; install the version that the other apiservers have"
        )


def _upgrade(database: Database) -> None:
    from alembic import command

    with database.unhurried() as engine, engine.begin() as connection:
        command.upgrade(configuration(connection), "head")
        if (needed := newest_floor(connection)) is not None:
            upsert(connection, floor, {"id": 1, "revision": needed}, {"revision": needed})


def newest_floor(connection: Connection) -> str | None:
    """Which revision a hub has to know at least, by what the revisions themselves say."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(configuration(connection)).walk_revisions()
    return max((each.module.floor for each in found if hasattr(each.module, "floor")), default=None)


def _make_guard(transaction: Connection, now: datetime) -> None:
    for each in (guard, floor):
        transaction.execute(CreateTable(each, if_not_exists=True))
    insert_if_absent(transaction, guard, id=1, holder="", until=now)


def _take(transaction: Connection, holder: str, now: datetime) -> bool:
    taken = update(guard).where(guard.c.id == 1, guard.c.until <= now).values(holder=holder, until=now + LEASE)
    return transaction.execute(taken).rowcount == 1


def _renew(transaction: Connection, holder: str, now: datetime) -> None:
    transaction.execute(update(guard).where(guard.c.id == 1, guard.c.holder == holder).values(until=now + LEASE))


def _release(transaction: Connection, holder: str, now: datetime) -> None:
    transaction.execute(update(guard).where(guard.c.id == 1, guard.c.holder == holder).values(holder="", until=now))
