"""An agent that connects to public addresses only, and to the private networks that the operator has named.

The name is resolved here and the connection goes to the address that was looked at: a name that means another address
a moment later leads nowhere else (DNS rebinding).
"""

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.web.client import Agent
from twisted.web.iweb import IAgent
from zope.interface import directlyProvides, implementer, providedBy

from meeting.apiserver.hooks.rules import Network, may_reach
from meeting.daemon.client import trusting


class _Reactor:
    """The reactor, with a resolver that leaves out what may not be reached."""

    def __init__(self, reactor: Any, networks: Collection[Network]) -> None:
        self._reactor = reactor
        self.nameResolver = _Resolver(reactor, networks)
        directlyProvides(self, providedBy(reactor), IReactorPluggableNameResolver)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


@implementer(IHostnameResolver)
class _Resolver:
    def __init__(self, reactor: Any, networks: Collection[Network]) -> None:
        self._reactor = reactor
        self._networks = networks

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """IHostnameResolver.resolveHostName"""
        guarded = _Receiver(resolutionReceiver, self._networks)
        found: IHostResolution = self._reactor.nameResolver.resolveHostName(
            guarded, hostName, portNumber, addressTypes, transportSemantics
        )
        return found


@implementer(IResolutionReceiver)
class _Receiver:
    def __init__(self, receiver: IResolutionReceiver, networks: Collection[Network]) -> None:
        self._receiver = receiver
        self._networks = networks

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """IResolutionReceiver.resolutionBegan"""
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: Any) -> None:
        """IResolutionReceiver.addressResolved"""
        try:
            found = ip_address(address.host.partition("%")[0])
        except ValueError:
            return
        if may_reach(found, self._networks):
            self._receiver.addressResolved(address)

    def resolutionComplete(self) -> None:
        """IResolutionReceiver.resolutionComplete"""
        self._receiver.resolutionComplete()


def guarded_agent(reactor: Any, ca_files: Sequence[Path | str], networks: Collection[Network]) -> IAgent:
    """An agent that checks certificates as all of ours do, and goes only where it may. It follows no redirects."""
    return Agent(_Reactor(reactor, networks), contextFactory=trusting(ca_files), connectTimeout=10)
