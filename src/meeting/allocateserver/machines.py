"""The machines of one kind of meeting: which there may be, and what their provider and the hub say of them. No I/O, no
clock.

Each has an address to itself and goes from `creating` by `starting` and `ready` to `ending`; then it is gone. Whoever
drives this writes `changes` down before doing what `actions` says, so that no machine is unknown to the ledger.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from meeting.allocateserver.values import (
    Action,
    Create,
    Destroy,
    Found,
    Level,
    Machine,
    Note,
    Patience,
    SfuServer,
    Use,
)

FIRST_BACK_OFF, LONGEST_BACK_OFF = 5, 600


class Machines:
    """Those that are not gone."""

    def __init__(self, use: Use, patience: Patience, new_id: Callable[[], str]) -> None:
        self._use = use
        self._patience = patience
        self._new_id = new_id
        self._at: dict[str, Machine] = {}
        self.notes: list[Note] = []
        self.looked_at = 0
        """When the hub was last asked what it knows of them."""
        self._changes: list[Machine] = []
        self._not_before: dict[str, int] = {}
        self._failures: Counter[str] = Counter()
        self._unheard_since: dict[str, int] = {}
        self._missing: Counter[str] = Counter()
        self._people: dict[str, int] = {}
        self._fresh: set[str] = set()
        self._boot = 60.0
        self._said: dict[str, int] = {}

    def __iter__(self) -> Iterator[Machine]:
        return iter(list(self._at.values()))

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, address: str) -> bool:
        return address in self._at

    def at(self, address: str) -> Machine | None:
        """The one at this address."""
        return self._at.get(address)

    # -- the ledger -----------------------------------------------------------------------------------------------

    def restore(self, machines: Iterable[Machine]) -> None:
        """Take back what the ledger holds."""
        self._at = {each.address: each for each in machines if each.state != "gone"}

    def changes(self) -> list[Machine]:
        """What has to be written down since the last call."""
        changes, self._changes = self._changes, []
        return changes

    # -- how they are ---------------------------------------------------------------------------------------------

    def is_ready(self, address: str) -> bool:
        """Whether the machine there has registered with the hub."""
        machine = self._at.get(address)
        return machine is not None and machine.state == "ready"

    def is_ending(self, address: str) -> bool:
        """Whether the machine there is being destroyed."""
        machine = self._at.get(address)
        return machine is not None and machine.state == "ending"

    def readiness(self, address: str) -> int:
        """The lower, the sooner somebody can be let in there."""
        machine = self._at.get(address)
        states = {"ready": -3, "starting": -2, "creating": -1, "ending": 1}
        return 0 if machine is None else states.get(machine.state, 0)

    def people(self, address: str) -> int:
        """How many were there at the last look."""
        return self._people.get(address, 0)

    def wait_for(self, address: str, now: int) -> int:
        """About how long the machine there still takes (seconds, in short steps), by what its predecessors took."""
        machine = self._at.get(address)
        begun = machine.intended_at if machine is not None and machine.state in ("creating", "starting") else now
        return int(max(2, min(15, begun + self._boot - now)))

    def rests_until(self, address: str) -> int:
        """When a machine may be tried there again, after failures."""
        return self._not_before.get(address, 0)

    # -- what is wanted -------------------------------------------------------------------------------------------

    def begin(self, address: str, now: int) -> None:
        """Make one there."""
        machine = Machine(self._new_id(), address, self._use, "creating", now)
        self._fresh.add(machine.id)
        self._put(machine)

    def end(self, machine: Machine, reason: str) -> None:
        """Destroy it."""
        self._put(replace(machine, state="ending", reason=reason))

    def rest(self, address: str, until: int) -> None:
        """Try none there before."""
        self._not_before[address] = until

    def give_up(self, now: int) -> None:
        """On those that do not come, or do not come back."""
        for machine in list(self._at.values()):
            reason = ""
            if machine.state == "starting" and now > machine.intended_at + self._patience.start:
                reason = f"has not registered with the hub within {self._patience.start} s"
            unheard = self._unheard_since.get(machine.id)
            if machine.state == "ready" and unheard is not None and now > unheard + self._patience.lost:
                reason = f"was not heard by the hub for {self._patience.lost} s"
            if reason:
                self._note("error", "{address} {reason}; another one is made", address=machine.address, reason=reason)
                self._failed(machine.address, now, wait=False)
                self.end(machine, reason)

    # -- what was done --------------------------------------------------------------------------------------------

    def created(self, machine_id: str, provider_id: str, now: int) -> None:
        """The provider has made a machine."""
        machine = self._by_id(machine_id)
        if machine is not None and machine.state in ("creating", "ending"):
            state = "starting" if machine.state == "creating" else machine.state
            self._put(replace(machine, provider_id=provider_id, created_at=now, state=state))

    def refused(self, machine_id: str, reason: str, now: int) -> None:
        """The provider has not made a machine, for certain."""
        machine = self._by_id(machine_id)
        if machine is not None:
            self._note("error", "no machine for {address}: {reason}", address=machine.address, reason=reason)
            self._failed(machine.address, now)
            self._gone(machine, reason, now, free=True)

    def doubtful(self, machine_id: str, reason: str, now: int) -> None:
        """Nobody knows whether the provider has made a machine. Whatever it has made is destroyed."""
        machine = self._by_id(machine_id)
        if machine is not None:
            self._note("error", "a machine for {address} may be lost: {reason}", address=machine.address, reason=reason)
            self._failed(machine.address, now)
            self.end(machine, reason)

    def destroyed(self, machine_id: str, now: int) -> None:
        """The provider has destroyed a machine."""
        machine = self._by_id(machine_id)
        if machine is not None:
            self._gone(machine, machine.reason, now)

    def not_destroyed(self, machine_id: str, reason: str, now: int) -> None:
        """It has not, or nobody knows: it is asked again."""
        machine = self._by_id(machine_id)
        self._note("error", "machine {machine} cannot be destroyed: {reason}", machine=machine_id, reason=reason)
        if machine is not None:
            self._failed(machine.address, now)

    def listed(self, mine: Mapping[str, Found], expected: Collection[str], busy: Collection[str], now: int) -> None:
        """Compare with what the provider lists, by our ids. `expected`: the machines that have to be in the list if
        they exist; `busy`: those that are being made or destroyed.
        """
        for machine in list(self._at.values()):
            if machine.id in busy:
                continue
            there = mine.get(machine.id)
            if there is not None:
                self._missing.pop(machine.id, None)
                if not machine.provider_id:
                    state = "starting" if machine.state == "creating" else machine.state
                    found_again = replace(machine, provider_id=there.provider_id, state=state)
                    self._put(replace(found_again, created_at=machine.created_at or now))
                    self._note("warn", "machine {machine} was made, and is found again", machine=machine.id)
            elif not machine.provider_id:
                if now >= machine.intended_at + self._patience.settle:
                    self._gone(machine, machine.reason or "was never made", now, free=True)
            elif machine.id in expected:
                self._missing[machine.id] += 1
                if machine.state == "ending" or self._missing[machine.id] > 1:
                    self._note("warn", "machine {machine} has vanished", machine=machine.id)
                    self._gone(machine, machine.reason or "vanished", now)

    def knows(self, machine_id: str) -> bool:
        """Whether a machine is in use, coming or going."""
        return self._by_id(machine_id) is not None

    def seen(self, servers: Iterable[SfuServer], now: int) -> None:
        """What the hub knows of sfuservers."""
        self.looked_at = now
        by_address = {each.address: each for each in servers}
        for machine in list(self._at.values()):
            server = by_address.get(machine.address)
            # An older one is a machine that had this address before.
            heard = server is not None and server.alive and server.age <= now - machine.intended_at + 1
            self._people[machine.address] = server.participants if heard and server is not None else 0
            if heard:
                self._unheard_since.pop(machine.id, None)
                if machine.state == "starting":
                    self._boot = 0.7 * self._boot + 0.3 * (now - machine.intended_at)
                    self._failures.pop(machine.address, None)
                    self._put(replace(machine, state="ready", ready_at=now))
                    self._note("info", "{address} is ready", address=machine.address)
            elif machine.state == "ready":
                self._unheard_since.setdefault(machine.id, now)

    # -- what is to be done ---------------------------------------------------------------------------------------

    def actions(self, now: int, busy: Collection[str]) -> list[Action]:
        """What has to begin now; of `busy` machines nothing."""
        actions: list[Action] = []
        for machine in self._at.values():
            if machine.id in busy or self._not_before.get(machine.address, 0) > now:
                continue
            if machine.id in self._fresh:
                # Once: whether one that was written down before a crash was made, only the provider knows.
                self._fresh.discard(machine.id)
                actions.append(Create(machine))
            elif machine.state == "ending" and machine.provider_id:
                actions.append(Destroy(machine.id, machine.provider_id))
        return actions

    def moments(self) -> list[int]:
        """When `give_up` or `actions` may have something new to say."""
        patience = self._patience
        starting = [each for each in self._at.values() if each.state == "starting"]
        return [
            *self._not_before.values(),
            *(since + patience.lost for since in self._unheard_since.values()),
            *(machine.intended_at + patience.start for machine in starting),
        ]

    def look_in(self) -> int | None:
        """How soon the hub has to be asked again, seconds; None: they are as they were."""
        if any(machine.state == "starting" for machine in self._at.values()):
            return self._patience.look
        return self._patience.look * 4 if self._unheard_since else None

    def list_at(self) -> int | None:
        """When the provider has to be asked for its list beside the usual rounds; None: all machines are certain."""
        unsure = [machine for machine in self._at.values() if not machine.provider_id]
        return min((machine.intended_at + self._patience.settle for machine in unsure), default=None)

    def say(self, level: Level, text: str, now: int) -> None:
        """The same words at most once an hour."""
        if now - self._said.get(text, 0) >= 3600:
            self._said = {each: at for each, at in self._said.items() if now - at < 3600}
            self._said[text] = now
            self._note(level, "{words}", words=text)

    # -- within ---------------------------------------------------------------------------------------------------

    def _failed(self, address: str, now: int, *, wait: bool = True) -> None:
        self._failures[address] += 1
        if wait:
            pause = min(FIRST_BACK_OFF * (1 << min(self._failures[address] - 1, 10)), LONGEST_BACK_OFF)
            self._not_before[address] = now + pause

    def _put(self, machine: Machine) -> None:
        self._at[machine.address] = machine
        self._changes.append(machine)

    def _gone(self, machine: Machine, reason: str, now: int, *, free: bool = False) -> None:
        """`free`: it never was, and cost nothing."""
        del self._at[machine.address]
        for memory in (self._missing, self._unheard_since):
            memory.pop(machine.id, None)
        self._people.pop(machine.address, None)
        ended_at = machine.intended_at if free else now
        self._changes.append(replace(machine, state="gone", reason=reason, ended_at=ended_at))

    def _by_id(self, machine_id: str) -> Machine | None:
        return next((each for each in self._at.values() if each.id == machine_id), None)

    def _note(self, level: Level, text: str, **values: str) -> None:
        self.notes.append(Note(level, text, values))
