"""`meeting migrate`: bring the hub's database to this version without starting a hub, or show what would be done."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import react
from twisted.python import usage

from meeting.apiserver import options as hub
from meeting.apiserver.database import Database, access, database_url
from meeting.apiserver.migrations import migrate
from meeting.apiserver.migrations.script import script
from meeting.daemon.errors import ConfigurationError, MeetingError
from meeting.daemon.options import Flag, boolean

#: Seconds in which the database has to let us in.
PATIENCE = 30.0


class Options(hub.Options):
    """Those of the hub, so that its configuration file can be given as it is."""

    synopsis = "Usage: meeting migrate --config FILE [--dryRun]"
    flags: ClassVar[Sequence[Flag]] = (
        *hub.Options.flags,
        Flag("dryRun", "print the SQL, change nothing", "false", boolean),
    )


def main(arguments: Sequence[str]) -> int:
    """`meeting migrate`; the exit status."""
    from twisted.internet import reactor

    options = Options()
    try:
        options.parseOptions(list(arguments))
    except (usage.UsageError, ConfigurationError) as error:
        sys.stderr.write(f"meeting migrate: {error}\n")
        return 2
    try:
        react(lambda reactor: Deferred.fromCoroutine(run(options, reactor)), _reactor=reactor)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


async def run(options: Options, reactor: Any) -> None:
    """Do it; `SystemExit` with 1 when it cannot be done."""
    database = Database(database_url(options), reactor, access=access(options), connections=3)
    database.startService()
    try:
        try:
            await database.opened().addTimeout(PATIENCE, reactor)
        except TimeoutError:
            _end(database.trouble)
        try:
            if options["dryRun"]:
                sys.stdout.write(await database.retry(lambda: script(database)))
            else:
                await migrate(database, reactor)
                sys.stdout.write("The database is at this version.\n")
        except MeetingError as error:
            _end(str(error))
    finally:
        with suppress(MeetingError):
            await database.stopService()


def _end(why: str) -> None:
    sys.stderr.write(f"meeting migrate: {why}\n")
    raise SystemExit(1)
