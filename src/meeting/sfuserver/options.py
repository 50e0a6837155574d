"""The options of `meeting sfuserver`."""

from twisted.python import usage

from meeting.daemon import options as shared
from meeting.daemon.options import DaemonOptions, Flag
from meeting.sfuserver.addresses import media_address

MEDIA_PORT = 7882
"""LiveKit's usual port for all media over UDP; below the range from which systems choose ports at will."""


class Options(DaemonOptions):
    """The sfuserver's options."""

    flags = (
        shared.CONFIG,
        shared.SECRET,
        shared.DOMAIN_ADDRESS,
        shared.APISERVER,
        *shared.WEB,
        Flag("mediaPort", "the UDP port of all media", str(MEDIA_PORT), shared.port),
        Flag(
            "mediaTcpPort",
            "the TCP port of media, for networks that let no UDP out; without: as --mediaPort, if HTTP does not have "
            "that one; 0: no media by TCP, nor on the port of --domainaddress",
            convert=shared.port,
        ),
        Flag(
            "mediaAddress",
            "an address for media, or PUBLIC/LOCAL behind a NAT; without: all of this machine but the loopback",
            convert=media_address,
            repeatable=True,
        ),
        Flag(
            "maxConnections", "most peer connections at once; a participant has one or two", "5000", shared.whole_number
        ),
        Flag("emptyTimeout", "after which time a room that nobody entered ends", "5m", shared.seconds),
        Flag("departureTimeout", "after which time a room that everybody left ends", "20s", shared.seconds),
        Flag("awayTimeout", "how long a participant whose connection broke is waited for", "30s", shared.seconds),
    )

    def check(self) -> None:
        """What fits together."""
        if self["maxConnections"] < 1:
            raise usage.UsageError("--maxConnections: write at least 1")
        bound = [address.bound for address in self["mediaAddress"]]
        if len(bound) != len(set(bound)):
            raise usage.UsageError("--mediaAddress: the same local address is given twice")
