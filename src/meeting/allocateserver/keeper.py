"""Keeps the machines as the fleet plans them: writes down, does, listens, and starts over. The only place that acts.

One turn after the other: plan, write to the ledger, begin what is to be done. Making and destroying machines takes
minutes and goes on beside the turns; what comes of it is written down and leads to the next turn.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.allocateserver.fleet import Fleet
from meeting.allocateserver.ledger import Ledger
from meeting.allocateserver.provisioners import Provisioner, Refused
from meeting.allocateserver.values import Action, Create, Destroy, Order, Patience, SfuServer

AFTER_TROUBLE = 5.0


class Hub(Protocol):
    """Knows which sfuservers have registered."""

    async def sfuservers(self) -> list[SfuServer] | None:
        """None: the hub cannot be asked now."""


class Keeper(Service):
    """Does what the fleet plans."""

    log = Logger()

    def __init__(
        self,
        fleet: Fleet,
        ledger: Ledger,
        provisioner: Provisioner,
        hub: Hub,
        clock: IReactorTime,
        patience: Patience,
        order: Callable[[Create], Order],
        *,
        act_within: float = 900.0,
        list_within: float = 60.0,
    ) -> None:
        """`act_within`, `list_within`: seconds after which a provider is not waited for any longer."""
        self._fleet = fleet
        self._ledger = ledger
        self._provisioner = provisioner
        self._hub = hub
        self._clock = clock
        self._patience = patience
        self._order = order
        self._act_within = act_within
        self._list_within = list_within
        self._busy: dict[str, Deferred[Any]] = {}
        self._turn: Deferred[None] | None = None
        self._again = False
        self._next: IDelayedCall | None = None
        self._looked_at = float("-inf")
        self._list_at = float("-inf")

    def startService(self) -> None:
        """The first turn compares the ledger with the provider's list."""
        super().startService()
        self.wake()

    def stopService(self) -> Deferred[None]:
        """Machines stay as they are; what was begun with them and is not known to be done is found out after the next
        start.
        """
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        under_way = [*self._busy.values(), *([self._turn] if self._turn else [])]
        for each in under_way:
            each.cancel()
        return DeferredList(under_way, consumeErrors=True).addCallback(lambda _: None)

    def wake(self) -> None:
        """Something has changed: a turn now, or one more after this one."""
        self._again = True
        if self.running and self._turn is None:
            self._begin()

    @property
    def busy(self) -> frozenset[str]:
        """The machines that are being made or destroyed."""
        return frozenset(self._busy)

    def _now(self) -> int:
        return int(self._clock.seconds())

    def _begin(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._again = False
        self._turn = turn = Deferred.fromCoroutine(self._take_turn())
        turn.addBoth(self._over)

    def _over(self, result: object) -> None:
        self._turn = None
        pause = AFTER_TROUBLE
        if isinstance(result, Failure):
            if not result.check(CancelledError):
                self.log.failure("the machines could not be seen to; trying again", result)
        else:
            pause = self._pause()
        if self.running:
            self._next = self._clock.callLater(0 if self._again else pause, self._begin)

    def _pause(self) -> float:
        now = self._clock.seconds()
        moments = [self._list_at]
        planned = self._fleet.next_at(int(now))
        if planned is not None:
            moments.append(planned)
        look_in = self._fleet.look_in()
        if look_in is not None:
            moments.append(self._looked_at + look_in)
        unsure = self._fleet.list_at()
        if unsure is not None:
            moments.append(max(unsure, now + self._patience.look))
        return max(0.05, min(moments) - now)

    async def _take_turn(self) -> None:
        unsure = self._fleet.list_at()
        now = self._clock.seconds()
        if now >= self._list_at or (unsure is not None and now >= unsure and self._is_unsure()):
            await self._compare()
        look_in = self._fleet.look_in()
        if look_in is not None and self._clock.seconds() >= self._looked_at + look_in:
            await self._look()
        await self._do(self._fleet.plan(self._now(), self.busy))

    def _is_unsure(self) -> bool:
        return any(not each.provider_id and each.id not in self._busy for each in self._fleet.machines)

    async def _do(self, actions: list[Action]) -> None:
        """Written down first, then done."""
        await self._write()
        for action in actions:
            if action.machine_id in self._busy:
                continue
            work = self._create(action) if isinstance(action, Create) else self._destroy(action)
            self._start(action.machine_id, work)

    def _start(self, machine_id: str, work: Coroutine[Deferred[Any], Any, None]) -> None:
        under_way: Deferred[None] = Deferred.fromCoroutine(work)
        if not under_way.called:
            self._busy[machine_id] = under_way

        def over(result: object) -> None:
            self._busy.pop(machine_id, None)
            if isinstance(result, Failure) and not result.check(CancelledError):
                self.log.failure("machine {machine}", result, machine=machine_id)
            self.wake()

        under_way.addBoth(over)

    async def _create(self, action: Create) -> None:
        machine = action.machine
        kind = self._fleet.of(machine.id)
        assert kind is not None
        self.log.info("making machine {machine} for {address}", machine=machine.id, address=machine.address)
        try:
            making = Deferred.fromCoroutine(self._provisioner.create(self._order(action)))
            provider_id = await making.addTimeout(self._act_within, self._clock)
        except Refused as error:
            kind.machines.refused(machine.id, str(error)[:300], self._now())
        except CancelledError:
            raise  # we are ending; the next start finds out
        except Exception as error:  # whatever a provider has in store
            kind.machines.doubtful(machine.id, f"{type(error).__name__}: {error}"[:300], self._now())
        else:
            kind.machines.created(machine.id, provider_id, self._now())
        await self._write()

    async def _destroy(self, action: Destroy) -> None:
        self.log.info("destroying machine {machine}", machine=action.machine_id)
        kind = self._fleet.of(action.machine_id)
        try:
            destroying = Deferred.fromCoroutine(self._provisioner.destroy(action.provider_id))
            await destroying.addTimeout(self._act_within, self._clock)
        except CancelledError:
            raise
        except Exception as error:
            if kind is None:
                self.log.error("machine {machine} stays: {error}", machine=action.provider_id, error=str(error))
            else:
                kind.machines.not_destroyed(action.machine_id, f"{type(error).__name__}: {error}"[:300], self._now())
        else:
            if kind is not None:
                kind.machines.destroyed(action.machine_id, self._now())
        await self._write()

    async def _compare(self) -> None:
        """The ledger with the provider's list."""
        expected = self._fleet.expected(self.busy)
        try:
            listing = Deferred.fromCoroutine(self._provisioner.list())
            found = await listing.addTimeout(self._list_within, self._clock)
        except CancelledError:
            raise
        except Exception as error:
            self.log.error("the machines cannot be listed: {error}", error=f"{type(error).__name__}: {error}"[:300])
            self._list_at = self._clock.seconds() + self._patience.look
            return
        self._list_at = self._clock.seconds() + self._patience.reconcile
        await self._do(self._fleet.listed(found, expected, self.busy, self._now()))

    async def _look(self) -> None:
        """At the hub's servers."""
        servers = await self._hub.sfuservers()
        self._looked_at = self._clock.seconds()
        if servers is not None:
            self._fleet.seen(servers, self._now())

    async def _write(self) -> None:
        for note in self._fleet.notes():
            getattr(self.log, note.level)(note.text, **note.values)
        await self._ledger.write(self._fleet.changes())
