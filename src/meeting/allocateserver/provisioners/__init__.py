"""Who makes machines. A provisioner knows its provider and nothing about meetings."""

from collections.abc import Sequence
from typing import Protocol

from meeting.allocateserver.values import Found, Order


class Refused(Exception):
    """The provider has made nothing, for certain; the text says why. Any other error leaves that open."""


class Provisioner(Protocol):
    """Makes machines that run an sfuserver, and destroys them. What is done is done by the name in the order: a machine
    that was made before a crash is found again by it.
    """

    async def create(self, order: Order) -> str:
        """Make the machine; gives the provider's id for it. Raises Refused."""

    async def list(self) -> Sequence[Found]:
        """All machines that carry the tag of any ledger, being made included, and none that is going."""

    async def destroy(self, provider_id: str) -> None:
        """Destroy a machine; one that is not there is destroyed."""
