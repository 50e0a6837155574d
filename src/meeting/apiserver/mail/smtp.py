"""One mail to one SMTP server, by twisted.mail.

Port 465 is TLS from the first byte (RFC 8314); on any other port the connection is upgraded by STARTTLS: always when
there is a password to send, else when the server offers it. The server's certificate must be of its name. Connections
are made with connectTCP and connectSSL, never through an endpoint: there, a certificate of the wrong name would never
end the attempt.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parseaddr
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector
from twisted.mail.smtp import ESMTPSenderFactory, SMTPClientError, SMTPDeliveryError
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


class SmtpTransport:
    """Sends mails by one server. Calling it never raises and ends within `timeout` seconds."""

    def __init__(
        self, reactor: Any, server: SmtpServer, tls: Callable[[str], Any], *, implicit_tls: bool, timeout: float = 60.0
    ) -> None:
        """`tls` makes the IOpenSSLClientConnectionCreator that checks the certificate of a host name.

        `implicit_tls`: TLS from the first byte instead of STARTTLS.
        """
        self._implicit_tls = implicit_tls
        self._reactor = reactor
        self._server = server
        self._tls = tls
        self._timeout = timeout

    async def __call__(self, letter: Outgoing) -> Report:
        """Try it once."""
        server = self._server
        sent: Deferred[object] = Deferred()
        factory = ESMTPSenderFactory(
            server.username.encode() if server.username else None,
            server.password.encode() if server.username else None,
            parseaddr(server.sender)[1],
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
        factory.noisy = False
        connector: IConnector
        if self._implicit_tls:
            connector = self._reactor.connectSSL(
                server.host, server.port, factory, self._tls(server.host), timeout=self._timeout / 2
            )
        else:
            connector = self._reactor.connectTCP(server.host, server.port, factory, timeout=self._timeout / 2)
        return await self._within_time(sent, connector)

    async def _within_time(self, sent: Deferred[object], connector: IConnector) -> Report:
        # The factory's own Deferred must not be cancelled (it fails when the connection then closes): ours ends the
        # wait.
        report: Deferred[Report] = Deferred()

        def settle(result: object) -> None:
            if not report.called:
                report.callback(_report(result))

        def too_long() -> None:
            if not report.called:
                report.callback(Report(Outcome.NOT_NOW, f"no answer within {self._timeout:g} s"))
            connector.disconnect()

        sent.addBoth(settle)
        deadline = self._reactor.callLater(self._timeout, too_long)
        try:
            return await report
        finally:
            if deadline.active():
                deadline.cancel()


def _report(result: object) -> Report:
    """What twisted.mail said. Never the error's own text: it holds the conversation, with the password in it."""
    if not isinstance(result, Failure):
        return Report(Outcome.SENT)
    error = result.value
    if isinstance(error, SMTPDeliveryError) and error.addresses:
        addresses: Any = error.addresses
        _address, code, response = addresses[0]
        if rules.judge_recipient(code) is not Outcome.SENT:
            return Report(rules.judge_recipient(code), f"{code} {_text(response)}")
    if isinstance(error, SMTPClientError):
        if error.__cause__ is not None:
            return Report(Outcome.NOT_NOW, f"cannot connect: {error.__cause__}")
        return Report(Outcome.NOT_NOW, f"{error.code} {_text(error.resp)}")
    return Report(Outcome.NOT_NOW, f"{type(error).__name__}")


def _text(response: bytes | str) -> str:
    text = response.decode("utf-8", "replace") if isinstance(response, bytes) else response
    return " ".join(text.split())[:300]
