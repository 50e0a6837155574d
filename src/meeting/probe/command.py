"""The command line of `meeting probe`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.task import react
from twisted.python.usage import Options, UsageError

from meeting.daemon.client import agent_for, tls_for
from meeting.probe.hub import CannotJoin, parts, take_a_place
from meeting.probe.participant import Participant
from meeting.probe.report import Report
from meeting.probe.signalling import connect


class ProbeOptions(Options):
    """meeting probe LINK"""

    synopsis = "meeting probe [options] https://meet.example.com/m/abc-defg-hij"
    optFlags = [["relay", None, "Use only the way through the turnserver."], ["json", None, "Report as JSON."]]
    optParameters = [
        ["name", None, "Probe", "The name that others see."],
        ["seconds", None, 10.0, "How long to stay.", float],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["ca"] = []

    def opt_ca(self, path: str) -> None:
        """A certificate authority to trust beside the system's (PEM file; may be repeated)."""
        self["ca"].append(path)

    def parseArgs(self, *links: str) -> None:
        if len(links) != 1:
            raise UsageError("give one link, as the hub shows it")
        try:
            parts(links[0])
        except CannotJoin as error:
            raise UsageError(str(error)) from None
        self["link"] = links[0]


async def probe(reactor: Any, options: ProbeOptions) -> Report:
    """Joins, stays, reports. What goes wrong is in the report's `trouble`."""
    report = Report()
    try:
        agent = agent_for(reactor, options["ca"])
        place = await take_a_place(agent, reactor, options["link"], options["name"])
        report.sfu = place.url
        opened_at = reactor.seconds()
        signalling = await connect(
            reactor, place.url, place.token, tls_for(urlsplit(place.url).hostname or "", options["ca"])
        )
        await Participant(reactor, signalling, report, relay=bool(options["relay"]), opened_at=opened_at).stay(
            options["seconds"]
        )
    except CannotJoin as error:
        report.trouble.append(str(error))
    except (ConnectError, DNSLookupError) as error:
        report.trouble.append(f"the sfuserver {report.sfu} cannot be reached: {error}")
    if report.connected_ms is None and not report.trouble:
        report.trouble.append("joined, but no media connection came up: is the media port open (UDP)?")
    return report


def main(arguments: Sequence[str]) -> int:
    """Runs the probe; 0 when all was good, 1 when not, 2 for wrong options."""
    options = ProbeOptions()
    # Twisted's options end at the first word that is none; people write the link first.
    link_first = bool(arguments) and not arguments[0].startswith("-")
    try:
        options.parseOptions([*arguments[1:], arguments[0]] if link_first else list(arguments))
    except UsageError as error:
        print(f"meeting probe: {error}\n{options.synopsis}", file=sys.stderr)
        return 2
    reports: list[Report] = []

    async def run(reactor: Any) -> None:
        reports.append(await probe(reactor, options))

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as end:
        if end.code:
            return 1
    report = reports[0]
    if options["json"]:
        print(json.dumps(report.as_json()))
    elif report.joined_ms is None:
        print(f"meeting probe: {'; '.join(report.trouble)}", file=sys.stderr)
    else:
        print(report.as_text())
    return 0 if report.good else 1
