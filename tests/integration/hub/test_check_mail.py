"""`meeting check-mail` against real SMTP servers: each fault is named with what to do, and no password is shown."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from meeting.apiserver.check_mail import main
from tests.support.certificates import write_certificates
from tests.support.processes import MEETING, free_port

PASSWORD = "a password that stays secret"


class Server:
    """Refuses what `refuse` names, by the answer it has there."""

    def __init__(self, **refuse: str) -> None:
        self.refuse = refuse
        self.mails: list[bytes] = []

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        envelope.mail_from = address
        return self.refuse.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        envelope.rcpt_tos.append(address)
        return self.refuse.get("RCPT", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        return self.refuse.get("DATA", "250 taken")


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=good)


Serve = Callable[..., int]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server, gives its port; with STARTTLS and passwords unless `plain`."""
    context = write_certificates(tmp_path, "localhost")
    controllers: list[Controller] = []

    def start(server: Server, plain: bool = False) -> int:
        options: dict[str, Any] = {}
        if not plain:
            options = {"tls_context": context, "require_starttls": True, "authenticator": authenticate}
        controllers.append(Controller(server, hostname="127.0.0.1", port=free_port(), **options))
        controllers[-1].start()
        return int(controllers[-1].port)

    yield start
    for controller in controllers:
        controller.stop()


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs the command; its exit status and what it says."""

    def run(port: int, *arguments: str, password: str = PASSWORD, host: str = "localhost", ca: bool = True) -> Any:
        file = tmp_path / "apiserver.toml"
        (tmp_path / "password").write_text(password)
        lines = [f'mailServer = ["{host}"]', f"mailPort = [{port}]", 'mailFrom = ["Meetings <meet@example.com>"]']
        if password:
            lines += ['mailUsername = ["meet"]', f'mailPasswordFile = ["{tmp_path / "password"}"]']
        if ca:
            lines += [f'ca = ["{tmp_path / "ca.pem"}"]']
        file.write_text("\n".join(lines))
        said: list[str] = []
        status = main(["--config", str(file), *arguments], said.append)
        assert not any(PASSWORD in line for line in said)
        return status, "\n".join(said)

    return run


def test_everything_works_and_a_test_mail_arrives(serve: Serve, check: Callable[..., tuple[int, str]]) -> None:
    server = Server()
    status, said = check(serve(server), "--to", "bob@example.com")
    assert (status, len(server.mails)) == (0, 1), said
    assert b"A test of the mail server" in server.mails[0]
    for words in (
        "the name stands for 127.0.0.1",
        "it takes the user name meet with its password",
        "it takes mail from meet@example.com",
        "it took a test mail to bob@example.com",
    ):
        assert f"  ok      {words}" in said
    assert "the certificate is good for localhost" in said
    assert "FAILED" not in said


@pytest.mark.parametrize(
    ("fault", "what", "advice"),
    [
        ("password", "it refuses the user name meet", "Check --mailUsername"),
        ("no ca", "the certificate is not good for localhost", "--ca its file"),
        ("other name", "the certificate is not good for 127.0.0.1", "Use the name that is in the certificate"),
        ("plain", "the server offers no STARTTLS, and a password is never sent in clear", "Use a port with TLS"),
        ("nothing there", "nothing listens on port", "Is --mailPort right"),
        ("no such name", "the name nowhere.invalid is not known", "Is --mailServer spelt right"),
        ("sender", "MAIL FROM meet@example.com: the server says 553 not yours", "change --mailFrom"),
        ("greylisted", "RCPT TO bob@example.com: the server says 451 4.7.1 later", "often greylisting"),
        ("spam", "the mail itself: the server says 554 5.7.1 spam", "refuses what the mail says"),
    ],
)
def test_each_fault_is_named_with_what_to_do(
    serve: Serve, check: Callable[..., tuple[int, str]], fault: str, what: str, advice: str
) -> None:
    refuse = {"sender": {"MAIL": "553 not yours"}, "greylisted": {"RCPT": "451 4.7.1 later"}}
    server = Server(**{**refuse, "spam": {"DATA": "554 5.7.1 spam"}}.get(fault, {}))
    port = free_port() if fault == "nothing there" else serve(server, plain=fault == "plain")
    hosts = {"other name": "127.0.0.1", "no such name": "nowhere.invalid"}
    status, said = check(
        port,
        "--to",
        "bob@example.com",
        password="wrong" if fault == "password" else PASSWORD,
        host=hosts.get(fault, "localhost"),
        ca=fault != "no ca",
    )
    assert status == 1, said
    assert f"  FAILED  {what}" in said
    assert advice in said.splitlines()[-1]


def test_a_server_without_tls_and_password_is_told_to_be_in_clear(
    serve: Serve, check: Callable[..., tuple[int, str]]
) -> None:
    status, said = check(serve(Server(), plain=True), password="")
    assert (status, "NOT encrypted" in said, "nothing was sent" in said) == (0, True, True)


def test_a_port_that_speaks_something_else(check: Callable[..., tuple[int, str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        status, said = check(listening.getsockname()[1], ca=False)
        thread.join(5)
    assert status == 1
    assert "Is this the mail server" in said


def test_it_is_a_command_that_says_what_it_needs() -> None:
    done = subprocess.run([MEETING, "check-mail"], capture_output=True, text=True, timeout=100)
    assert (done.returncode, "no --mailServer is given" in done.stdout) == (2, True)
