"""Machines of a compute cloud, by Apache Libcloud: whichever of its drivers.

Libcloud blocks and is not safe for threads: each thread of a pool of ours has a driver of its own. A node's name is its
tag. Libcloud's errors do not say whether a node was made, so every one of them leaves that open.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from meeting.allocateserver.configuration import LibcloudTable
from meeting.allocateserver.provisioners import Refused
from meeting.allocateserver.provisioners.names import filled, found
from meeting.allocateserver.values import Found, Order
from meeting.daemon.errors import ConfigurationError

T = TypeVar("T")

_GOING = frozenset({"terminated", "stopping", "stopped", "shutting-down"})


class LibcloudProvisioner:
    """`cloud_init` gives the user data of an order."""

    def __init__(
        self,
        table: LibcloudTable,
        make_driver: Callable[[], Any],
        cloud_init: Callable[[Order], str],
        reactor: Any,
        threads: Any = None,
    ) -> None:
        """`threads`: a started ThreadPool, for tests."""
        self._table = table
        self._make_driver = make_driver
        self._cloud_init = cloud_init
        self._reactor = reactor
        self._threads = threads or ThreadPool(0, table.at_once, "libcloud")
        self._local = threading.local()

    def start(self) -> None:
        """Let the threads begin."""
        self._threads.start()

    def stop(self) -> None:
        """Wait for the threads."""
        self._threads.stop()

    async def create(self, order: Order) -> str:
        """Make the node, unless one has this name."""
        return await self._in_thread(lambda: self._create(order))

    async def list(self) -> Sequence[Found]:
        """The nodes that are there or coming."""
        return await self._in_thread(self._list)

    async def destroy(self, provider_id: str) -> None:
        """Destroy the node, if there is one."""
        await self._in_thread(lambda: self._destroy(provider_id))

    def _create(self, order: Order) -> str:
        driver = self._driver()
        for node in driver.list_nodes():
            if node.name == order.name:
                return str(node.id)
        arguments = filled(self._table.create, order, cloud_init=self._cloud_init(order))
        arguments["size"] = self._named("size", self._table.size, driver.list_sizes)
        arguments["image"] = self._named("image", self._table.image, driver.list_images)
        if self._table.location:
            arguments["location"] = self._named("location", self._table.location, driver.list_locations)
        return str(driver.create_node(name=order.name, **arguments).id)

    def _named(self, what: str, wanted: str, there: Callable[[], Sequence[Any]]) -> Any:
        """What the cloud calls so, by id or name; asked for once in each thread."""
        known: dict[str, Any] = self._local.__dict__.setdefault("known", {})
        if what not in known:
            named = [each for each in there() if wanted in (str(each.id), str(each.name))]
            if not named:
                raise Refused(f"the cloud has no {what} {wanted!r}")
            known[what] = named[0]
        return known[what]

    def _list(self) -> Sequence[Found]:
        nodes = [node for node in self._driver().list_nodes() if str(node.state) not in _GOING]
        return [each for node in nodes if (each := found(str(node.name), str(node.id))) is not None]

    def _destroy(self, provider_id: str) -> None:
        for node in self._driver().list_nodes():
            if str(node.id) == provider_id and str(node.state) not in _GOING and not node.destroy():
                raise RuntimeError("the cloud refuses to destroy the node")

    def _driver(self) -> Any:
        driver = getattr(self._local, "driver", None)
        if driver is None:
            driver = self._local.driver = self._make_driver()
        return driver

    def _in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        return deferToThreadPool(self._reactor, self._threads, work)


def driver_maker(table: LibcloudTable) -> Callable[[], Any]:
    """Makes drivers as the table says. Raises ConfigurationError."""
    try:
        from libcloud.compute.providers import get_driver
    except ImportError:
        raise ConfigurationError(
            "provisioner = \"libcloud\" needs Apache Libcloud: pip install 'meeting[cloud]'"
        ) from None
    try:
        driver = get_driver(table.provider.lower())
    except (AttributeError, KeyError, ValueError):
        raise ConfigurationError(f"[machines.libcloud]: Libcloud knows no provider {table.provider!r}") from None
    arguments = list(table.arguments)
    if table.secret_file:
        try:
            arguments.append(Path(table.secret_file).read_text().strip())
        except OSError as error:
            raise ConfigurationError(f"[machines.libcloud]: secretFile: {error}") from None
    return lambda: driver(*arguments, **table.options)
