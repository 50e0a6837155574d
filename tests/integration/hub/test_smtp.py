"""Mail over real sockets, to aiosmtpd: STARTTLS, TLS from the start, passwords, and what comes back afterwards."""

import smtplib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThread
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from meeting.apiserver.mail.receiver import ReturnsFactory
from meeting.apiserver.mail.returns import ReturnAddresses, why_returned
from meeting.apiserver.mail.rules import Outcome
from meeting.apiserver.mail.sender import Outgoing, Report
from meeting.apiserver.mail.smtp import SmtpServer, SmtpTransport
from meeting.daemon.certificates.self_signed import self_signed
from meeting.daemon.client import tls_for
from meeting.daemon.converters import HostPort
from meeting.daemon.listeners import Port
from tests.support.deadlines import deadline
from tests.support.processes import free_port
from tests.unit.apiserver.test_mail_returns import REPORT

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LETTER = Outgoing("0" * 32, "bob@example.com", "Hello", "The text.\n.\nGrüße", NOW, 0, NOW)
PASSWORD = "a password that stays secret"


CUT = "the connection is cut"


@dataclass
class Mailbox:
    """What an SMTP server took; `refuse` is its answer to every recipient, if it has one."""

    refuse: str | None = None
    after_data: str | None = None
    mails: list[Any] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.refuse is not None:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append((session, envelope))
        if self.after_data == CUT:
            server.transport.abort()
        return self.after_data or "250 taken"


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"meet", PASSWORD.encode())
    return AuthResult(success=good, handled=good)


