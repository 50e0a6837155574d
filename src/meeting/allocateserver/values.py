"""What the allocateserver reckons with. Times are whole Unix seconds, addresses host:port, money in one's own unit."""

from dataclasses import dataclass, field
from typing import Any, Literal

Use = Literal["scheduled", "instant"]

State = Literal["creating", "starting", "ready", "ending", "gone"]
"""`creating`: written down, and the provider is being asked. `starting`: it is there and has not registered with the
hub. `ending`: to be destroyed. `gone`: destroyed, or it never was."""


@dataclass(frozen=True)
class Booking:
    """A scheduled meeting and its sfuserver. `begin` and `end` are the meeting's own."""

    email: str
    begin: int
    end: int
    sfu: str


@dataclass(frozen=True)
class Sharer:
    """The owner of instant meetings, their sfuserver, and when they last asked or somebody was there."""

    email: str
    sfu: str
    asked_at: int


@dataclass(frozen=True)
class Dropped:
    """A booking or a sharer that holds nothing any more."""

    held: Booking | Sharer


@dataclass(frozen=True)
class Machine:
    """One machine of a provider, from the intention to make it on. `id` is ours, is never used twice and goes with it
    as a tag.
    """

    id: str
    address: str
    use: Use
    state: State
    intended_at: int
    provider_id: str = ""
    created_at: int = 0
    ready_at: int = 0
    ended_at: int = 0
    reason: str = ""
    """Why it ended, for the report."""


Record = Booking | Sharer | Dropped | Machine
"""What the ledger keeps."""


@dataclass(frozen=True)
class Group:
    """The machines on demand for one kind of meeting."""

    use: Use
    addresses: tuple[str, ...]
    """Under which its machines will be found, one each: names and reserved addresses are there before the machines."""
    turn: str = ""
    ips: tuple[str, ...] = ()
    """Reserved addresses, beside `addresses`; may be empty."""
    before: int = 7200
    after: int = 7200
    """A scheduled meeting's machine is there so long before it and after it."""
    unused: int = 10_800
    """An instant meeting's machine goes when nobody was there, and its owner did not ask, for so long."""
    spares: int = 0
    """Machines that are kept ready for whoever comes next."""


@dataclass(frozen=True)
class Budget:
    """What machines may cost. A cap of None: none."""

    price: float = 0.0
    """Of one machine for an hour."""
    per_day: float | None = None
    per_month: float | None = None
    """Days and months of UTC."""


@dataclass(frozen=True)
class Patience:
    """Waits, in seconds."""

    start: int = 900
    """A machine that has not registered by then is destroyed, and another one made."""
    lost: int = 120
    """A machine that was ready and is not heard for so long is destroyed, and another one made."""
    settle: int = 120
    """What a provider was asked to make shows up in its list by then, or was not made."""
    look: int = 5
    """Between two looks at the hub's servers while one is awaited."""
    watch: int = 300
    """The same while none is."""
    reconcile: int = 600
    """Between two comparisons of the ledger with the provider's list."""
    hub: int = 3600
    """A machine that nobody needs goes without a look at the hub when the hub has not answered for so long."""


@dataclass(frozen=True)
class Order:
    """A machine to be made: all that a provisioner has to know."""

    name: str
    """`meeting-<ledger>-<id>`: letters, digits and hyphens, at most 40."""
    ledger: str
    machine: str
    address: str
    number: int
    """The place of `address` in its pattern."""
    ip: str


@dataclass(frozen=True)
class Found:
    """A machine that a provider lists and that carries the tag of some ledger."""

    provider_id: str
    ledger: str
    machine: str


@dataclass(frozen=True)
class SfuServer:
    """An sfuserver as the hub knows it. `age`: seconds since this instance first registered."""

    address: str
    alive: bool
    age: float
    participants: int


@dataclass(frozen=True)
class Create:
    """Make this machine."""

    machine: Machine

    @property
    def machine_id(self) -> str:
        """Its id in the ledger."""
        return self.machine.id


@dataclass(frozen=True)
class Destroy:
    """Destroy what the provider calls `provider_id`; `machine_id` is its id in the ledger, known there or not."""

    machine_id: str
    provider_id: str


Action = Create | Destroy


@dataclass(frozen=True)
class Refusal:
    """Why nobody gets anything now, in words, and when it is worth asking again (seconds)."""

    reason: str
    wait: int = 5


Level = Literal["info", "warn", "error"]


@dataclass(frozen=True)
class Note:
    """Something for the log."""

    level: Level
    text: str
    values: dict[str, Any] = field(default_factory=dict)
