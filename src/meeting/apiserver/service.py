"""The hub, put together: read it from top to bottom."""

from collections.abc import Mapping
from datetime import timedelta
from email.utils import parseaddr
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from livekit.protocol.models import ParticipantInfo
from pydantic import BaseModel
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent
from twisted.web.resource import IResource

from meeting.apiserver.accounts import account_routes, oidc_routes, passkey_routes
from meeting.apiserver.accounts import routes as people_routes
from meeting.apiserver.accounts.callers import Callers, Rates, origin_of
from meeting.apiserver.accounts.oidc import OidcSettings, Provider
from meeting.apiserver.accounts.passkeys import Passkeys, relying_party
from meeting.apiserver.accounts.profile import Profiles
from meeting.apiserver.accounts.sessions import Sessions
from meeting.apiserver.accounts.single_sign_on import SingleSignOn
from meeting.apiserver.accounts.use_cases import Accounts, appoint
from meeting.apiserver.admin import routes as admin_routes
from meeting.apiserver.admin.retention import Sweeper
from meeting.apiserver.admin.use_cases import Administration
from meeting.apiserver.admin.witness import Witness
from meeting.apiserver.allocation import routes as daemon_routes
from meeting.apiserver.allocation.checks import Probe
from meeting.apiserver.allocation.external import ExternalAllocator
from meeting.apiserver.allocation.use_cases import Allocation
from meeting.apiserver.audit.use_cases import Audit
from meeting.apiserver.chat import routes as chat_routes
from meeting.apiserver.chat.use_cases import Chat
from meeting.apiserver.database import Database, Threads, access, database_url
from meeting.apiserver.errands import Errands, Rounds
from meeting.apiserver.events import Events
from meeting.apiserver.hooks.reach import guarded_agent
from meeting.apiserver.hooks.sender import HookSender
from meeting.apiserver.hooks.use_cases import Hooks
from meeting.apiserver.idempotency.use_cases import Idempotency
from meeting.apiserver.leases import Leases
from meeting.apiserver.mail import routes as mail_routes
from meeting.apiserver.mail.sender import Sender, Server
from meeting.apiserver.mail.smtp import SmtpTransport, mail_servers
from meeting.apiserver.mail.use_cases import Brand, Mail
from meeting.apiserver.meetings import calendar_routes, room_routes, webhooks
from meeting.apiserver.meetings import routes as meeting_routes
from meeting.apiserver.meetings.alignment import Alignment
from meeting.apiserver.meetings.attendance import Attendances
from meeting.apiserver.meetings.calendars import Calendars
from meeting.apiserver.meetings.feed import Feeds
from meeting.apiserver.meetings.groups import Groups
from meeting.apiserver.meetings.house import House
from meeting.apiserver.meetings.joining import Joining
from meeting.apiserver.meetings.letters import Letters
from meeting.apiserver.meetings.moderation import Moderation
from meeting.apiserver.meetings.news import News
from meeting.apiserver.meetings.presence import Presence
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.reminders import Reminders
from meeting.apiserver.meetings.replies import Replies, ReplyLinks
from meeting.apiserver.meetings.rooms import Rooms
from meeting.apiserver.meetings.scheduling import Scheduling
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.migrations import migrate
from meeting.apiserver.minutes import routes as minutes_routes
from meeting.apiserver.minutes.effects import Limits as MinutesLimits
from meeting.apiserver.minutes.files import Files
from meeting.apiserver.minutes.live import LiveMinutes
from meeting.apiserver.minutes.rules import FileLimits
from meeting.apiserver.minutes.use_cases import Minutes
from meeting.apiserver.minutes.websocket import SocketLimits
from meeting.apiserver.schema import utc_now
from meeting.apiserver.settings.use_cases import INTERVAL as SETTINGS_INTERVAL
from meeting.apiserver.settings.use_cases import Settings
from meeting.apiserver.static import WebClient
from meeting.apiserver.tokens import routes as token_routes
from meeting.apiserver.tokens.use_cases import Tokens
from meeting.daemon.client import DaemonClient, agent_for, tls_for
from meeting.daemon.observe import Metrics, Readiness, Watched, health_resource, status_resource
from meeting.daemon.secret import Secret
from meeting.daemon.throttle import Throttle
from meeting.daemon.web import Api, Call, Reply, Tree, Who

