"""Which servers there are, and which of them serve a meeting."""

from datetime import timedelta

from meeting.apiserver.allocation.checks import Probe
from meeting.apiserver.allocation.external import ExternalAllocator
from meeting.apiserver.allocation.use_cases import Allocation
from meeting.apiserver.errands import Rounds
from meeting.apiserver.parts.foundation import Foundation
from meeting.daemon.client import DaemonClient
from meeting.daemon.web import Api

#: Seconds between two looks for servers that have to be asked for again.
RESERVATION_INTERVAL = 5.0


class AllocationPart:
    """The servers, and the allocateserver where there is one."""

    def __init__(self, base: Foundation) -> None:
        options = base.options
        self._base = base
        allocator = None
        if options["allocateserver"]:
            client = DaemonClient(base.agent, base.secret, "api", base.clock)
            allocator = ExternalAllocator(client, options["allocateserver"], timeout=options["allocateTimeout"])
        self.allocation = Allocation(
            base.database,
            base.clock,
            allocator,
            Probe(base.agent, base.clock, base.secret),
            interval=timedelta(seconds=options["heartbeat"]),
            metrics=base.metrics,
        )
        self.reservations = self.allocation.reservations
        self.services = (Rounds("reservations", base.clock, RESERVATION_INTERVAL, self.reservations.work),)
        self.sweeps = (self.allocation.sweep,)

    def add_routes(self, api: Api) -> None:
        """None: what servers tell the hub is answered with what meetings know (`parts/meetings.py`)."""

    def ask_soon(self) -> None:
        """Somebody's meeting has asked for servers: see to it now rather than in the next round."""
        self._base.errands.run("asking for servers", self.reservations.work)
