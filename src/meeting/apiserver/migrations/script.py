"""The SQL of an upgrade, for an administrator to read before it is run."""

import sqlite3
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from sqlalchemy import Connection, event, inspect

from meeting.apiserver.database import Database, make_engine, sqlite_url
from meeting.apiserver.migrations import configuration, newest_in, revisions

NOTHING = "-- The database is at this version.\n"


def script(database: Database) -> str:
    """What an upgrade would run; nothing is changed. Blocks."""
    with database.engine.connect() as connection:
        at = newest_in(connection) if inspect(connection).has_table("alembic_version") else None
        if at is not None and at not in revisions()[:-1]:
            return NOTHING
        if connection.dialect.name == "sqlite":
            return _on_a_copy(Path(str(connection.engine.url.database)))
        output = StringIO()
        config = configuration(connection)
        config.output_buffer = output
        command.upgrade(config, f"{at or 'base'}:head", sql=True)
        return output.getvalue()


def _on_a_copy(file: Path) -> str:
    """SQLite alters a table by reading and copying it, so the SQL is known only when it is run."""
    statements: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SELECT", "PRAGMA", "BEGIN")):
            statements.append(f"{statement.strip()};\n")

    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.sqlite"
        with sqlite3.connect(file) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        engine = make_engine(sqlite_url(copy), 1)
        event.listen(engine, "before_cursor_execute", note)
        with engine.begin() as connection:
            command.upgrade(configuration(connection), "head")
        engine.dispose()
    return "\n".join(statements)
