"""The file server, put together: read it from top to bottom."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.iweb import IAgent
from twisted.web.resource import IResource

from meeting.daemon.client import agent_for
from meeting.daemon.errors import MeetingError
from meeting.daemon.observe import Metrics, Readiness, Watched, health_resource, status_resource
from meeting.daemon.registration import Heartbeat, Registration, new_instance
from meeting.daemon.secret import Secret
from meeting.daemon.site import Tree
from meeting.fsserver.downloads import DownloadLimits, Downloads
from meeting.fsserver.removals import Removals
from meeting.fsserver.resource import ObjectsResource
from meeting.fsserver.stores.directory import DirectoryStore
from meeting.fsserver.stores.interface import NoSpace
from meeting.fsserver.uploads import UploadLimits, Uploads

#: Seconds between two looks for parts that nobody will finish, and how old those are.
SWEEP_INTERVAL = 3600.0
PARTS_ARE_KEPT = 24 * 3600.0


class FsServer(MultiService):
    """The file server. `resource` is its HTTP face, `status` what the private port serves."""

    resource: IResource
    status: IResource
    log = Logger()

    def __init__(
        self,
        settings: Mapping[str, Any],
        reactor: Any,
        *,
        certificate: Watched | None = None,
        agent: IAgent | None = None,
    ) -> None:
        """`settings` as `tap.Options` has them; `agent` is for tests."""
        super().__init__()
        clock = IReactorTime(reactor)
        secret = Secret(settings["secret"])
        agent = agent or agent_for(reactor, settings["ca"])

        self._store = DirectoryStore(settings["directory"], reactor, free_space=settings["freeSpace"])
        upload_limits = UploadLimits(
            settings["maxFileSize"], settings["maxUploads"], settings["uploadSilence"], settings["slowestUpload"]
        )
        download_limits = DownloadLimits(settings["maxPixels"], settings["readerStall"])
        self._uploads = Uploads(self._store, secret, clock, clock.seconds, upload_limits)
        downloads = Downloads(self._store, secret, clock.seconds, download_limits)

        removals = Removals(self._store, secret, clock.seconds)

        # Its HTTP face.
        origins = {origin_of(url) for url in (settings["apiserver"], *settings["webOrigin"])}
        metrics = Metrics()
        objects = ObjectsResource(self._uploads, downloads, removals, clock, origins, download_limits, metrics)
        health = health_resource(self.readiness)
        self.resource = Tree({b"objects": objects, b"healthz": health, b"readyz": health})
        self.status = status_resource(metrics, self.readiness, self.state, certificate, clock)

        # What it does by itself.
        heartbeat = Heartbeat(
            kind="fs",
            address=str(settings["domainaddress"]),
            url=settings["publicUrl"],
            instance=new_instance(),
            version=version("meeting"),
        )

        def describe() -> Heartbeat:
            state = "ready" if self.readiness().ready else "draining"
            load = min(1.0, self._uploads.running / upload_limits.at_once)
            return heartbeat.model_copy(update={"state": state, "load": load, "details": self.state()})

        self._registration = Registration(
            reactor,
            agent,
            secret,
            settings["apiserver"],
            describe,
            interval=settings["heartbeat"],
            certificate=certificate,
        )
        sweeping = TimerService(SWEEP_INTERVAL, self._sweep)
        sweeping.clock = reactor
        for service in (self._registration, sweeping):
            service.setServiceParent(self)

    def startService(self) -> None:
        """The store first."""
        self._store.startService()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """The store last: what it is writing is finished."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        try:
            await maybeDeferred(super().stopService)
        finally:
            self._store.stopService()

    def readiness(self) -> Readiness:
        """Whether uploads would be taken. A hub that cannot be reached does not count."""
        hub = "connected" if self._registration.connected else "not reached"
        try:
            self._store.check_space(0)
        except NoSpace:
            return Readiness(False, {"store": "full", "hub": hub})
        except MeetingError:
            return Readiness(False, {"store": "not reached", "hub": hub})
        return Readiness(True, {"store": "ready", "hub": hub})

    def state(self) -> dict[str, int]:
        """For administrators."""
        return {"uploads": self._uploads.running}

    def _sweep(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._sweep_once())

    async def _sweep_once(self) -> None:
        try:
            removed = await self._store.sweep(PARTS_ARE_KEPT)
        except MeetingError:
            return  # the store has said why
        if removed:
            self.log.info("removed {count} parts of broken uploads", count=removed)


def origin_of(url: str) -> str:
    """The origin of a URL as a browser writes it (RFC 6454, section 6.2)."""
    parts = urlsplit(url.lower())
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(default) if default else parts.netloc}"
