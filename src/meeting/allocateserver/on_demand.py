"""Machines that are made when meetings need them, and destroyed afterwards. No I/O and no clock.

Questions, what providers and the hub say, and `now` go in. Out come answers, records for the ledger (`changes`), what
to do (`plan`) and when to come back (`next_at`). Whoever drives this writes the changes down before doing anything, so
that every machine that may exist is in the ledger; after a crash `restore` and the provider's list tell the rest
(docs/protocols/allocation.md).

An address belongs to one machine at a time. Scheduled meetings and the owners of instant ones hold addresses
(`holdings`), and no two the same one at once. An address that is held has a machine; of the machines that nobody holds
some are kept as spares.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from meeting.allocateserver import money
from meeting.allocateserver.holdings import Holdings
from meeting.allocateserver.money import Span
from meeting.allocateserver.values import (
    Action,
    Booking,
    Create,
    Destroy,
    Found,
    Group,
    Level,
    Machine,
    Note,
    Patience,
    Record,
    Refusal,
    SfuServer,
    Sharer,
)

FIRST_BACK_OFF, LONGEST_BACK_OFF = 5, 600
TOUCH_EVERY = 300
"""That an instant meeting is used is written down so often, seconds."""


class OnDemand:
    """The machines of one kind of meeting: who holds which address, and what has to happen."""

    def __init__(
        self,
        group: Group,
        patience: Patience,
        new_id: Callable[[], str],
        afford: Callable[[Span, int], str | None],
        most_bookings: int = 100_000,
    ) -> None:
        """`afford` says why a machine for a span cannot be paid at a moment, or None."""
        self.group = group
        self._patience = patience
        self._new_id = new_id
        self._afford = afford
        self._most_bookings = most_bookings
        self.machines: dict[str, Machine] = {}
        """Those that are not gone, by address."""
        self.holdings = Holdings(group.before, group.after, group.unused)
        self.notes: list[Note] = []
        self._changes: list[Machine] = []
        self._not_before: dict[str, int] = {}
        self._failures: Counter[str] = Counter()
        self._idle_since: dict[str, int] = {}
        self._unheard_since: dict[str, int] = {}
        self._missing: Counter[str] = Counter()
        self._people: dict[str, int] = {}
        self._fresh: set[str] = set()
        self._looked_at = 0
        self._boot = 60.0
        self._said: dict[str, int] = {}

    # -- the ledger -----------------------------------------------------------------------------------------------

    def restore(
        self, bookings: Iterable[Booking], sharers: Iterable[Sharer], machines: Iterable[Machine], now: int
    ) -> None:
        """Take back what the ledger holds. Who was in an instant meeting while nobody looked is seen before it counts
        as unused.
        """
        seen_by = now - self.group.unused + 2 * self._patience.watch
        sharers = [replace(each, asked_at=max(each.asked_at, seen_by)) for each in sharers]
        self.holdings.restore(bookings, sharers, set(self.group.addresses))
        self.machines = {each.address: each for each in machines if each.state != "gone"}

    def changes(self) -> list[Record]:
        """What has to be written down since the last call."""
        machines, self._changes = self._changes, []
        return [*self.holdings.changes(), *machines]

    # -- questions ------------------------------------------------------------------------------------------------

    def book(self, email: str, begin: int, end: int, now: int) -> Booking | Refusal:
        """An address for a scheduled meeting; the same question gets the same answer."""
        self.holdings.forget_what_is_over(now)
        span = self.holdings.window(begin, end)
        taken = {each.sfu for each in self.holdings.during(begin, end)}
        known = self.holdings.booking(email, begin, end)
        if known is not None:
            better = [each for each in self._ready_instead(known.sfu) if each not in taken] if span[0] <= now else []
            return self.holdings.keep(replace(known, sfu=better[0])) if better else known
        if len(self.holdings.bookings) >= self._most_bookings:
            return Refusal("Too many meetings are booked.", 60)
        free = [address for address in self.group.addresses if address not in taken]
        if not free:
            return Refusal(f"All {len(self.group.addresses)} machines for scheduled meetings are booked then.", 60)
        near = span[0] <= now
        ahead = Counter(booking.sfu for booking in self.holdings.bookings)
        # What is ready serves whoever needs it at once; whoever comes later leaves it to them.
        if near:
            free = [address for address in free if self._is_vacant(address)]
            if not free:
                return Refusal("All free machines for scheduled meetings are still in use.", 30)
        chosen = min(free, key=lambda address: (self._readiness(address) * (1 if near else -1), ahead[address]))
        dear = self._afford((max(span[0], now), span[1]), now)
        if dear is not None and not (near and self.is_ready(chosen)):
            self._say("error", dear, now)
            return Refusal(dear, 60)
        return self.holdings.keep(Booking(email, begin, end, chosen))

    def release(self, email: str, begin: int, end: int) -> bool:
        """A scheduled meeting does not need its address any more; says whether it had one."""
        return self.holdings.release(email, begin, end)

    def share(self, email: str, now: int) -> Sharer | Refusal:
        """An address for the instant meetings of an owner: theirs as long as it is used."""
        self.holdings.forget_what_is_over(now)
        held = {sharer.sfu for sharer in self.holdings.sharers}
        known = self.holdings.sharer(email)
        if known is None:
            free = [address for address in self.group.addresses if address not in held]
            usable = [address for address in free if self._is_vacant(address) and not self._is_ending(address)]
            if not usable:
                return Refusal(f"All {len(self.group.addresses)} machines for instant meetings are in use.", 30)
            chosen = min(usable, key=lambda address: (self._readiness(address), self._not_before.get(address, 0)))
            dear = self._afford((now, now + self.group.unused), now)
            if dear is not None and not self.is_ready(chosen):
                self._say("error", dear, now)
                return Refusal(dear, 60)
            known = Sharer(email, chosen, now)
        better = [address for address in self._ready_instead(known.sfu) if address not in held]
        moved = replace(known, sfu=better[0] if better else known.sfu, asked_at=now)
        return self.holdings.touch(moved, every=TOUCH_EVERY)

    def is_ready(self, address: str) -> bool:
        """Whether the machine there has registered with the hub."""
        machine = self.machines.get(address)
        return machine is not None and machine.state == "ready"

    def wait_for(self, address: str, now: int) -> int:
        """About how long the machine there still takes (seconds, in short steps), by what its predecessors took."""
        machine = self.machines.get(address)
        begun = machine.intended_at if machine is not None and machine.state in ("creating", "starting") else now
        return int(max(2, min(15, begun + self._boot - now)))

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
            self._put(replace(machine, state="ending", reason=reason))

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
        for machine in list(self.machines.values()):
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
        self._looked_at = now
        by_address = {each.address: each for each in servers}
        for machine in list(self.machines.values()):
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
        for sharer in list(self.holdings.sharers):
            if self._people.get(sharer.sfu):
                self.holdings.touch(replace(sharer, asked_at=now), every=TOUCH_EVERY)

    # -- what is to be done ---------------------------------------------------------------------------------------

    def plan(self, now: int, busy: Collection[str] = ()) -> list[Action]:
        """What has to begin now. Write `changes` down first."""
        self.holdings.forget_what_is_over(now)
        self._give_up(now)
        held = self.holdings.held(now)
        for address in held:
            self._make(address, now, (now, now + 1))
        self._mind_the_idle(held, now)
        actions: list[Action] = []
        for machine in self.machines.values():
            if machine.id in busy or self._not_before.get(machine.address, 0) > now:
                continue
            if machine.id in self._fresh:
                # Once: whether one that was written down before a crash was made, only the provider knows.
                self._fresh.discard(machine.id)
                actions.append(Create(machine))
            elif machine.state == "ending" and machine.provider_id:
                actions.append(Destroy(machine.id, machine.provider_id))
        return actions

    def next_at(self, now: int) -> int | None:
        """When `plan` has something new to say, if nothing else happens."""
        patience = self._patience
        moments = [*self.holdings.moments(), *self._not_before.values()]
        moments += [since + patience.hub for since in self._idle_since.values()]
        moments += [since + patience.lost for since in self._unheard_since.values()]
        starting = [each for each in self.machines.values() if each.state == "starting"]
        moments += [machine.intended_at + patience.start for machine in starting]
        return min((moment + 1 for moment in moments if moment >= now), default=None)

    def look_in(self) -> int | None:
        """How soon the hub's servers have to be looked at again, seconds; None: not at all."""
        if any(machine.state == "starting" for machine in self.machines.values()):
            return self._patience.look
        if any(since > self._looked_at for since in self._idle_since.values()):
            return self._patience.look
        if self._unheard_since:
            return self._patience.look * 4
        return self._patience.watch if self.machines else None

    def list_at(self) -> int | None:
        """When the provider has to be asked for its list beside the usual rounds; None: all machines are certain."""
        unsure = [machine for machine in self.machines.values() if not machine.provider_id]
        return min((machine.intended_at + self._patience.settle for machine in unsure), default=None)

    def spans(self, now: int, until: int) -> list[Span]:
        """What is paid for, or will be, from the machines that are there and the promises given. Up to `until`."""
        spans = [money.span_of(machine, now) for machine in self.machines.values()]
        spans += self.holdings.spans(now)
        idle = len(self.machines.keys() - self.holdings.held(now))
        return spans + [(now, max(now, until))] * min(idle, self.group.spares)

    # -- within ---------------------------------------------------------------------------------------------------

    def _readiness(self, address: str) -> int:
        """The lower, the sooner somebody can be let in there."""
        machine = self.machines.get(address)
        states = {"ready": -3, "starting": -2, "creating": -1, "ending": 1}
        return 0 if machine is None else states.get(machine.state, 0)

    def _is_ending(self, address: str) -> bool:
        machine = self.machines.get(address)
        return machine is not None and machine.state == "ending"

    def _ready_instead(self, address: str) -> list[str]:
        """Machines that are ready and empty, if the one at this address is not ready: nobody waits while there are."""
        if self.is_ready(address):
            return []
        return [each for each in self.group.addresses if self.is_ready(each) and self._is_vacant(each)]

    def _is_vacant(self, address: str) -> bool:
        """Whether nobody can be there: not even those whose meeting is over, and who have not left."""
        machine = self.machines.get(address)
        if machine is None or machine.state != "ready":
            return True
        since = self._idle_since.get(machine.id)
        return since is not None and self._looked_at >= since and not self._people.get(address)

    def _make(self, address: str, now: int, span: Span) -> bool:
        """Begin a machine, unless there is one, it was tried a moment ago, or it cannot be paid."""
        if address in self.machines or self._not_before.get(address, 0) > now:
            return False
        dear = self._afford(span, now)
        if dear is not None:
            self._say("error", dear, now)
            self._not_before[address] = now + 60
            return False
        machine = Machine(self._new_id(), address, self.group.use, "creating", now)
        self._fresh.add(machine.id)
        self._put(machine)
        return True

    def _mind_the_idle(self, held: set[str], now: int) -> None:
        """Keep the spares, destroy what is more than that and surely empty, make what is less."""
        idle = [each for each in self.machines.values() if each.address not in held and each.state != "ending"]
        ids = {machine.id for machine in idle}
        self._idle_since = {key: since for key, since in self._idle_since.items() if key in ids}
        for machine in idle:
            self._idle_since.setdefault(machine.id, now)
        windows = self.holdings.next_windows(now)

        def opens(address: str) -> float:
            return windows.get(address, float("inf"))

        soon = now + self._patience.start
        idle = [each for each in idle if opens(each.address) > soon]
        idle.sort(key=lambda each: (self._readiness(each.address), -opens(each.address), each.id))
        for machine in idle[self.group.spares :]:
            if machine.state in ("starting", "ready") and self._is_empty(machine, now):
                self._put(replace(machine, state="ending", reason=machine.reason or "not needed any more"))
        for _ in range(self.group.spares - len(idle)):
            free = [each for each in self.group.addresses if each not in self.machines and each not in held]
            free = [each for each in free if self._not_before.get(each, 0) <= now]
            free = [each for each in free if opens(each) > soon]
            if not free:
                return
            address = max(free, key=opens)
            if not self._make(address, now, (now, now - now % 86_400 + 86_400)):
                return

    def _is_empty(self, machine: Machine, now: int) -> bool:
        """Whether nobody is there, by a look at the hub after it became idle."""
        since = self._idle_since[machine.id]
        if self._looked_at >= since:
            return not self._people.get(machine.address)
        return now >= since + self._patience.hub

    def _give_up(self, now: int) -> None:
        """On machines that do not come, or do not come back."""
        for machine in list(self.machines.values()):
            reason = ""
            if machine.state == "starting" and now > machine.intended_at + self._patience.start:
                reason = f"has not registered with the hub within {self._patience.start} s"
            unheard = self._unheard_since.get(machine.id)
            if machine.state == "ready" and unheard is not None and now > unheard + self._patience.lost:
                reason = f"was not heard by the hub for {self._patience.lost} s"
            if reason:
                self._note("error", "{address} {reason}; another one is made", address=machine.address, reason=reason)
                self._failed(machine.address, now, wait=False)
                self._put(replace(machine, state="ending", reason=reason))

    def _failed(self, address: str, now: int, *, wait: bool = True) -> None:
        self._failures[address] += 1
        if wait:
            pause = min(FIRST_BACK_OFF * (1 << min(self._failures[address] - 1, 10)), LONGEST_BACK_OFF)
            self._not_before[address] = now + pause

    def _put(self, machine: Machine) -> None:
        self.machines[machine.address] = machine
        self._changes.append(machine)

    def _gone(self, machine: Machine, reason: str, now: int, *, free: bool = False) -> None:
        """`free`: it never was, and cost nothing."""
        del self.machines[machine.address]
        for memory in (self._missing, self._idle_since, self._unheard_since):
            memory.pop(machine.id, None)
        self._people.pop(machine.address, None)
        ended_at = machine.intended_at if free else now
        self._changes.append(replace(machine, state="gone", reason=reason, ended_at=ended_at))

    def _by_id(self, machine_id: str) -> Machine | None:
        return next((each for each in self.machines.values() if each.id == machine_id), None)

    def _note(self, level: Level, text: str, **values: str) -> None:
        self.notes.append(Note(level, text, values))

    def _say(self, level: Level, text: str, now: int) -> None:
        """The same words at most once an hour."""
        if now - self._said.get(text, 0) >= 3600:
            self._said = {each: at for each, at in self._said.items() if now - at < 3600}
            self._said[text] = now
            self._note(level, "{words}", words=text)
