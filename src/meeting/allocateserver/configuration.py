"""The tables of the configuration file: the pool, the two schemes, and the machines on demand.

    [[sfu]] [[fs]]              the servers of the fixed pool
    [scheduled] [instant]       the scheme of each kind of meeting: "pool" or "on-demand"
    [machines]                  who makes machines, what they may cost; [machines.local] and so on: how

docs/operations/allocation.md shows each scheme with a whole file.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from meeting.allocateserver.pool import PoolUse, Sfu
from meeting.allocateserver.values import Budget, Group, Patience, Use
from meeting.daemon.converters import host_port, seconds

MOST_MACHINES = 2000

T = TypeVar("T", bound=BaseModel)


def _seconds(value: object) -> int:
    return int(seconds(str(value)))


def _address(value: object) -> str:
    return str(host_port(str(value)))


def _address_or_none(value: object) -> str:
    return _address(value) if value else ""


Seconds = Annotated[int, BeforeValidator(_seconds)]
Address = Annotated[str, BeforeValidator(_address)]
AddressOrNone = Annotated[str, BeforeValidator(_address_or_none)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class SfuTable(_Table):
    """A `[[sfu]]`."""

    address: Address = Field(default="", validate_default=True)
    turn: AddressOrNone = ""
    use: PoolUse = "any"
    meetings: Annotated[int, Field(strict=True, ge=1)] = 1


class FsTable(_Table):
    """A `[[fs]]`."""

    address: Address = Field(default="", validate_default=True)


class KindTable(_Table):
    """`[scheduled]` or `[instant]`."""

    scheme: Literal["pool", "on-demand"] = "pool"
    addresses: str | list[str] = []
    """One for each machine that there may be: a list, or a pattern with {n}."""
    first: Whole = 1
    count: Annotated[int, Field(strict=True, ge=1, le=MOST_MACHINES)] = 1
    """The numbers that a pattern stands for."""
    ips: list[str] = []
    turn: AddressOrNone = ""
    before: Seconds = 7200
    after: Seconds = 7200
    unused: Seconds = 10_800
    spares: Whole = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.scheme == "pool":
            if self.model_fields_set - {"scheme"}:
                raise ValueError('only with scheme = "on-demand" is there more to say')
            return self
        if not self.addresses:
            raise ValueError('write addresses, such as "{n}.sfu.example.com:443" with count = 20, or a list')
        for address in self.all_addresses:
            host_port(address)
        if len(set(self.all_addresses)) < len(self.all_addresses):
            raise ValueError("the addresses have to differ; {n} stands for the number")
        if self.ips and len(self.ips) != len(self.all_addresses):
            raise ValueError(f"write as many ips as addresses: {len(self.all_addresses)}")
        if self.spares > len(self.all_addresses):
            raise ValueError("there cannot be more spares than addresses")
        return self

    @property
    def all_addresses(self) -> tuple[str, ...]:
        """The pattern spelled out."""
        if isinstance(self.addresses, list):
            return tuple(self.addresses)
        return tuple(self.addresses.replace("{n}", str(n)) for n in range(self.first, self.first + self.count))

    def group(self, use: Use) -> Group:
        """The same, as the planner takes it."""
        ips = tuple(self.ips)
        times = (self.before, self.after, self.unused, self.spares)
        return Group(use, self.all_addresses, self.turn, ips, *times)

    def number(self, address: str) -> int:
        """What {n} is for an address."""
        return self.first + self.all_addresses.index(address)


class LocalTable(_Table):
    """`[machines.local]`: processes of this machine."""

    command: list[str] = []
    """How `meeting` is called; without: as this process was."""


class CloudInitTable(_Table):
    """`[machines.cloudInit]`: what a fresh machine is told."""

    command: str = "/opt/meeting/bin/meeting"
    install: list[str] = []
    """Shell commands that come before the start, for an image without meeting."""


class LibcloudTable(_Table):
    """`[machines.libcloud]`: any compute cloud that Apache Libcloud knows."""

    provider: str
    """Libcloud's name of it, such as gce, ec2, openstack."""
    arguments: list[str] = []
    """Of the driver, in their order."""
    secret_file: str = ""
    """A file that holds the driver's argument after those: a key or a password."""
    options: dict[str, Any] = {}
    """Of the driver, by name: project, datacenter, region …"""
    size: str
    image: str
    location: str = ""
    create: dict[str, Any] = {}
    """Further arguments of create_node; in their texts {cloud_init}, {name}, {ledger}, {machine}, {host}, {ip} …"""
    at_once: Annotated[int, Field(strict=True, ge=1, le=64)] = 8