#: Seconds between two looks for rooms whose server died, and between two sweeps of what is over.
PRESENCE_INTERVAL = 5.0
SWEEP_INTERVAL = 3600.0
#: The hours (UTC) in which what is over its time is removed, and seconds between two looks at the clock.
RETENTION_HOURS = range(1, 5)
RETENTION_INTERVAL = 600.0
#: Seconds between two looks for servers that have to be asked for again.
RESERVATION_INTERVAL = 5.0
#: Seconds between two looks for events that everybody has read.
PRUNE_INTERVAL = 60.0
#: Seconds between two looks for series that move on to their next meeting, and for reminders that are due.
SERIES_INTERVAL = 20.0
REMINDER_INTERVAL = 15.0


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
        hook_agent = agent
        clock = IReactorTime(reactor)
        secret = Secret(settings["secret"])
        agent = agent or agent_for(reactor, settings["ca"])
        public_url = settings["publicUrl"]
        release = version("meeting")

        # What all subjects stand on.
        metrics = self.metrics = Metrics()
        administrators = frozenset(settings["administrator"])

        async def prepare(database: Database) -> None:
            await migrate(database, clock)
            await database.transact(appoint, administrators)
            await decisions.load(database)

        self.database = Database(
            database_url(settings),
            reactor,
            prepare=lambda database: Deferred.fromCoroutine(prepare(database)),
            access=access(settings),
            connections=settings["databaseConnections"],
            threads=threads,
            metrics=metrics,
        )
        errands = Errands()
        events = Events(self.database, clock)
        leases = Leases(self.database, clock)
        decisions = Settings(self.database, clock, locked_settings(settings))
        audit = Audit(self.database, clock)
        hooks = Hooks(self.database, clock, secret.key("webhook"), settings["webhookNetwork"])
        hook_sender = HookSender(
            self.database,
            clock,
            hook_agent or guarded_agent(reactor, settings["ca"], settings["webhookNetwork"]),
            hooks,
        )

        # The subjects, each on those before it.
        servers = mail_servers(settings)
        tls = partial(tls_for, ca_files=settings["ca"])
        transports = [SmtpTransport(reactor, server, tls) for server in servers]
        named = [Server(f"{server.host}:{server.port}", server.domains) for server in servers]
        sender = Sender(self.database, clock, transports, metrics, named)

        def brand() -> Brand:
            return Brand(decisions.current.name, decisions.current.color)

        mail = Mail(self.database, sender.wake, public_url=public_url, keep=settings["demo"], brand=brand)
        sessions = Sessions(self.database, clock, secret.key("sign-in-code"))
        profiles = Profiles(self.database, clock)

        def domains() -> frozenset[str]:
            return frozenset(decisions.current.allowed_domains)

        party = relying_party(origin_of(public_url))
        single = oidc_settings(settings)
        sign_in_methods: list[people_routes.SignInMethod] = ["code"]
        passkeys = None
        if single is not None and single.only:
            sign_in_methods.clear()
        elif party is not None:
            passkeys = Passkeys(self.database, clock, sessions, party, domains)
            sign_in_methods.append("passkey")
        single_sign_on = None
        if single is not None:
            provider = Provider(agent, clock, single, public_url + oidc_routes.CALLBACK)
            single_sign_on = SingleSignOn(
                self.database, clock, sessions, provider, single, domains=domains, administrators=administrators
            )
            sign_in_methods.append("oidc")
        accounts = Accounts(
            self.database,
            clock,
            mail,
            sessions,
            secret.key("sign-in-code"),
            allowed_domains=domains,
            administrators=administrators,
            codes="code" in sign_in_methods,
        )
        tokens = Tokens(self.database, clock)
        idempotency = Idempotency(self.database, clock, secret.key("idempotency"))
        allocator = None
        if settings["allocateserver"]:
            client = DaemonClient(agent, secret, "api", clock)
            allocator = ExternalAllocator(client, settings["allocateserver"], timeout=settings["allocateTimeout"])
        allocation = Allocation(
            self.database,
            clock,
            allocator,
            Probe(agent, clock, secret),
            interval=timedelta(seconds=settings["heartbeat"]),
            metrics=metrics,
        )
        rooms = Rooms(agent, clock, secret, allocation)

        def ask_for_servers() -> None:
            errands.run("asking for servers", allocation.reservations.work)

        def close_room(meeting: Meeting) -> None:
            errands.run("closing a room", partial(rooms.close, meeting))

        reply_links = ReplyLinks(secret.key("reply-link"), public_url)
        host = urlsplit(public_url).hostname or "localhost"
        calendars = Calendars(organizer_of(settings, host), host)

        def house() -> House:
            return House.of(decisions.current)

        news = News(hooks)
        meetings = Meetings(
            self.database,
            clock,
            public_url=public_url,
            reservations=allocation.reservations,
            asked=ask_for_servers,
            close_room=close_room,
            house=house,
            news=news,
        )
        letters = Letters(mail, calendars, reply_links, meetings.link)
        scheduling = Scheduling(
            self.database,
            clock,
            mail,
            letters,
            reservations=allocation.reservations,
            asked=ask_for_servers,
            close_room=close_room,
            house=house,
            news=news,
        )
        groups = Groups(self.database, clock)
        replies = Replies(self.database, clock, reply_links)
        reminders = Reminders(
            self.database, clock, mail, letters, usual=lambda: decisions.current.reminder_minutes or None
        )
        feeds = Feeds(self.database, clock, secret.key("calendar-feed"), letters, calendars, public_url)
        joining = Joining(
            self.database,
            clock,
            secret,
            accounts,
            allocation,
            meetings,
            house=house,
            token_lifetime=timedelta(seconds=settings["tokenLifetime"]),
        )

        def recorded() -> bool:
            return decisions.current.attendance

        presence = Presence(self.database, clock, news, recorded=recorded)
        alignment = Alignment(self.database, clock, rooms, errands)
        moderation = Moderation(self.database, clock, meetings, rooms, alignment)
        attendances = Attendances(self.database, clock, meetings, recorded=recorded)

        def arrived(meeting_id: str, who: ParticipantInfo, metadata: str) -> None:
            errands.run("looking who came", partial(alignment.look, meeting_id, who, metadata))

        chat = Chat(self.database, clock)
        minutes = Minutes(self.database, clock)
        live_minutes = LiveMinutes(minutes, events, leases, clock, MinutesLimits(document=settings["maxMinutesSize"]))
        files = Files(self.database, clock, secret, allocation, meetings, file_limits(settings), agent)

        # Their HTTP face.
        callers = Callers(
            sessions,
            public_url,
            of_token=tokens.caller,
            throttle=Throttle(clock),
            rates=Rates(settings["requestsOfPerson"], settings["requestsOfAddress"]),
        )
        api = Api(
            "meeting",
            release,
            gate=callers,
            once=idempotency,
            witness=Witness(audit, self.database).hear,
            metrics=metrics,
            slow=settings["slowRequest"],
            reactor=reactor,
        )
        server = people_routes.ServerAnswer(
            name="meeting",
            version=release,
            demo=settings["demo"],
            sign_in_methods=sign_in_methods,
            oidc_name=None if single is None else single.name,
        )
        people_routes.add_routes(api, accounts, sessions, callers, server)
        if passkeys is not None:
            passkey_routes.add_routes(api, passkeys, callers)
        if single_sign_on is not None:
            oidc_routes.add_routes(api, single_sign_on, callers)
        account_routes.add_routes(
            api, profiles, sessions, callers, meets=meetings.meets, instant_code=meetings.instant_code
        )
        token_routes.add_routes(api, tokens, callers)
        meeting_routes.add_routes(api, meetings, scheduling, joining, callers)
        calendar_routes.add_routes(api, meetings, groups, replies, feeds, reminders, callers)
        chat_routes.add_routes(api, chat, meetings, callers)
        minutes_routes.add_routes(
            api, minutes, live_minutes, files, meetings, callers, limits=SocketLimits(), reactor=reactor
        )
        daemon_routes.add_routes(api, allocation, secret, clock)
        room_routes.add_routes(api, moderation, joining, attendances, callers)
        webhooks.add_routes(api, presence, arrived, secret.token_key, clock)
        if settings["demo"]:
            mail_routes.add_routes(api, mail)
        administration = Administration(self.database, clock, audit, meetings, scheduling, mail.wake)
        sweeper = Sweeper(self.database, clock, decisions, audit, files.remove)
        admin_routes.add_routes(
            api, admin_routes.Parts(administration, audit, decisions, sweeper, hooks, hook_sender.wake)
        )
        _add_openapi(api)
        self.api = api
        health = health_resource(self.readiness)
        self.resource = Tree(
            {
                b"api": api.resource,
                b"files": api.resource,
                b"mailbox": api.resource,
                b"healthz": health,
                b"readyz": health,
            },
            default=WebClient(Path(__file__).parent / "static", public_url),
        )
        self.status = status_resource(
            metrics,
            self.readiness,
            lambda: {"meetings without servers": allocation.troubles, "mail servers": sender.state()},
            certificate,
            clock,
        )

        # The services on top of the database.
        async def sweep() -> None:
            await accounts.sweep()
            await tokens.sweep()
            await idempotency.sweep()
            await allocation.sweep()
            await joining.sweep()
            await reminders.sweep()
            await leases.sweep()
            await hooks.sweep()

        # Once, whichever replica does it; the rest is shorter than the round, so that each round is somebody's.
        async def sweep_once() -> None:
            await leases.do("sweep", sweep, rest=timedelta(seconds=SWEEP_INTERVAL * 0.9))

        async def prune_once() -> None:
            await leases.do("events", events.prune, rest=timedelta(seconds=PRUNE_INTERVAL * 0.9))

        # At night, by UTC; the rest is longer than the night.
        async def retain_once() -> None:
            if utc_now(clock).hour in RETENTION_HOURS:
                await leases.do("retention", sweeper.sweep, rest=timedelta(hours=12), length=timedelta(minutes=10))

        for service in (
            events,
            sender,
            hook_sender,
            errands,
            Rounds("settings", clock, SETTINGS_INTERVAL, decisions.refresh),
            live_minutes,
            Rounds("reservations", clock, RESERVATION_INTERVAL, allocation.reservations.work),
            Rounds("lengths", clock, PRESENCE_INTERVAL, meetings.end_overlong),
            Rounds("presence", clock, PRESENCE_INTERVAL, presence.sweep),
            Rounds("retention", clock, RETENTION_INTERVAL, retain_once),
            Rounds("series", clock, SERIES_INTERVAL, scheduling.advance),
            Rounds("reminders", clock, REMINDER_INTERVAL, reminders.send),
            Rounds("sweep", clock, SWEEP_INTERVAL, sweep_once),
            Rounds("pruning events", clock, PRUNE_INTERVAL, prune_once),
        ):
            service.setServiceParent(self)

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


