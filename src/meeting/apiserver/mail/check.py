"""Talking to a mail server step by step, and saying in plain words what works and what to do (`meeting check-mail`).

Everything is done as the hub does it (the same TLS rules, the same password), but blocking, one command at a time, so
that each step can be named. Passwords are never printed.
"""

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path

from meeting.apiserver.mail.message import write_message
from meeting.apiserver.mail.sender import Outgoing
from meeting.apiserver.mail.smtp import SmtpServer
from meeting.apiserver.schema import new_id

ANSWER_WITHIN = 20.0


class Stopped(Exception):
    """A step did not work: what happened, and what to do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


def check_server(
    server: SmtpServer,
    ca_files: Sequence[Path],
    to: str | None,
    say: Callable[[str], object],
    bounce_address: str | None = None,
) -> bool:
    """All steps with one server; says each, and whether mail would be taken.

    `bounce_address`: where mails come back to, if not to the From.
    """
    say(f"{server.host}:{server.port} (for {', '.join(server.domains)}; from {server.sender})")
    try:
        for done in _steps(server, ca_files, to, bounce_address):
            say(f"  ok      {done}")
    except Stopped as stop:
        say(f"  FAILED  {stop.what}")
        say(f"          {stop.advice}")
        return False
    return True


def _steps(server: SmtpServer, ca_files: Sequence[Path], to: str | None, bounce_address: str | None) -> Iterator[str]:
    yield f"the name stands for {', '.join(_addresses(server))}"
    trust = ssl.create_default_context()
    for file in ca_files:
        try:
            trust.load_verify_locations(file)
        except OSError as error:
            raise Stopped(f"--ca {file} cannot be used: {error.strerror or error}", "Give a file in PEM.") from None
    smtp = _connect(server, trust)
    try:
        yield from _Talk(smtp, server, trust, to, bounce_address).steps()
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
    finally:
        smtp.close()


class _Talk:
    """The conversation, once there is a connection."""

    def __init__(
        self,
        smtp: smtplib.SMTP,
        server: SmtpServer,
        trust: ssl.SSLContext,
        to: str | None,
        bounce_address: str | None,
    ) -> None:
        self._smtp = smtp
        self._server = server
        self._trust = trust
        self._to = to
        self._sender = bounce_address or parseaddr(server.sender)[1]

    def steps(self) -> Iterator[str]:
        """Each step that worked; raises Stopped at the first that did not."""
        smtp, server = self._smtp, self._server
        yield "it answers, and speaks SMTP"
        _do("EHLO", smtp.ehlo, "The server refuses to talk to this machine: is it allowed to send there?")
        if not server.implicit_tls and smtp.has_extn("starttls"):
            self._start_tls()
        if isinstance(smtp.sock, ssl.SSLSocket):
            yield f"the connection is encrypted ({smtp.sock.version()}), the certificate is good for {server.host}"
        elif server.username:
            raise Stopped(
                "the server offers no STARTTLS, and a password is never sent in clear",
                "Use a port with TLS (587 or 465), or leave --mailUsername away if the server needs none.",
            )
        else:
            yield "the connection is NOT encrypted: the server offers no STARTTLS; mails travel in clear"
        if server.username:
            self._sign_in()
            yield f"it takes the user name {server.username} with its password"
        _do(
            f"MAIL FROM {self._sender}",
            lambda: smtp.mail(self._sender),
            "The server does not let this account send from that address: change --mailFrom (or --bounceAddress, if it "
            "is that), or allow it there.",
        )
        yield f"it takes mail from {self._sender}"
        if self._to is not None:
            yield from self._send(self._to)
        else:
            yield "nothing was sent (--to ADDRESS sends a test mail)"

    def _start_tls(self) -> None:
        try:
            self._smtp.starttls(context=self._trust)
            self._smtp.ehlo()
        except ssl.SSLError as error:
            raise _bad_tls(self._server, error) from None
        except (smtplib.SMTPException, OSError) as error:
            raise Stopped(f"STARTTLS: {_said(error)}", "The server offers STARTTLS but does not do it.") from None

    def _sign_in(self) -> None:
        try:
            self._smtp.login(self._server.username, self._server.password)
        except smtplib.SMTPNotSupportedError:
            raise Stopped(
                "the server does not offer to sign in here", "Leave --mailUsername away, or use its port 587 or 465."
            ) from None
        except smtplib.SMTPAuthenticationError as error:
            raise Stopped(
                f"it refuses the user name {self._server.username} with its password: {_said(error)}",
                "Check --mailUsername and --mailPasswordFile; some providers want a password made for programs.",
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise Stopped(f"signing in: {_said(error)}", "Look into the mail server's own log.") from None

    def _send(self, to: str) -> Iterator[str]:
        smtp, server = self._smtp, self._server
        _do(
            f"RCPT TO {to}",
            lambda: smtp.rcpt(to),
            "451 or 450 is often greylisting: it works some minutes later, and the hub tries on by itself. Else the "
            "address is wrong, or this server does not send to that domain (see --mailDomains).",
        )
        yield f"it takes mail to {to}"
        now = datetime.now(UTC)
        text = f"This is a test of the mail server {server.host}:{server.port}, sent by meeting check-mail.\n"
        letter = Outgoing(new_id(now), to, "A test of the mail server", text, now, 0, now)
        message = write_message(letter, server.sender).replace(b"\n", b"\r\n")
        _do("the mail itself", lambda: smtp.data(message), "The server refuses what the mail says or where it is from.")
        yield f"it took a test mail to {to}: see whether it arrives, and not among the spam"


def _addresses(server: SmtpServer) -> list[str]:
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Stopped(
            f"the name {server.host} is not known: {error.strerror}", "Is --mailServer spelt right? Does DNS work here?"
        ) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _connect(server: SmtpServer, trust: ssl.SSLContext) -> smtplib.SMTP:
    try:
        if server.implicit_tls:
            return smtplib.SMTP_SSL(server.host, server.port, timeout=ANSWER_WITHIN, context=trust)
        return smtplib.SMTP(server.host, server.port, timeout=ANSWER_WITHIN)
    except ssl.SSLError as error:
        raise _bad_tls(server, error) from None
    except TimeoutError:
        raise Stopped(
            f"port {server.port} does not answer within {ANSWER_WITHIN:g} s",
            "A firewall may drop it; or one side waits for TLS from the start (port 465) and the other does not.",
        ) from None
    except ConnectionRefusedError:
        raise Stopped(f"nothing listens on port {server.port}", "Is --mailPort right (587, 465 or 25)?") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Stopped(
            f"port {server.port}: {_said(error)}", "Is this the mail server, and may this machine talk to it?"
        ) from None


def _bad_tls(server: SmtpServer, error: ssl.SSLError) -> Stopped:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Stopped(
            f"the certificate is not good for {server.host}: {error.verify_message}",
            "Use the name that is in the certificate as --mailServer; if your own authority made it: --ca its file.",
        )
    return Stopped(
        f"no TLS on port {server.port}: {error.reason or error}",
        "Port 465 is TLS from the start, any other STARTTLS: does --mailPort fit what the server does there?",
    )


def _do(step: str, talk: Callable[[], tuple[int, bytes]], advice: str) -> None:
    try:
        code, text = talk()
    except (smtplib.SMTPException, OSError) as error:
        raise Stopped(f"{step}: {_said(error)}", advice) from None
    if not 200 <= code < 300:
        raise Stopped(f"{step}: the server says {code} {_line(text)}", advice)


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server says {error.smtp_code} {_line(error.smtp_error)}"
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_WITHIN:g} s"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the server closed the connection"
    return _line(getattr(error, "strerror", None) or str(error))


def _line(text: bytes | str) -> str:
    line = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return "".join(each if each.isprintable() else " " for each in line)[:300]
