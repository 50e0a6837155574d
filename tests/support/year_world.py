"""What goes on around the allocateserver in a made-up year: time, machines, the hub's list, crashes, lost answers."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from libcloud.compute.drivers.dummy import DummyNodeDriver
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from meeting.allocateserver.values import SfuServer

#: Friday, 1 January 2027, 00:00 UTC.
BEGIN = 1_798_761_600
DAY, HOUR, MINUTE = 86_400, 3600, 60


@dataclass
class Vm:
    """A machine of the provider. `registers_at`: when its sfuserver is known to the hub."""

    name: str
    address: str
    made_at: float
    registers_at: float
    ended_at: float | None = None
    people: set[str] = field(default_factory=set)
    """The meetings that people are in."""


class World:
    """What goes on outside the allocateserver."""

    def __init__(self, random: Random, crash_rate: float) -> None:
        self.now = float(BEGIN)
        self.random = random
        self.crash_rate = crash_rate
        self.vms: dict[str, Vm] = {}
        self.past: list[Vm] = []
        self.troubles: list[str] = []
        self.counts: Counter[str] = Counter()
        self.life = Life(self)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, moment: float, what: Callable[[], None]) -> None:
        """Do something then."""
        self._number += 1
        heapq.heappush(self._events, (max(moment, self.now), self._number, what))

    def next_event(self) -> float:
        """When something happens next."""
        return self._events[0][0] if self._events else float("inf")

    def run_events(self) -> None:
        """Do what is due."""
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()

    def trouble(self, text: str) -> None:
        """What must not be."""
        self.troubles.append(f"{(self.now - BEGIN) / DAY:.4f} d: {text}")

    def make(self, name: str, address: str) -> Vm:
        """A machine; an address is one machine's."""
        others = [vm for vm in self.vms.values() if vm.address == address]
        if others:
            self.trouble(f"{name} is made at {address}, where {others[0].name} is")
        boots = self.random.uniform(40, 120)
        if self.random.random() < 0.01:
            boots = float("inf")  # its image is broken
            self.counts["machines that never came"] += 1
        vm = self.vms[name] = Vm(name, address, self.now, self.now + boots)
        self.counts["machines"] += 1
        return vm

    def end(self, name: str) -> None:
        """Destroy one; people in it are thrown out."""
        vm = self.vms.pop(name, None)
        if vm is not None:
            if vm.people and vm.registers_at <= self.now:
                self.trouble(f"{name} was destroyed with people in {vm.people}")
            vm.ended_at = self.now
            self.past.append(vm)

    def new_id(self) -> str:
        """Of a machine, by the seed as all else."""
        return f"{self.random.getrandbits(48):012x}"

    def at_address(self, address: str) -> Vm | None:
        """The machine that is registered there."""
        return next((vm for vm in self.vms.values() if vm.address == address and vm.registers_at <= self.now), None)

    async def sfuservers(self) -> list[SfuServer]:
        """The hub's list."""
        return [
            SfuServer(vm.address, True, self.now - vm.registers_at, len(vm.people))
            for vm in self.vms.values()
            if vm.registers_at <= self.now
        ]


class Killed(CancelledError):
    """The process is no more: nothing is said about what it was doing."""


class Life:
    """One run of the allocateserver's process: its clock, and its threads, which work at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dead = False
        self.clock = LifeClock()
        self.clock.rightNow = world.now

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def callInThreadWithCallback(self, hear: Any, work: Any, *arguments: Any, **keywords: Any) -> None:
        """Unless it dies before, or after and is not heard."""
        if self.dead or self._dies():
            return
        try:
            result, success = work(*arguments, **keywords), True
        except Killed:
            return
        except Exception as error:
            result, success = Failure(error), False
        if not self._dies():
            hear(success, result)

    def _dies(self) -> bool:
        if self.world.random.random() < self.world.crash_rate:
            self.dead = True
            self.world.counts["crashes"] += 1
        return self.dead


class LifeClock(Clock):
    """A Clock with the method that threads come back by."""

    def callFromThread(self, function: Any, *arguments: Any, **keywords: Any) -> None:
        function(*arguments, **keywords)


class FakeProcesses:
    """The local provisioner's processes are machines of the world. To start one may be the last thing it does."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life

    def start(self, arguments: Sequence[str], log: Path) -> None:
        if self._life.dead or self._life._dies():
            raise Killed
        lines = Path(arguments[-1]).read_text().splitlines()
        address = json.loads(next(line for line in lines if line.startswith("domainaddress")).partition(" = ")[2])
        self._world.make(arguments[-1], address)
        if self._life._dies():
            raise Killed

    def command_lines(self) -> Mapping[int, Sequence[str]]:
        if self._life.dead:
            return {}
        return {number: ["meeting", "sfuserver", "--config", name] for number, name in enumerate(self._world.vms)}

    def end(self, argument: str, kill: bool) -> None:
        if not (self._life.dead or self._life._dies()):
            self._world.end(argument)
            self._life._dies()


class NamedDummy(DummyNodeDriver):
    """Libcloud's dummy driver, whose nodes keep the name they were given, and are machines of the world."""

    def __init__(self, world: World) -> None:
        super().__init__("0")
        self._world = world

    def create_node(self, name: str, size: Any, image: Any, address: str = "") -> Any:  # type: ignore[override]
        node = super().create_node(name, size, image)
        node.name, node.id = name, f"node-{name}"
        self._world.make(name, address)
        if self._world.random.random() < 0.02:
            self._world.counts["answers lost"] += 1
            raise OSError("the connection was reset")
        return node

    def destroy_node(self, node: Any) -> bool:
        if self._world.random.random() < 0.02:
            self._world.counts["answers lost"] += 1
            raise OSError("the connection was reset")
        self._world.end(node.name)
        return bool(super().destroy_node(node))