def locked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the hub that flags decide."""
    locked: dict[str, Any] = {}
    if settings["allowedDomain"]:
        locked["allowed_domains"] = settings["allowedDomain"]
    if settings["noAttendance"]:
        locked["attendance"] = False
    return locked


def oidc_settings(settings: Mapping[str, Any]) -> OidcSettings | None:
    """The single sign-on, if there is one."""
    if settings["oidcIssuer"] is None:
        return None
    return OidcSettings(
        issuer=settings["oidcIssuer"],
        client_id=settings["oidcClientId"],
        client_secret=settings["oidcClientSecret"],
        name=settings["oidcName"],
        scopes=settings["oidcScopes"],
        administrators=tuple(settings["oidcAdministratorClaim"]),
        trust_email=settings["oidcTrustEmail"],
        only=settings["oidcOnly"],
    )


def organizer_of(settings: Mapping[str, Any], host: str) -> str:
    """The address in calendars: the one mails come from, of the first server where there are several."""
    senders = [parseaddr(server.sender)[1] for server in mail_servers(settings)]
    return next(iter(senders), f"meetings@{host}")


def file_limits(settings: Mapping[str, Any]) -> FileLimits:
    """What people may add to a meeting."""
    return FileLimits(
        size=settings["maxFileSize"],
        count_of_person=settings["filesPerPerson"],
        size_of_person=settings["fileBytesPerPerson"],
        count_of_meeting=settings["filesPerMeeting"],
        size_of_meeting=settings["fileBytesPerMeeting"],
    )


def _add_openapi(api: Api) -> None:
    @api.route("GET", "/api/openapi.json", callers=Who.PUBLIC, summary="This document.", tags=("server",))
    async def get_openapi(call: Call) -> Reply:
        return Reply(
            200, _Document.model_construct(**api.openapi()), {"Content-Type": "application/vnd.oai.openapi+json"}
        )


class _Document(BaseModel, extra="allow"):
    """An OpenAPI document; its shape is the specification's."""
