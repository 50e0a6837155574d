"""A year of meetings through the reference allocateserver, on a virtual clock, with a provider that is made up.

Everything of ours is real: the HTTP face, the planner, the ledger's file, the local or the Libcloud provisioner. Made
up are time, the machines, the hub's list, and people: they schedule, move and cancel meetings, open instant ones, come,
stay on and leave. The allocateserver is killed at random points: before and after each write to the ledger and each
call of the provider, whose work may then be done or not.

`troubles` holds what must not be: two meetings on a server, a machine that nobody knows, people thrown out, somebody
told to wait while a machine was ready, a meeting promised well ahead whose machine was not there at its begin.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

from libcloud.compute.drivers.dummy import DummyNodeDriver
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from meeting.allocateserver.configuration import LibcloudTable
from meeting.allocateserver.ledger import Ledger
from meeting.allocateserver.options import Options
from meeting.allocateserver.provisioners import Provisioner
from meeting.allocateserver.provisioners.libcloud import LibcloudProvisioner
from meeting.allocateserver.provisioners.local import LocalProvisioner
from meeting.allocateserver.service import AllocateServer
from meeting.allocateserver.values import SfuServer
from meeting.daemon.registration import Registration
from meeting.daemon.secret import Secret, sign_request
from meeting.daemon.web import site
from tests.support.http import Answer, Connection

SECRET = "a secret of the tests, long enough"
#: Friday, 1 January 2027, 00:00 UTC.
BEGIN = 1_798_761_600
DAY, HOUR, MINUTE = 86_400, 3600, 60
BEFORE = AFTER = 2 * HOUR
UNUSED = 3 * HOUR
PRICE = 0.8


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


@dataclass
class Plan:
    """What a year is made of."""

    seed: int
    provisioner: str = "libcloud"
    days: int = 365
    scheduled: float = 9.0
    """Scheduled meetings made in a day, and instant ones opened."""
    instant: float = 6.0
    spares: int = 1
    crash_rate: float = 0.004
    scheduled_machines: int = 5
    instant_machines: int = 8


class Year:
    """The whole of it. `run` gives the report; `world.troubles` should be empty."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.directory = directory
        self.world = World(Random(plan.seed), plan.crash_rate)
        self._driver = NamedDummy(self.world)
        self._windows: list[tuple[int, int, str, str]] = []
        self._number = 0
        config = directory / "allocateserver.toml"
        config.write_text(_TOML.format(plan=plan, price=PRICE))
        self._options = Options()
        self._options.environment = {}  # type: ignore[misc]
        arguments = {"config": config, "stateDirectory": directory, "secret": SECRET, "apiserver": "hub.test:443"}
        self._options.parseOptions([part for key, value in arguments.items() for part in (f"--{key}", str(value))])
        self._begin_life()

    # -- the process --------------------------------------------------------------------------------------------------

    def _begin_life(self) -> None:
        world = self.world
        world.life = life = Life(world)
        ledger = Ledger(self.directory, life.clock, life, synchronous="OFF")
        server = AllocateServer(
            self._options, life.clock, provisioner=self._provisioner(life), hub=world, ledger=ledger
        )
        for service in list(server):
            if isinstance(service, Registration):
                server.removeService(service)  # its heartbeats are of no interest here
        self.server, self._ledger = server, ledger
        self._site = site(server.resource, life.clock, log_access=False)
        server.startService()

    def _provisioner(self, life: Life) -> Provisioner:
        if self.plan.provisioner == "local":
            processes = FakeProcesses(self.world, life)
            place = self.directory / "machines"
            return LocalProvisioner(place, ["meeting"], SECRET, "https://hub.test", {}, processes, life.clock)
        table = LibcloudTable(provider="dummy", size="Small", image="Ubuntu 9.10", create={"address": "{address}"})
        return LibcloudProvisioner(table, lambda: self._driver, lambda order: "", life.clock, life)

    def _revive(self) -> None:
        """Started again by whoever watches over it, after a moment."""
        database, self._ledger._database = self._ledger._database, None
        assert database is not None
        database.close()
        self._begin_life()

    def ask(self, method: str, email: str, begin: int, end: int) -> Answer | None:
        """None: it died and did not answer."""
        query = {"Kind": "SFUTURN", "Email": email, "BeginAt": begin, "EndAt": end}
        path = f"/allocate?{urlencode(query)}"
        signature = sign_request(Secret(SECRET), "api", method, path, b"", self.world.now)
        connection = Connection(self._site)
        try:
            return connection.request(method, path, headers={"Authorization": signature})
        except AssertionError:
            assert self.world.life.dead, "no answer, and it lives"
            return None
        finally:
            if connection.transport.connected:
                connection.transport.loseConnection()

    # -- time ---------------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Until everything is over; then a day for what is left to be cleared away."""
        for day in range(self.plan.days):
            self._fill(BEGIN + day * DAY)
        self._until(BEGIN + (self.plan.days + self.plan.days // 12 + 4) * DAY)
        self._check_the_end()
        return self._report()

    def _until(self, end: float) -> None:
        world = self.world
        while world.now < end:
            if world.life.dead:
                world.now += 3
                self._revive()
                continue
            life = world.life
            calls = life.clock.getDelayedCalls()
            following = min((call.getTime() for call in calls), default=float("inf"))
            world.now = max(world.now, min(world.next_event(), following, end))
            life.clock.advance(max(0.0, world.now - life.clock.seconds()))
            if not life.dead:
                world.run_events()

    # -- people -------------------------------------------------------------------------------------------------------

    def _fill(self, midnight: int) -> None:
        random, world = self.world.random, self.world
        busy = 1.0 if ((midnight // DAY) + 3) % 7 < 5 else 0.1
        for _ in range(_poisson(random, self.plan.scheduled * busy)):
            made = midnight + int(random.uniform(7, 19) * HOUR)
            ahead = random.choice([0, 10 * MINUTE, HOUR, 5 * HOUR, DAY, 3 * DAY, self.plan.days // 12 * DAY])
            begin = made + ahead + int(random.uniform(1, 60) * MINUTE)
            length = random.choice([15, 30, 30, 60, 60, 90, 240]) * MINUTE
            world.at(made, _Scheduled(self, self._email("s"), begin, begin + length).make)
        for _ in range(_poisson(random, self.plan.instant * busy)):
            world.at(midnight + random.uniform(6, 22) * HOUR, _Instant(self, self._email("i")).open)

    def _email(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._number if kind == 's' else self._number % 40}@example.com"

    def told_to_wait(self, use: str, answer: Answer, except_at: str = "") -> None:
        """Nobody is, while a machine that nobody has is ready for them (seen by a look at the hub a while ago)."""
        world = self.world
        world.counts[f"told to wait ({use})"] += 1
        fleet = self.server.fleet
        assert fleet is not None
        kind = fleet.kinds[use]  # type: ignore[index]
        held = kind.holdings.held(int(world.now))
        windows = kind.holdings.next_windows(int(world.now))
        for vm in world.vms.values():
            free = vm.address in kind.group.addresses and vm.address not in held and not vm.people
            if free and vm.registers_at + 20 < world.now and kind.is_ready(vm.address) and kind._is_vacant(vm.address):
                words = json.loads(answer.body).get("detail")
                if vm.address not in windows:
                    world.trouble(f"told to wait ({words}) while {vm.address} is ready")

    def held(self, begin: int, end: int, address: str, who: str) -> None:
        """Someone was promised an address."""
        self._windows.append((begin, end, address, who))

    def released(self, who: str) -> None:
        """And has given it back."""
        self._windows = [each for each in self._windows if each[3] != who]

    # -- the end ------------------------------------------------------------------------------------------------------

    def _check_the_end(self) -> None:
        world, fleet = self.world, self.server.fleet
        assert fleet is not None
        for name in world.vms:
            if not any(machine.id in name for machine in fleet.machines):
                world.trouble(f"{name} runs and nobody knows it")
        spares = sum(kind.group.spares for kind in fleet.kinds.values())
        if len(world.vms) != spares:
            world.trouble(f"{len(world.vms)} machines run, {spares} should")
        by_address: dict[str, list[tuple[int, int, str]]] = {}
        for begin, end, address, who in sorted(set(self._windows)):
            for before, until, other in by_address.setdefault(address, [])[-1:]:
                if begin < until and other != who:
                    world.trouble(f"{who} and {other} overlap at {address}: {begin} {before} {until}")
            by_address[address].append((begin, end, who))
        paid = sum((vm.ended_at or world.now) - vm.made_at for vm in [*world.past, *world.vms.values()])
        kept = sum((each.ended_at or world.now) - each.intended_at for each in self._machines())
        if not 0.98 <= (kept + HOUR) / (paid + HOUR) <= 1.05:
            world.trouble(f"the ledger counts {kept / HOUR:.0f} h, the provider {paid / HOUR:.0f} h")

    def _machines(self) -> Iterator[Any]:
        import sqlite3

        from meeting.allocateserver.ledger import FILE, read

        database = sqlite3.connect(self.directory / FILE)
        yield from read(database).machines
        database.close()

    def _report(self) -> str:
        from meeting.allocateserver.report import compare

        found = compare(list(self._machines()), (BEGIN, BEGIN + self.plan.days * DAY), PRICE, int(self.world.now))
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.world.counts.items()))
        return f"seed {self.plan.seed}, {self.plan.provisioner}, {self.plan.days} days: {counts}\n{found}"


class _Scheduled:
    """A scheduled meeting, from its making to its last participant."""

    def __init__(self, year: Year, email: str, begin: int, end: int) -> None:
        self.year, self.world = year, year.world
        self.email, self.begin, self.end = email, begin, end
        self.promised = ""
        self.over = False
        self.ahead = False
        self.asking = False

    def make(self) -> None:
        """What a hub does: asks, and asks again until it has a promise."""
        self.world.counts["scheduled meetings"] += 1
        self.ask()
        random = self.world.random
        if random.random() < 0.1 and self.begin - self.world.now > HOUR:
            self.world.at(random.uniform(self.world.now, self.begin - HOUR), self.move)
        self.world.at(self.begin, self.come)

    def ask(self) -> None:
        if self.over or self.promised or self.world.now > self.end:
            return
        answer = self.year.ask("GET", self.email, self.begin, self.end)
        if answer is not None and answer.status == 200:
            self.promised = answer.json["sfu"]
            held_from = max(self.begin - BEFORE, int(self.world.now))
            self.ahead = self.begin - BEFORE > self.world.now
            self.year.released(self.email)  # elsewhere, when its machine did not come
            self.year.held(held_from, self.end + AFTER, self.promised, self.email)
            return
        if answer is not None:
            self.year.told_to_wait("scheduled", answer)
        if not self.asking:  # one at a time, whoever else asks meanwhile
            self.asking = True
            self.world.at(self.world.now + (int(answer.headers["Retry-After"]) if answer else 5), self.ask_again)

    def ask_again(self) -> None:
        self.asking = False
        self.ask()

    def move(self) -> None:
        """Cancelled, or moved: what was promised is given back."""
        if self.year.ask("DELETE", self.email, self.begin, self.end) is None:
            self.world.at(self.world.now + 5, self.move)
            return
        self.world.counts["given back"] += 1
        self.year.released(self.email)
        self.over = True
        if self.world.random.random() < 0.5:
            later = self.world.random.choice([HOUR, DAY])
            _Scheduled(self.year, self.email + "m", self.begin + later, self.end + later).make()

    def come(self) -> None:
        """People join where they were told to, as soon as it is there."""
        if self.over or self.world.now > self.end:
            return
        vm = self.world.at_address(self.promised) if self.promised else None
        if vm is None:
            if self.promised and self.ahead and self.world.now < self.begin + 1:
                self.world.trouble(f"{self.promised} is not there at the begin of {self.email}")
            self.promised = ""
            if not self.asking:
                self.ask()
            self.world.at(self.world.now + 5, self.come)
            return
        if vm.people:
            self.world.trouble(f"{self.email} meets {vm.people} at {vm.address}")
        vm.people.add(self.email)
        self.world.counts["scheduled meetings held"] += 1
        overtime = self.world.random.choice([-5, 0, 5, 30]) * MINUTE
        if self.world.random.random() < 0.05:
            overtime = AFTER + HOUR
        self.world.at(self.end + overtime, lambda: vm.people.discard(self.email))


class _Instant:
    """An owner opens their instant meeting."""

    def __init__(self, year: Year, email: str) -> None:
        self.year, self.world, self.email = year, year.world, email

    def open(self) -> None:
        self.world.counts["instant meetings"] += 1
        self.join()

    def join(self) -> None:
        answer = self.year.ask("GET", self.email, 0, 0)
        if answer is None or answer.status != 200:
            if answer is not None:
                self.year.told_to_wait("instant", answer)
            self.world.at(self.world.now + (int(answer.headers["Retry-After"]) if answer else 5), self.join)
            return
        vm = self.world.at_address(answer.json["sfu"])
        if vm is None:  # it broke between two looks at the hub
            self.world.at(self.world.now + 5, self.join)
            return
        if vm.people - {self.email}:
            self.world.trouble(f"{self.email} meets {vm.people} at {vm.address}")
        vm.people.add(self.email)
        self.world.counts["instant meetings held"] += 1
        stays = self.world.random.choice([10 * MINUTE, HOUR, 2 * HOUR, 7 * HOUR])
        self.world.at(self.world.now + stays, lambda: vm.people.discard(self.email))


def _poisson(random: Random, mean: float) -> int:
    count, product = 0, random.random()
    limit = 2.718281828459045**-mean
    while product > limit:
        count += 1
        product *= random.random()
    return count


_TOML = """
[scheduled]
scheme = "on-demand"
addresses = "{{n}}.sfu.test:443"
count = {plan.scheduled_machines}
spares = {plan.spares}
[instant]
scheme = "on-demand"
addresses = "{{n}}.instant.test:443"
count = {plan.instant_machines}
spares = {plan.spares}
[machines]
provisioner = "local"
price = {price}
look = "10s"
watch = "20m"
reconcile = "1h"
"""