class KubernetesTable(_Table):
    """`[machines.kubernetes]`: pods, made by the cluster's API."""

    server: str = ""
    """Of the API; without: that of the cluster this runs in."""
    token_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    ca: str = ""
    namespace: str = "default"
    image: str
    command: list[str] = ["meeting"]
    secret_name: str
    """A Secret of the namespace whose key `secret` is the product's secret."""
    host_network: bool = True
    node_selector: dict[str, str] = {}
    labels: dict[str, str] = {}
    resources: dict[str, Any] = {}


class MachinesTable(_Table):
    """`[machines]`."""

    provisioner: Literal["local", "libcloud", "kubernetes"]
    price: Money = 0.0
    """Of a machine for an hour."""
    most_per_day: Money | None = None
    most_per_month: Money | None = None
    start_within: Seconds = 900
    lost_after: Seconds = 120
    settle: Seconds = 120
    look: Seconds = 5
    watch: Seconds = 300
    reconcile: Seconds = 600
    sfuserver: dict[str, Any] = {}
    """Further lines of the sfuserver's configuration; in their texts {address}, {host}, {port}, {n}, {ip}, {name}."""
    cloud_init: CloudInitTable = CloudInitTable()
    local: LocalTable = LocalTable()
    libcloud: LibcloudTable | None = None
    kubernetes: KubernetesTable | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.provisioner != "local" and getattr(self, self.provisioner) is None:
            raise ValueError(f"write a table [machines.{self.provisioner}]")
        if (self.most_per_day is not None or self.most_per_month is not None) and not self.price:
            raise ValueError("a cap needs the price of a machine for an hour: write price")
        if not 1 <= self.look <= 60:
            raise ValueError("look: write a time between 1s and 60s")
        return self

    @property
    def budget(self) -> Budget:
        """What machines may cost."""
        return Budget(self.price, self.most_per_day, self.most_per_month)

    @property
    def patience(self) -> Patience:
        """How long is waited for what."""
        return Patience(
            start=self.start_within,
            lost=self.lost_after,
            settle=self.settle,
            look=self.look,
            watch=self.watch,
            reconcile=self.reconcile,
        )


@dataclass(frozen=True)
class Configuration:
    """All of it, checked."""

    sfus: tuple[Sfu, ...]
    fs: tuple[str, ...]
    kinds: Mapping[Use, KindTable]
    """Those on demand."""
    machines: MachinesTable | None


def configuration(tables: Mapping[str, Any]) -> Configuration:
    """From the file's tables, of which each may be missing. Raises ValueError with where and what to write."""
    sfus = [_parsed(f"[[sfu]] {n}", SfuTable, each) for n, each in enumerate(_array("sfu", tables), 1)]
    fs = [_parsed(f"[[fs]] {n}", FsTable, each) for n, each in enumerate(_array("fs", tables), 1)]
    named: tuple[Use, Use] = ("scheduled", "instant")
    kinds = {use: _parsed(f"[{use}]", KindTable, tables.get(use) or {}) for use in named}
    on_demand: dict[Use, KindTable] = {use: kind for use, kind in kinds.items() if kind.scheme == "on-demand"}
    machines = _parsed("[machines]", MachinesTable, tables["machines"]) if tables.get("machines") else None
    if on_demand and machines is None:
        raise ValueError("machines on demand: write a table [machines] that says who makes them")
    if machines is not None and not on_demand:
        raise ValueError('[machines] is for a scheme = "on-demand" in [scheduled] or [instant]')
    servers = [each.address for each in sfus] + [each for kind in on_demand.values() for each in kind.all_addresses]
    for name, addresses in (("sfu", servers), ("fs", [each.address for each in fs])):
        twice = [address for address, count in Counter(addresses).items() if count > 1]
        if twice:
            raise ValueError(f"[[{name}]] has {twice[0]} twice")
    pool = tuple(Sfu(each.address, each.turn, each.use, each.meetings) for each in sfus)
    return Configuration(pool, tuple(each.address for each in fs), on_demand, machines)


def _array(name: str, tables: Mapping[str, Any]) -> list[Any]:
    value = tables.get(name, [])
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise ValueError(f"write a [[{name}]] table for each server")
    return value


def _parsed(where: str, model: type[T], table: object) -> T:
    if not isinstance(table, dict):
        raise ValueError(f"write {where} as a table")
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = sorted(field.alias or name for name, field in model.model_fields.items())
            raise ValueError(f"{where}: unknown key {key!r}; there are {', '.join(known)}") from None
        words = "is needed" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{where}: {key}: {words}" if key else f"{where}: {words}") from None
