"""Machines that are processes of this machine: `meeting sfuserver`, each with a directory and ports of its own.

A process outlives us: it has a session of its own and writes to its own log. It is told from all others by the
configuration file on its command line, whose path has our ids in it: what we knew before a crash, /proc knows.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from meeting.allocateserver.provisioners import Refused
from meeting.allocateserver.provisioners.names import found
from meeting.allocateserver.provisioners.sfuserver import sfuserver_settings, toml
from meeting.allocateserver.values import Found, Order

END_WITHIN = 25.0
"""Seconds that an sfuserver has to say good-bye to its people; then it is killed."""

LOOK_EVERY = 0.25

CONFIGURATION = "sfuserver.toml"


class Processes(Protocol):
    """The processes of this machine."""

    def start(self, arguments: Sequence[str], log: Path) -> None:
        """Begin one that outlives us. Raises OSError."""

    def command_lines(self) -> Mapping[int, Sequence[str]]:
        """Of all that run."""

    def end(self, argument: str, kill: bool) -> None:
        """Send SIGTERM or SIGKILL to those that have `argument` on their command line."""


class LocalProvisioner:
    """`directory` holds a directory for each process, named as the machine."""

    log = Logger()

    def __init__(
        self,
        directory: Path,
        command: Sequence[str],
        secret: str,
        hub: str,
        further: Mapping[str, Any],
        processes: Processes,
        clock: IReactorTime,
    ) -> None:
        """`command`: how `meeting` is called. `further`: lines of the sfuserver's configuration."""
        self._directory = directory
        self._command = list(command)
        self._secret = secret
        self._hub = hub
        self._further = further
        self._processes = processes
        self._clock = clock

    async def create(self, order: Order) -> str:
        """Start the process, unless it is there."""
        place = self._directory / order.name
        if not self._running(order.name):
            try:
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
                secret = self._directory / "secret"
                _write_private(secret, self._secret)
                settings = {"secretFile": str(secret), "stateDirectory": str(place)}
                settings |= sfuserver_settings(order, self._hub, self._further)
                _write_private(place / CONFIGURATION, toml(settings))
                arguments = [*self._command, "sfuserver", "--config", str(place / CONFIGURATION)]
                self._processes.start(arguments, place / "log")
            except OSError as error:
                raise Refused(f"the process cannot be started: {error}") from error
        return order.name

    async def list(self) -> Sequence[Found]:
        """The processes; directories of those that have ended are cleared away."""
        running = self._names()
        if self._directory.is_dir():
            for place in self._directory.iterdir():
                if found(place.name, place.name) is not None and place.name not in running:
                    self.log.warn("{name} has ended by itself; its log: {tail}", name=place.name, tail=_tail(place))
                    shutil.rmtree(place, ignore_errors=True)
        return [each for name in sorted(running) if (each := found(name, name)) is not None]

    async def destroy(self, provider_id: str) -> None:
        """SIGTERM, and SIGKILL to what does not end by it. Fires when it is gone."""
        place = self._directory / provider_id
        kill_at = self._clock.seconds() + END_WITHIN
        self._processes.end(str(place / CONFIGURATION), kill=False)
        while self._running(provider_id):
            await deferLater(self._clock, LOOK_EVERY)
            if self._clock.seconds() >= kill_at:
                self._processes.end(str(place / CONFIGURATION), kill=True)
        shutil.rmtree(place, ignore_errors=True)

    def _running(self, name: str) -> bool:
        return name in self._names()

    def _names(self) -> set[str]:
        files = {argument for line in self._processes.command_lines().values() for argument in line}
        here = str(self._directory)
        paths = (Path(file) for file in files if file.startswith(here) and file.endswith(CONFIGURATION))
        return {path.parent.name for path in paths if str(path.parent.parent) == here}


class RealProcesses:
    """By /proc and signals."""

    def __init__(self) -> None:
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, arguments: Sequence[str], log: Path) -> None:
        """In a session of its own: no signal to us is one to it."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                start_new_session=True,
            )
        self._children.append(child)

    def command_lines(self) -> Mapping[int, Sequence[str]]:
        """Of all; one that has ended and was ours is let go."""
        self._children = [child for child in self._children if child.poll() is None]
        # One of ours that has only just begun shows no command line yet.
        lines: dict[int, Sequence[str]] = {child.pid: _arguments(child) for child in self._children}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                line = _command_line(int(entry.name))
                if line:
                    lines[int(entry.name)] = line
        return lines

    def end(self, argument: str, kill: bool) -> None:
        """Through a handle of the process: its number cannot become another's in between."""
        for pid, line in self.command_lines().items():
            if argument not in line:
                continue
            try:
                handle = os.pidfd_open(pid)
            except OSError:
                continue  # it has ended
            try:
                if argument in _command_line(pid) or any(child.pid == pid for child in self._children):
                    signal.pidfd_send_signal(handle, signal.SIGKILL if kill else signal.SIGTERM)
            except ProcessLookupError:
                pass
            finally:
                os.close(handle)


def _arguments(child: subprocess.Popen[bytes]) -> Sequence[str]:
    return [str(each) for each in child.args] if isinstance(child.args, list) else []


def _command_line(pid: int) -> Sequence[str]:
    """Empty for one that has ended, a zombie too."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _write_private(file: Path, content: str) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        output.write(content)


def _tail(place: Path, most: int = 500) -> str:
    try:
        return (place / "log").read_bytes()[-most:].decode(errors="replace")
    except OSError:
        return ""
