"""An SMTP server that keeps what it gets, as processes under test reach it."""

from __future__ import annotations

import re
import ssl
from collections import Counter
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Lock
from time import monotonic, sleep
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.support.processes import free_port

HOST = "localhost"


class Mailbox:
    """Asks for STARTTLS, takes any user name and password, then accepts everything."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.passwords: set[str] = set()
        self._mails: list[tuple[str, str]] = []
        self.ids: list[str] = []
        """Message-IDs, oldest first: one that is there twice was sent twice."""
        self._lock = Lock()
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=free_port(),
            tls_context=tls,
            require_starttls=True,
            authenticator=self._authenticate,
        )

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.passwords.add(data.password.decode())
        return AuthResult(success=True)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep the plain text for each recipient."""
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain",))
        text = "\n".join(body.get_content().splitlines()) if body else ""
        with self._lock:
            self.ids.append(str(message["Message-ID"]))
            self._mails.extend((recipient, text) for recipient in envelope.rcpt_tos)
        return "250 kept"

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def recipients(self) -> Counter[str]:
        """How many mails came to each address."""
        with self._lock:
            return Counter(recipient for recipient, _ in self._mails)

    def texts_to(self, address: str) -> list[str]:
        """The plain texts of the mails to `address`, oldest first."""
        with self._lock:
            return [text for recipient, text in self._mails if recipient == address]

    def code_for(self, address: str, within: float = 20.0) -> str:
        """The sign-in code in the newest mail to `address`."""
        end = monotonic() + within
        while not (texts := self.texts_to(address)):
            assert monotonic() < end, f"no mail came to {address}"
            sleep(0.05)
        code = re.search(r"^ +(\d{6})$", texts[-1], re.MULTILINE)
        assert code, texts[-1]
        return code[1]
