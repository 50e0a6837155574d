"""The turnserver, put together in one place."""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import ifaddr
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from meeting.daemon.certificates.choice import AnyCertificate
from meeting.daemon.client import agent_for
from meeting.daemon.networks import IP
from meeting.daemon.observe import Metrics, Readiness, status_resource
from meeting.daemon.options import HostPort
from meeting.daemon.registration import Heartbeat, Registration, new_instance
from meeting.daemon.secret import Secret
from meeting.dataplane.interfaces import IRelay
from meeting.dataplane.relay import Relay
from meeting.dataplane.values import RelayLimits, StreamLimits
from meeting.turnserver.allocations import Allocations
from meeting.turnserver.authentication import Authentication
from meeting.turnserver.hub import Drain, Word
from meeting.turnserver.listeners import RelayPorts, Requests
from meeting.turnserver.metrics import TurnMetrics
from meeting.turnserver.options import Options
from meeting.turnserver.peers import Peers
from meeting.turnserver.permissions import CHANNELS, OLD_CHANNELS
from meeting.turnserver.quotas import Quotas

MakeRelay = Callable[..., IRelay]
"""meeting.dataplane's Relay, or a fake with its arguments."""


class TurnServer(MultiService):
    """Relays for those whom a firewall keeps from an sfuserver. `resource` and `status` are the same pages."""

    def __init__(
        self,
        settings: Options,
        reactor: Any,
        make_relay: MakeRelay = Relay,
        certificate: AnyCertificate | None = None,
    ) -> None:
        """`make_relay` stands in for the data plane in tests; `certificate`: for TURN over TLS, started by others."""
        super().__init__()
        secret = Secret(settings["secret"])
        clock = IReactorTime(reactor)
        external = {1 if ip.version == 4 else 2: ip for ip in settings["ip"]}
        interfaces = _interface_addresses()
        secured: list[HostPort] = [settings["domainaddress"]] if certificate is not None else []
        local = _local_addresses(settings["ip"], settings["bind"], interfaces)

        self.relay = make_relay(
            reactor,
            listen=[(str(ip), settings["port"]) for ip in local],
            dtls=[(str(ip), settings["dtlsPort"]) for ip in local if settings["dtlsPort"] is not None],
            streams=[
                (str(ip), port, secure)
                for port, secure in ((settings["port"], False), *((tls.port, True) for tls in secured))
                for ip in local
            ],
            relay=[str(ip) for ip in local],
            ports=settings["relayPorts"],
            realm=settings["realm"],
            stream_limits=StreamLimits(
                connections=settings["connectionLimit"],
                per_source=settings["sourceConnections"],
                half_open=settings["halfOpen"],
                handshake=settings["handshakeTime"],
                idle=settings["idleTime"],
                queue=settings["readerQueue"],
                stuck=settings["readerStall"],
                peers=settings["connectionLimit"],
                peers_of_one=settings["peerConnections"],
            ),
            workers=settings["threads"] or os.cpu_count() or 1,
            limits=RelayLimits(
                allocation_bytes_per_second=settings["allocationBandwidth"], bytes_per_second=settings["bandwidth"]
            ),
        )
        if certificate is not None:
            certificate.tell(lambda pair: self.relay.set_certificate(pair.pem, pair.key))
        self.peers = Peers(own={*settings["ip"], *local, *interfaces})
        quotas = Quotas(
            per_user=settings["userQuota"],
            per_room=settings["meetingQuota"],
            per_source=settings["sourceQuota"],
            total=settings["totalQuota"],
            permissions=settings["permissionLimit"],
            channels=settings["channelLimit"],
            connections=settings["peerConnections"],
        )
        secrets = [secret] if settings["previousSecret"] is None else [secret, Secret(settings["previousSecret"])]
        authentication = Authentication([each.key("turn-credential") for each in secrets], settings["realm"])
        channels = OLD_CHANNELS if settings["oldChannels"] else CHANNELS
        self.allocations = Allocations(
            authentication,
            self.peers,
            self.relay,
            external,
            quotas,
            channels,
            settings["mobility"],
            settings["tcpRelay"],
        )
        requests = Requests(clock, self.relay, self.allocations)
        ports = RelayPorts(reactor, self.relay, self.allocations, requests)

        self._hub = Word(self.allocations)
        self._drain = Drain(clock, self.allocations, self._hub.elsewhere, settings["drain"])

        address = HostPort(str(settings["ip"][0]), settings["port"])
        urls = turn_urls(settings["ip"], settings["port"], settings["domainaddress"] if secured else None)
        instance = new_instance()
        registration = Registration(
            reactor,
            agent_for(reactor, settings["ca"]),
            secret,
            settings["apiserver"],
            lambda: Heartbeat(
                kind="turn",
                address=str(address),
                url=f"turn:{address}",
                instance=instance,
                version=version("meeting"),
                state="draining" if self._drain.begun else "ready" if ports.ready else "starting",
                media=urls,
                load=min(1.0, len(self.allocations) / max(1, quotas.total)),
                rooms=self._hub.some_rooms(),
                details={"allocations": len(self.allocations), "relay": [str(ip) for ip in external.values()]},
            ),
            self._hub.hear,
            interval=settings["heartbeat"],
            certificate=certificate,
        )
        # Started in this order and stopped in the other: first the good-bye, then the ports.
        for service in (ports, registration):
            service.setServiceParent(self)

        def ready() -> Readiness:
            checks = {
                "relay": "open" if ports.ready else "not open",
                **({} if certificate is None else {"certificate": certificate.condition(clock.seconds())}),
                "hub": "registered" if registration.connected else "cannot be reached",
            }
            return Readiness(ports.ready and not self._drain.begun, checks)

        metrics = Metrics()
        if certificate is not None:
            certificate.add_metrics(metrics, clock)
        metrics.registry.register(TurnMetrics(self.relay, self.allocations, requests))
        self.status = status_resource(
            metrics,
            ready,
            lambda: {
                "draining": self._drain.begun,
                "counters": asdict(self.relay.counters()),
                "allocations": self.allocations.state(clock.seconds()),
            },
        )
        self.resource = self.status

    def stopService(self) -> Deferred[None]:
        """Nobody new, then a time for those who are there, then the good-bye and the ports."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._drain.drained()
        await super().stopService()


def turn_urls(addresses: Sequence[IP], port: int, tls: HostPort | None) -> list[str]:
    """The ways to this server (RFC 7065), the cheapest first."""
    plain = [str(HostPort(str(ip), port)) for ip in addresses]
    ways = [f"turn:{address}?transport={transport}" for transport in ("udp", "tcp") for address in plain]
    return ways if tls is None else [*ways, f"turns:{tls}?transport=tcp"]


def _local_addresses(told: Sequence[IP], given: Sequence[IP], interfaces: Collection[IP]) -> list[IP]:
    """What to bind to, for each family that clients are told: what was given, else the address itself if it is ours.

    A public address that is not (a cloud's) is forwarded to some interface by its network: any will do.
    """
    by_version = {ip.version: ip for ip in given}
    wildcards: dict[int, IP] = {4: IPv4Address(0), 6: IPv6Address(0)}
    return [by_version.get(ip.version, ip if ip in interfaces else wildcards[ip.version]) for ip in told]


def _interface_addresses() -> set[IP]:
    """Every address of this machine."""
    found = (ip.ip[0] if isinstance(ip.ip, tuple) else ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return {ip_address(text) for text in found}
