"""One mail to one SMTP server, by twisted.mail.

Port 465 is TLS from the first byte (RFC 8314); on any other port the connection is upgraded by STARTTLS: always when
there is a password to send, else when the server offers it. The server's certificate must be of its name. Connections
are made with connectTCP and connectSSL, never through an endpoint: there, a certificate of the wrong name would never
end the attempt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector
from twisted.mail.smtp import ESMTPSender, ESMTPSenderFactory, SMTPClientError, SMTPDeliveryError
from twisted.python.failure import Failure

from meeting.apiserver.mail import rules
from meeting.apiserver.mail.message import write_message
from meeting.apiserver.mail.rules import Outcome
from meeting.apiserver.mail.sender import Outgoing, Report

#: The port on which TLS begins with the first byte (RFC 8314 section 7.3).
IMPLICIT_TLS_PORT = 465
#: The port of submission (RFC 6409 section 3.1), where a server is said without one.
SUBMISSION_PORT = 587


@dataclass(frozen=True)
class SmtpServer:
    """One of the servers given by --mailServer and its companions. Shows no password."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    #: The From of the mails it sends: `meet@example.com` or `Meetings <meet@example.com>`.
    sender: str
    #: Whom it serves, as `rules.serves` takes it.
    domains: tuple[str, ...] = (rules.ANY_DOMAIN,)

    @property
    def implicit_tls(self) -> bool:
        """Whether TLS begins with the first byte."""
        return self.port == IMPLICIT_TLS_PORT


def mail_servers(settings: Mapping[str, Any]) -> list[SmtpServer]:
    """The SMTP servers, in the order given; `tap.Options` has seen to it that the lists are as long as one another."""
    count = len(settings["mailServer"])
    columns = (
        settings["mailServer"],
        settings["mailPort"] or [SUBMISSION_PORT] * count,
        settings["mailUsername"] or [""] * count,
        settings["mailPassword"] or [""] * count,
        settings["mailFrom"],
        settings["mailDomains"] or [(rules.ANY_DOMAIN,)] * count,
    )
    return [SmtpServer(*values) for values in zip(*columns, strict=True)]


class SmtpTransport:
    """Sends mails by one server. Calling it never raises and ends within `timeout` seconds."""

    def __init__(
        self,
        reactor: Any,
        server: SmtpServer,
        tls: Callable[[str], Any],
        *,
        implicit_tls: bool | None = None,
        timeout: float = 60.0,
        return_address: Callable[[str], str] | None = None,
    ) -> None:
        """`tls` makes the IOpenSSLClientConnectionCreator that checks the certificate of a host name.

        `implicit_tls`: TLS from the first byte instead of STARTTLS; as the port says, if None. `return_address`: where
        a mail of this id goes if it comes back; to its From, if None.
        """
        self._implicit_tls = server.implicit_tls if implicit_tls is None else implicit_tls
        self._reactor = reactor
        self._server = server
        self._tls = tls
        self._timeout = timeout
        self._return_address = return_address

    async def __call__(self, letter: Outgoing) -> Report:
        """Try it once."""
        server = self._server
        sent: Deferred[object] = Deferred()
        factory = _Factory(
            server.username.encode() if server.username else None,
            server.password.encode() if server.username else None,
            self._return_address(letter.id) if self._return_address else parseaddr(server.sender)[1],
            letter.recipient,
            BytesIO(write_message(letter, server.sender)),
            sent,
            retries=0,
            timeout=self._timeout / 2,
            contextFactory=self._tls(server.host),
            requireAuthentication=bool(server.username),
            requireTransportSecurity=bool(server.username),
            hostname=server.host,
        )
        connector: IConnector
        if self._implicit_tls:
            connector = self._reactor.connectSSL(
                server.host, server.port, factory, self._tls(server.host), timeout=self._timeout / 2
            )
        else:
            connector = self._reactor.connectTCP(server.host, server.port, factory, timeout=self._timeout / 2)
        return await self._within_time(sent, connector, factory)

    async def _within_time(self, sent: Deferred[object], connector: IConnector, factory: "_Factory") -> Report:
        # The factory's own Deferred must not be cancelled (it fails when the connection then closes): ours ends the
        # wait.
        report: Deferred[Report] = Deferred()

        def settle(result: object) -> None:
            if not report.called:
                report.callback(_report(result, factory.handed_over))

        def too_long() -> None:
            if not report.called:
                outcome = Outcome.UNKNOWN if factory.handed_over else Outcome.NOT_NOW
                report.callback(Report(outcome, f"no answer within {self._timeout:g} s"))
            connector.disconnect()

        sent.addBoth(settle)
        deadline = self._reactor.callLater(self._timeout, too_long)
        try:
            return await report
        finally:
            if deadline.active():
                deadline.cancel()


class _Sender(ESMTPSender):
    def finishedFileTransfer(self, lastsent: bytes) -> None:
        self.factory.handed_over = True
        super().finishedFileTransfer(lastsent)


class _Factory(ESMTPSenderFactory):
    """Knows whether the whole mail was handed over: from then on an end without an answer may mean either."""

    protocol = _Sender
    noisy = False
    handed_over = False


def _report(result: object, handed_over: bool) -> Report:
    """What twisted.mail said. Never the error's own text: it holds the conversation, with the password in it."""
    if not isinstance(result, Failure):
        return Report(Outcome.SENT)
    error = result.value
    if isinstance(error, SMTPDeliveryError) and error.addresses:
        addresses: Any = error.addresses
        _address, code, response = addresses[0]
        if rules.judge_recipient(code) is not Outcome.SENT:
            return Report(rules.judge_recipient(code), f"{code} {_text(response)}")
    if isinstance(error, SMTPClientError) and handed_over:
        if error.code < 0:
            return Report(Outcome.UNKNOWN, "the connection ended after the mail was handed over, before an answer")
        # What it says of the mail itself (RFC 5321, section 4.2.1): too large, looks like spam.
        return Report(rules.judge_recipient(error.code), f"{error.code} {_text(error.resp)}")
    if isinstance(error, SMTPClientError):
        if error.__cause__ is not None:
            return Report(Outcome.NOT_NOW, f"cannot connect: {error.__cause__}")
        return Report(Outcome.NOT_NOW, f"{error.code} {_text(error.resp)}")
    return Report(Outcome.NOT_NOW, f"{type(error).__name__}")


def _text(response: bytes | str) -> str:
    text = response.decode("utf-8", "replace") if isinstance(response, bytes) else response
    return " ".join(text.split())[:300]
