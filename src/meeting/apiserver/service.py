"""The hub, put together: read it from top to bottom; what a part is made of stands in `parts`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.web.iweb import IAgent
from twisted.web.resource import IResource

from meeting.apiserver.admin.witness import Witness
from meeting.apiserver.database import Threads
from meeting.apiserver.errands import Rounds
from meeting.apiserver.parts.administration import AdministrationPart
from meeting.apiserver.parts.allocation import AllocationPart
from meeting.apiserver.parts.content import ContentPart
from meeting.apiserver.parts.foundation import Foundation
from meeting.apiserver.parts.mail import MailPart
from meeting.apiserver.parts.meetings import MeetingsPart
from meeting.apiserver.parts.part import Part
from meeting.apiserver.parts.people import PeoplePart
from meeting.apiserver.static import WebClient
from meeting.daemon.observe import Readiness, Watched, health_resource, status_resource
from meeting.daemon.web import Api, Call, Reply, Tree, Who

#: Seconds between two sweeps of what is over.
SWEEP_INTERVAL = 3600.0


class ApiServer(MultiService):
    """The hub. `resource` is its HTTP face; `database.opened()` fires when it can answer."""

    resource: IResource
    status: IResource

    def __init__(
        self,
        settings: Mapping[str, Any],
        reactor: Any,
        *,
        certificate: Watched | None = None,
        agent: IAgent | None = None,
        threads: Threads | None = None,
    ) -> None:
        """`settings` as `tap.Options` has them. `agent` and `threads` are for tests; nothing else differs there."""
        super().__init__()
        base = self._base = Foundation(settings, reactor, agent=agent, threads=threads)
        self.database = base.database
        self.metrics = base.metrics

        # The subjects, each on those before it.
        outgoing = MailPart(base)
        people = PeoplePart(base, outgoing)
        servers = AllocationPart(base)
        meetings = MeetingsPart(base, outgoing, people, servers)
        content = ContentPart(base, people, servers, meetings)
        administration = AdministrationPart(base, outgoing, meetings, content)
        parts: Sequence[Part] = (base, outgoing, people, servers, meetings, content, administration)

        # Their HTTP face.
        api = self.api = Api(
            "meeting",
            base.release,
            gate=people.callers,
            once=people.idempotency,
            witness=Witness(base.audit, base.database).hear,
            metrics=base.metrics,
            slow=settings["slowRequest"],
            reactor=reactor,
        )
        for part in parts:
            part.add_routes(api)
        _add_openapi(api)
        health = health_resource(self.readiness)
        self.resource = Tree(
            {
                b"api": api.resource,
                b"files": api.resource,
                b"mailbox": api.resource,
                b"healthz": health,
                b"readyz": health,
            },
            default=WebClient(Path(__file__).parent / "static", base.public_url),
        )
        self.status = status_resource(
            base.metrics,
            self.readiness,
            lambda: {
                "meetings without servers": servers.allocation.troubles,
                "mail servers": outgoing.sender.state(),
            },
            certificate,
            base.clock,
        )

        # What begins and ends with it.
        for part in parts:
            for service in part.services:
                self.addService(service)
        self._sweeps = [sweep for part in parts for sweep in part.sweeps]
        self.addService(Rounds("sweep", base.clock, SWEEP_INTERVAL, self._sweep_once))

    def readiness(self) -> Readiness:
        """Whether requests should be sent here: a hub without its database can answer nothing."""
        return Readiness(self.database.ready, {"database": "ready" if self.database.ready else "not ready"})

    def startService(self) -> None:
        """The database first."""
        self.database.startService()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """The database last: a mail that was sent is written down as sent."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await super().stopService()
        await self.database.stopService()

    async def _sweep_once(self) -> None:
        # The rest is shorter than the round, so that each round is some replica's.
        await self._base.leases.do("sweep", self._sweep, rest=timedelta(seconds=SWEEP_INTERVAL * 0.9))

    async def _sweep(self) -> None:
        for sweep in self._sweeps:
            await sweep()


def _add_openapi(api: Api) -> None:
    @api.route("GET", "/api/openapi.json", callers=Who.PUBLIC, summary="This document.", tags=("server",))
    async def get_openapi(call: Call) -> Reply:
        return Reply(
            200, _Document.model_construct(**api.openapi()), {"Content-Type": "application/vnd.oai.openapi+json"}
        )


class _Document(BaseModel, extra="allow"):
    """An OpenAPI document; its shape is the specification's."""
