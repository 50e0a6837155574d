"""`meeting <command>`, and the one list of daemons that it and twisted/plugins are made from.

Imports nothing heavy: `twistd --help` reads it for every plugin.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple


class Daemon(NamedTuple):
    """One daemon; `meeting.<name>.tap` has its `Options` and `makeService`."""

    name: str
    summary: str

    @property
    def tap(self) -> str:
        """The module that twistd's plugin names."""
        return f"meeting.{self.name}.tap"


DAEMONS = (
    Daemon("apiserver", "the hub: people, meetings, invitations, minutes, the web client"),
    Daemon("sfuserver", "relays audio, video, screens and data of meetings"),
    Daemon("turnserver", "STUN and TURN, for people behind strict firewalls"),
    Daemon("fsserver", "keeps the pictures and files of minutes and chat"),
    Daemon("allocateserver", "says which servers serve a meeting: from a pool, or made on demand"),
)


class Command(NamedTuple):
    """Something else that `meeting` does; `module.function(arguments)` gives the exit status."""

    name: str
    summary: str
    module: str
    function: str


COMMANDS = (
    Command("demo", "all five in one process on http://localhost", "meeting.demo", "main"),
    Command("keys", "print the LiveKit API key and secret that belong to a secret", "meeting.cli", "keys"),
    Command("check-mail", "talk to the hub's mail servers and say what works", "meeting.apiserver.check_mail", "main"),
    Command("check-turn", "ask a turnserver as its clients do and say what works", "meeting.turnserver.check", "main"),
    Command(
        "allocate-report",
        "what the allocateserver's machines have cost in a month, beside a pool",
        "meeting.allocateserver.report",
        "main",
    ),
    Command(
        "migrate",
        "bring the hub's database to this version; --dryRun shows the SQL",
        "meeting.apiserver.migrate",
        "main",
    ),
    Command(
        "probe", "a synthetic participant: joins a meeting and says how well it goes", "meeting.probe.command", "main"
    ),
)

WRONG_USAGE = 2


def service_maker(name: str) -> Any:
    """The plugin by which `twistd meeting-<name>` finds a daemon."""
    from twisted.application.service import ServiceMaker

    daemon = next(daemon for daemon in DAEMONS if daemon.name == name)
    return ServiceMaker(f"meeting-{daemon.name}", daemon.tap, daemon.summary, f"meeting-{daemon.name}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say and give the exit status: 0, 1 when it failed, 2 when it was asked for wrongly."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if arguments else WRONG_USAGE
    if arguments[0] in ("-V", "--version"):
        print(f"meeting {version('meeting')}")
        return 0
    from meeting.daemon import process

    name, rest = arguments[0], arguments[1:]
    for daemon in DAEMONS:
        if daemon.name == name:
            return _run_daemon(daemon, rest)
    for command in COMMANDS:
        if command.name == name:
            process.install_reactor()
            function: Callable[[Sequence[str]], int] = getattr(import_module(command.module), command.function)
            return function(rest)
    print(f"meeting: there is no command {name!r}; see meeting --help", file=sys.stderr)
    return WRONG_USAGE


def keys(arguments: Sequence[str]) -> int:
    """`meeting keys`: the pair that LiveKit's own tools and libraries take."""
    from twisted.python.usage import UsageError

    from meeting.daemon.errors import ConfigurationError
    from meeting.daemon.options import SECRET, DaemonOptions
    from meeting.daemon.secret import ISSUER, Secret

    class KeysOptions(DaemonOptions):
        synopsis = "Usage: meeting keys --secretFile FILE"
        flags = (SECRET,)

    options = KeysOptions()
    try:
        options.parseOptions(list(arguments))
        secret = Secret(options["secret"])
    except (UsageError, ConfigurationError) as error:
        return _wrong_usage("keys", error)
    print(f"LIVEKIT_API_KEY={ISSUER}\nLIVEKIT_API_SECRET={secret.token_key}")
    return 0


def _run_daemon(daemon: Daemon, arguments: Sequence[str]) -> int:
    from twisted.python.usage import UsageError

    from meeting.daemon import process
    from meeting.daemon.errors import ConfigurationError

    process.install_reactor()
    tap = import_module(daemon.tap)
    options = tap.Options()
    try:
        options.parseOptions(list(arguments))
        return process.run(options, tap.makeService)
    except (UsageError, ConfigurationError) as error:
        return _wrong_usage(daemon.name, error)


def _wrong_usage(name: str, error: Exception) -> int:
    print(f"meeting {name}: {error}", file=sys.stderr)
    return WRONG_USAGE


def _help() -> str:
    lines = ["Usage: meeting <command> [options]", "", "Daemons (options: meeting <daemon> --help):"]
    lines += [f"  {daemon.name:<16}{daemon.summary}" for daemon in DAEMONS]
    lines += ["", "Commands:"]
    lines += [f"  {command.name:<16}{command.summary}" for command in COMMANDS]
    return "\n".join(lines)