Serve = Callable[..., tuple[int, Mailbox]]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for `localhost`; its key is beside it."""
    self_signed(["localhost"], tmp_path, datetime.now(UTC))
    return tmp_path / "self-signed.pem"


@pytest.fixture
def serve(certificate: Path) -> Iterator[Serve]:
    """Starts an SMTP server, gives its port and what it takes."""
    controllers: list[Controller] = []

    def start(*, tls: bool = False, starttls: bool = False, passwords: bool = False, refuse: str | None = None) -> Any:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("self-signed-key.pem"))
        mailbox = Mailbox(refuse)
        options: dict[str, Any] = {"ssl_context": context} if tls else {}
        if starttls:
            options |= {"tls_context": context, "require_starttls": True}
        if passwords:
            options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": starttls}
        controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
        controllers.append(controller)
        controller.start()
        return controller.port, mailbox

    yield start
    for controller in controllers:
        controller.stop()


async def send(
    port: int,
    certificate: Path | None,
    *,
    host: str = "localhost",
    user: str = "",
    password: str = "",
    implicit_tls: bool = False,
) -> Report:
    from twisted.internet import reactor

    server = SmtpServer(host, port, user, password, "Meetings <meet@example.com>")
    ca = [certificate] if certificate else []
    transport = SmtpTransport(reactor, server, lambda name: tls_for(name, ca), implicit_tls=implicit_tls, timeout=8)
    return await transport(LETTER)


@deadline(20)
async def test_starttls_and_a_password(serve: Serve, certificate: Path) -> None:
    port, mailbox = serve(starttls=True, passwords=True)
    assert await send(port, certificate, user="meet", password=PASSWORD) == Report(Outcome.SENT)
    session, envelope = mailbox.mails[0]
    assert session.ssl is not None
    assert session.authenticated
    assert envelope.mail_from == "meet@example.com"
    assert envelope.rcpt_tos == ["bob@example.com"]

    received = envelope.content
    assert received.count(b"\r") == received.count(b"\n") == received.count(b"\r\n"), "a line ends in CRLF (RFC 5321)"
    mail: Any = message_from_bytes(received, policy=default)
    assert (mail["From"], mail["To"]) == ("Meetings <meet@example.com>", "bob@example.com")
    assert mail.get_content().splitlines() == LETTER.text.splitlines()


@deadline(20)
async def test_tls_from_the_first_byte(serve: Serve, certificate: Path) -> None:
    port, mailbox = serve(tls=True)
    assert await send(port, certificate, implicit_tls=True) == Report(Outcome.SENT)
    assert len(mailbox.mails) == 1


@deadline(20)
async def test_an_internal_server_without_tls_or_password(serve: Serve) -> None:
    port, mailbox = serve()
    assert await send(port, None) == Report(Outcome.SENT)
    assert len(mailbox.mails) == 1


@deadline(20)
async def test_a_password_is_never_sent_in_the_clear(serve: Serve) -> None:
    port, mailbox = serve(passwords=True)
    report = await send(port, None, user="meet", password=PASSWORD)
    assert report.outcome is Outcome.NOT_NOW
    assert "TLS" in report.detail
    assert mailbox.mails == []


@deadline(20)
async def test_a_wrong_password_is_said_without_saying_it(serve: Serve, certificate: Path) -> None:
    lines: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        lines.append(repr(event))

    globalLogPublisher.addObserver(observe)
    try:
        port, _ = serve(starttls=True, passwords=True)
        report = await send(port, certificate, user="meet", password="not " + PASSWORD)
    finally:
        globalLogPublisher.removeObserver(observe)
    assert report.outcome is Outcome.NOT_NOW
    assert "535" in report.detail
    assert PASSWORD not in report.detail
    assert not [line for line in lines if PASSWORD in line]


@deadline(20)
async def test_a_server_whose_certificate_is_not_trusted_gets_nothing(serve: Serve) -> None:
    port, mailbox = serve(starttls=True)
    report = await send(port, None)
    assert report.outcome is Outcome.NOT_NOW
    assert "certificate" in report.detail
    assert mailbox.mails == []


@deadline(20)
async def test_a_certificate_of_another_name_gets_nothing(serve: Serve, certificate: Path) -> None:
    port, mailbox = serve(starttls=True)
    report = await send(port, certificate, host="127.0.0.1")
    assert report.outcome is Outcome.NOT_NOW
    assert mailbox.mails == []


@deadline(20)
@pytest.mark.parametrize(
    ("refuse", "outcome"), [("451 4.7.1 greylisted", Outcome.DEFERRED), ("550 5.1.1 no such user", Outcome.REFUSED)]
)
async def test_a_refused_recipient(serve: Serve, refuse: str, outcome: Outcome) -> None:
    port, _ = serve(refuse=refuse)
    assert await send(port, None) == Report(outcome, refuse)


@deadline(20)
@pytest.mark.parametrize(
    ("after_data", "outcome"),
    [("554 5.7.1 spam", Outcome.REFUSED), ("451 later", Outcome.DEFERRED), (CUT, Outcome.UNKNOWN)],
)
async def test_what_is_said_of_the_whole_mail(serve: Serve, after_data: str, outcome: Outcome) -> None:
    port, mailbox = serve()
    mailbox.after_data = after_data
    report = await send(port, None)
    assert (report.outcome, len(mailbox.mails)) == (outcome, 1)
    assert report.detail.startswith(after_data if after_data != CUT else "the connection ended after the mail was")


@deadline(20)
async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        report = await send(probe.getsockname()[1], None)
    assert report.outcome is Outcome.NOT_NOW
    assert "cannot connect" in report.detail


@deadline(20)
async def test_a_server_that_says_nothing_is_given_up() -> None:
    from twisted.internet import reactor

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = SmtpServer("127.0.0.1", silent.getsockname()[1], "", "", "meet@example.com")
        report = await SmtpTransport(reactor, server, tls_for, implicit_tls=False, timeout=0.5)(LETTER)
    assert report.outcome is Outcome.NOT_NOW


@deadline(20)
async def test_what_a_mail_server_returns_later_is_taken_as_it_sends_it(serve: Serve) -> None:
    from twisted.internet import reactor

    noted: list[tuple[str, str]] = []

    async def returned(mail_id: str, why: str) -> bool:
        noted.append((mail_id, why))
        return True

    port, mailbox = serve()
    addresses = ReturnAddresses("bounces@example.com", b"k" * 32)
    server = SmtpServer("localhost", port, "", "", "meet@example.com")
    send_one = SmtpTransport(reactor, server, tls_for, return_address=addresses.of)
    assert await send_one(LETTER) == Report(Outcome.SENT)
    ((_, envelope),) = mailbox.mails
    assert addresses.read(envelope.mail_from) == LETTER.id

    factory = ReturnsFactory(addresses, returned, "example.com", IReactorTime(reactor))
    door = Port(reactor, factory, HostPort("127.0.0.1", 0), "returns")
    door.startService()

    def give_back() -> None:
        with smtplib.SMTP("127.0.0.1", door.address.port, timeout=8) as smtp:
            smtp.sendmail("", [envelope.mail_from], REPORT)

    try:
        await deferToThread(give_back)
    finally:
        await door.stopService()
    assert noted == [(LETTER.id, why_returned(REPORT))]
