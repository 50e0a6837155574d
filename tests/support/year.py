"""A year of meetings through the reference allocateserver, on a virtual clock, with a provider that is made up.

Everything of ours is real: the HTTP face, the planner, the ledger's file, the local or the Libcloud provisioner. Made
up are time, the machines, the hub's list, and people: they schedule, move and cancel meetings, open instant ones, come,
stay on and leave. The allocateserver is killed at random points: before and after each write to the ledger and each
call of the provider, whose work may then be done or not.

`troubles` holds what must not be: two meetings on a server, a machine that nobody knows, people thrown out, somebody
told to wait while a machine was ready, a meeting promised well ahead whose machine was not there at its begin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

from meeting.allocateserver.configuration import LibcloudTable
from meeting.allocateserver.ledger import Ledger
from meeting.allocateserver.options import Options
from meeting.allocateserver.provisioners import Provisioner
from meeting.allocateserver.provisioners.libcloud import LibcloudProvisioner
from meeting.allocateserver.provisioners.local import LocalProvisioner
from meeting.allocateserver.service import AllocateServer
from meeting.daemon.registration import Registration
from meeting.daemon.secret import Secret, sign_request
from meeting.daemon.web import site
from tests.support.http import Answer, Connection
from tests.support.year_people import InstantMeeting, ScheduledMeeting, poisson
from tests.support.year_world import BEGIN, DAY, HOUR, MINUTE, FakeProcesses, Life, NamedDummy, World

SECRET = "a secret of the tests, long enough"
PRICE = 0.8


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
            self._options,
            life.clock,
            provisioner=self._provisioner(life),
            hub=world,
            ledger=ledger,
            new_id=world.new_id,
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
        for _ in range(poisson(random, self.plan.scheduled * busy)):
            made = midnight + int(random.uniform(7, 19) * HOUR)
            ahead = random.choice([0, 10 * MINUTE, HOUR, 5 * HOUR, DAY, 3 * DAY, self.plan.days // 12 * DAY])
            begin = made + ahead + int(random.uniform(1, 60) * MINUTE)
            length = random.choice([15, 30, 30, 60, 60, 90, 240]) * MINUTE
            world.at(made, ScheduledMeeting(self, self._email("s"), begin, begin + length).make)
        for _ in range(poisson(random, self.plan.instant * busy)):
            world.at(midnight + random.uniform(6, 22) * HOUR, InstantMeeting(self, self._email("i")).open)

    def _email(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._number if kind == 's' else self._number % 40}@example.com"

    def told_to_wait(self, use: str, answer: Answer, *, again: bool) -> None:
        """Nobody is, while a machine that nobody has is ready for them (seen by a look at the hub a while ago)."""
        world = self.world
        world.counts[f"{use} meetings told to wait"] += not again
        fleet = self.server.fleet
        assert fleet is not None
        kind = fleet.kinds[use]  # type: ignore[index]
        held = kind.holdings.held(int(world.now))
        windows = kind.holdings.next_windows(int(world.now))
        for vm in world.vms.values():
            free = vm.address in kind.group.addresses and vm.address not in held and not vm.people
            if (
                free
                and vm.registers_at + 20 < world.now
                and kind.machines.is_ready(vm.address)
                and kind._is_vacant(vm.address)
            ):
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
