"""What the hub's composition root asks of each part."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from twisted.application.service import IService

from meeting.daemon.web import Api

Sweep = Callable[[], Awaitable[None]]


class Part(Protocol):
    """Some subjects, put together."""

    @property
    def services(self) -> Sequence[IService]:
        """What begins and ends with the hub, in the order of beginning."""

    @property
    def sweeps(self) -> Sequence[Sweep]:
        """What removes the part's rows that are over; done from time to time, by one replica."""

    def add_routes(self, api: Api) -> None:
        """Answer the part's requests."""
