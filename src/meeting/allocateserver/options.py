"""The options of `meeting allocateserver`."""

from collections.abc import Sequence
from typing import ClassVar

from twisted.python import usage

from meeting.daemon import options as shared
from meeting.daemon.options import DaemonOptions, Flag

LISTENS_ON = shared.HostPort("127.0.0.1", 8085)


class Options(DaemonOptions):
    """The allocateserver's options; the schemes stand in the file of `--config`."""

    flags: ClassVar[Sequence[Flag]] = (
        shared.required(shared.CONFIG),
        shared.optional(shared.SECRET),
        shared.optional(shared.APISERVER),
        shared.optional(shared.DOMAIN_ADDRESS),
        *shared.WEB,
        Flag("lead", "how long before a scheduled meeting its sfuserver is kept for it", "10m", shared.seconds),
        Flag("lag", "and how long after it", "30m", shared.seconds),
        Flag("share", "how long an owner of instant meetings keeps theirs after the last one", "3h", shared.seconds),
    )
    tables = ("sfu", "fs", "scheduled", "instant", "machines")

    def check(self) -> None:
        """What fits together, and the tables."""
        from meeting.allocateserver.configuration import configuration

        try:
            tables = configuration(self)
        except ValueError as error:
            raise usage.UsageError(f"{self['config']}: {error}") from None
        if not tables.sfus and not tables.fs and not tables.kinds:
            raise usage.UsageError(f"{self['config']}: the pool is empty; write a [[sfu]] table for each sfuserver")
        if tables.kinds and not (self["apiserver"] and self["secret"]):
            raise usage.UsageError(
                f"{self['config']}: machines on demand need --apiserver and --secret: they are started with them, "
                "and the hub says which are there and in use"
            )
        if self["apiserver"] and not self["secret"]:
            raise usage.UsageError("--apiserver needs --secret: heartbeats are signed")
        if self["domainaddress"] is None and self["plainHttp"] is None:
            self["plainHttp"] = LISTENS_ON
