"""The options of `meeting turnserver`."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from twisted.python import usage

from meeting.daemon import options as shared
from meeting.daemon.options import DaemonOptions, Flag

LONGEST_REALM = 8
"""A challenge is at most twice as long as the shortest request for an allocation; there is no room for more."""


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError("write an IP address") from None
    if address.is_unspecified or address.is_multicast:
        raise ValueError("write an address that others can reach")
    return address


def _realm(text: str) -> str:
    if not 0 < len(text) <= LONGEST_REALM or not text.isascii() or not text.isprintable() or '"' in text:
        raise ValueError(f"write 1 to {LONGEST_REALM} printable ASCII characters without quotes")
    return text


class Options(DaemonOptions):
    """The turnserver's options."""

    flags = (
        shared.CONFIG,
        shared.SECRET,
        Flag(
            "previousSecret",
            "the secret before this one: while secrets are being changed, credentials made with it hold as well",
            secret=True,
        ),
        Flag("port", "the UDP and TCP port that clients come to", "3478", shared.port),
        Flag(
            "ip",
            "the address clients reach this server by, and their peers its relay ports; one for IPv4, one for IPv6",
            convert=_address,
            repeatable=True,
        ),
        Flag(
            "bind",
            "a local address to listen and relay on; without: --ip if this machine has it, else all of them",
            convert=_address,
            repeatable=True,
        ),
        replace(
            shared.DOMAIN_ADDRESS,
            help="name:port of TURN over TLS: 443 gets through where only the web does, 5349 is usual; without: none",
            required=False,
        ),
        Flag(
            "dtlsPort",
            "the UDP port of TURN over DTLS, with the name and certificate of --domainaddress: 5349 is usual;"
            " without: none, as no browser comes by it",
            convert=shared.port,
            required=False,
        ),
        shared.CERT,
        shared.CERTKEY,
        shared.ACME_DIRECTORY,
        shared.ACME_AGREE,
        shared.ACME_CONTACT,
        shared.ACME_PROFILE,
        shared.ACME_EAB_KID,
        shared.ACME_EAB_KEY,
        shared.ACME_CA,
        shared.ACME_PORT,
        shared.STATE_DIRECTORY,
        Flag("relayPorts", "the UDP ports of allocations, first-last", "49152-65535", shared.port_range),
        Flag("realm", "the realm of its credentials", "meeting", _realm),
        Flag("threads", "threads that move packets; 0: one for each core", "0", shared.whole_number),
        Flag("userQuota", "most allocations of one participant", "40", shared.whole_number),
        Flag("meetingQuota", "most allocations of one meeting", "8000", shared.whole_number),
        Flag("sourceQuota", "most allocations from one address (IPv6: /64)", "8000", shared.whole_number),
        Flag("totalQuota", "most allocations in all", "16000", shared.whole_number),
        Flag("permissionLimit", "most peers of one allocation", "64", shared.whole_number),
        Flag(
            "oldChannels",
            "take channel numbers up to 0x7FFF, as clients older than RFC 8656 use them",
            "false",
            shared.boolean,
        ),
        Flag("channelLimit", "most channels of one allocation", "32", shared.whole_number),
        Flag(
            "allocationBandwidth",
            "bytes a second that one relay address passes on in each direction; 0: no limit",
            "12MB",
            shared.size,
        ),
        Flag("bandwidth", "bytes a second that all of them pass on together; 0: no limit", "0", shared.size),
        Flag("mobility", "allocations go along when their client's address changes (RFC 8016)", "true", shared.boolean),
        Flag(
            "drain",
            "before it stops: how long those who relay may go on, while new ones are sent to another server",
            "0s",
            shared.seconds,
        ),
        Flag(
            "tcpRelay",
            "make TCP connections to peers, too (RFC 6062): no browser asks for it, and who has a credential reaches"
            " every web server on the internet through it",
            "false",
            shared.boolean,
        ),
        Flag("peerConnections", "most TCP connections to peers of one allocation", "16", shared.whole_number),
        Flag("connectionLimit", "most TCP, TLS and DTLS connections", "16000", shared.whole_number),
        Flag(
            "sourceConnections",
            "most TCP, TLS and DTLS connections from one address (IPv6: /64)",
            "8000",
            shared.whole_number,
        ),
        Flag("halfOpen", "most of these that have no allocation yet", "1000", shared.whole_number),
        Flag("handshakeTime", "how long a TLS or DTLS handshake may take", "10s", shared.seconds),
        Flag("idleTime", "how long a connection without an allocation may be silent", "30s", shared.seconds),
        Flag("readerQueue", "what may wait for a slow reader; media beyond is dropped", "256KB", shared.size),
        Flag("readerStall", "how long a reader of TCP or TLS may take nothing", "30s", shared.seconds),
        shared.APISERVER,
        shared.HEARTBEAT,
        shared.CA,
        shared.STATUS,
        shared.LOG_FORMAT,
        shared.LOG_LEVEL,
    )

    def check(self) -> None:
        """What fits together."""
        if not self["ip"]:
            raise usage.UsageError("--ip is needed: the address by which clients reach this server")
        for name in ("ip", "bind"):
            families = [address.version for address in self[name]]
            if len(families) != len(set(families)):
                raise usage.UsageError(f"--{name}: give one IPv4 and one IPv6 address at most")
        strange = {address.version for address in self["bind"]} - {address.version for address in self["ip"]}
        if strange:
            raise usage.UsageError(f"--bind has an IPv{strange.pop()} address, --ip has none of that family")
        for name in ("connectionLimit", "sourceConnections", "halfOpen", "readerQueue", "peerConnections"):
            if not self[name]:
                raise usage.UsageError(f"--{name}: write more than 0")
        tls = self["domainaddress"]
        if tls is not None and tls.port == self["port"]:
            raise usage.UsageError("--domainaddress: TLS needs another port than --port, 443 or 5349")
        if self["cert"] and tls is None:
            raise usage.UsageError("--cert is for TLS: give --domainaddress name:port too")
        dtls = self["dtlsPort"]
        if dtls is not None and tls is None:
            raise usage.UsageError("--dtlsPort needs a name and a certificate: give --domainaddress name:port too")
        if dtls == self["port"]:
            raise usage.UsageError("--dtlsPort: DTLS needs another port than --port, 5349 say")
        if dtls is not None and self["relayPorts"].first <= dtls <= self["relayPorts"].last:
            raise usage.UsageError("--dtlsPort lies within --relayPorts; choose another")
        if self["relayPorts"].first <= self["port"] <= self["relayPorts"].last:
            raise usage.UsageError("--port lies within --relayPorts; choose another")
