"""Mails, and the webhooks: what the hub tells people and programs outside."""

from email.utils import parseaddr
from functools import partial

from twisted.application.service import IService

from meeting.apiserver.hooks.reach import guarded_agent
from meeting.apiserver.hooks.sender import HookSender
from meeting.apiserver.hooks.use_cases import Hooks
from meeting.apiserver.mail import routes
from meeting.apiserver.mail.journal import Journal
from meeting.apiserver.mail.receiver import ReturnsFactory
from meeting.apiserver.mail.returns import ReturnAddresses
from meeting.apiserver.mail.sender import Sender, Server
from meeting.apiserver.mail.smtp import SmtpTransport, mail_servers
from meeting.apiserver.mail.use_cases import Brand, Mail
from meeting.apiserver.parts.foundation import Foundation
from meeting.daemon.client import tls_for
from meeting.daemon.listeners import Port
from meeting.daemon.web import Api


class MailPart:
    """What leaves the hub, each by a queue in the database and a sender."""

    def __init__(self, base: Foundation) -> None:
        options = base.options
        self._base = base
        servers = mail_servers(options)
        tls = partial(tls_for, ca_files=options["ca"])
        returns = return_address = None
        if options["bounceAddress"] is not None:
            returns = ReturnAddresses(options["bounceAddress"], base.secret.key("return-address"))
            return_address = returns.of
        self.sender = Sender(
            base.database,
            base.clock,
            [SmtpTransport(base.reactor, server, tls, return_address=return_address) for server in servers],
            base.metrics,
            [Server(f"{server.host}:{server.port}", server.domains) for server in servers],
            Journal(options["stateDirectory"] / "mails-taken"),
            base.decisions.image,
        )
        self.mail = Mail(
            base.database, self.sender.wake, public_url=base.public_url, keep=options["demo"], brand=self._brand
        )
        #: The addresses that mails come from, in the order of the servers.
        self.senders = [parseaddr(server.sender)[1] for server in servers]
        networks = options["webhookNetwork"]
        self.hooks = Hooks(
            base.database, base.clock, base.secret.key("webhook"), networks, wake=lambda: self.hook_sender.wake()
        )
        self.hook_sender = HookSender(
            base.database,
            base.clock,
            base.agent_of_test or guarded_agent(base.reactor, options["ca"], networks),
            self.hooks,
        )
        self.services: tuple[IService, ...] = (self.sender, self.hook_sender)
        if returns is not None:
            door = ReturnsFactory(returns, self.mail.returned, options["bounceAddress"].partition("@")[2], base.clock)
            self.services += (Port(base.reactor, door, options["bounceListen"], "mails that come back"),)
        self.sweeps = (self.hooks.sweep,)

    def add_routes(self, api: Api) -> None:
        """The demo shows its mails in the browser."""
        if self._base.options["demo"]:
            routes.add_routes(api, self.mail, self._base.decisions.image)

    def _brand(self) -> Brand:
        now = self._base.decisions.current
        return Brand(now.name, now.color, now.color_dark, now.mail_footer, now.imprint_url, now.privacy_url, now.logo)
