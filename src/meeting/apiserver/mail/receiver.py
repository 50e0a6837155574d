"""The door by which mails come back (RFC 5321, by twisted.mail): it takes those for our return addresses, nothing else.

A mail server of the house sends them here. It is no relay: an address without a good token is refused at RCPT, before
any of the mail is sent. What it takes is written down before it says 250; while the database is away it says 451, and
the mail server tries again.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.mail.smtp import ESMTP, IMessage, SMTPBadRcpt, SMTPServerError, User
from twisted.python.failure import Failure
from zope.interface import implementer

from meeting.apiserver.mail.returns import ReturnAddresses, why_returned
from meeting.daemon.errors import PleaseWait

#: Bytes of a mail, of which we need the beginning; its servers may add the whole mail that did not arrive.
LARGEST = 2 << 20
#: Seconds between two lines.
PATIENCE = 60
#: Connections at once, and recipients of a mail: of ours, one.
MOST_CONNECTIONS = 50
MOST_RECIPIENTS = 10

#: Writes down that the mail of this id did not arrive, and why.
Returned = Callable[[str, str], Coroutine[Deferred[Any], Any, bool]]


@implementer(IMessage)
class _Notice:
    """One mail that comes in, about one of ours."""

    def __init__(self, mail_id: str, returned: Returned) -> None:
        self._id = mail_id
        self._returned = returned
        self._lines: list[bytes] = []
        self._size = 0

    def lineReceived(self, line: bytes) -> None:
        """The next line; raises SMTPServerError when there are too many."""
        self._size += len(line) + 1
        if self._size > LARGEST:
            self._lines.clear()
            # Twisted puts this text on the line as it is.
            raise SMTPServerError(552, b"5.3.4 too large")
        self._lines.append(line)

    def eomReceived(self) -> Deferred[Any]:
        """All of it is here: fires when it is written down."""
        return Deferred.fromCoroutine(self._keep())

    async def _keep(self) -> None:
        why = why_returned(b"\n".join(self._lines))
        if why is not None:
            await self._returned(self._id, why)

    def connectionLost(self) -> None:
        """It does not end."""
        self._lines.clear()


class _Conversation(ESMTP):
    """One connection."""

    noisy = False
    timeout = PATIENCE
    ext_AUTH: Any = None
    transport: Any
    log = Logger()

    def __init__(self, factory: "ReturnsFactory") -> None:
        super().__init__()
        self.factory: Any = factory
        self.host = factory.host

    def callLater(self, period: float, func: Callable[[], object]) -> Any:
        """Twisted's own would be the global reactor's."""
        return self.factory.clock.callLater(period, func)

    def connectionMade(self) -> None:
        if not self.factory.enter(self):
            self.transport.abortConnection()
            return
        super().connectionMade()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.factory.leave(self)
        super().connectionLost(reason)

    def lineReceived(self, line: bytes) -> None:
        """A line; whatever stands in it."""
        try:
            super().lineReceived(line)
        except Exception:  # twisted.mail takes for granted what a stranger need not send
            self.log.debug("a line that is no SMTP ended a connection")
            self.transport.abortConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Longer than any mail server sends them."""
        self.transport.abortConnection()

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        """Anybody: what comes back has no sender at all."""
        return origin

    def validateTo(self, user: User) -> Any:
        """Our return addresses only."""
        mail_id = self.factory.addresses.read(str(user.dest))
        if mail_id is None or len(self._to) >= MOST_RECIPIENTS:
            raise SMTPBadRcpt(user, 550, "5.1.1 mails that came back are taken here, and nothing else")
        return lambda: _Notice(mail_id, self.factory.returned)

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        """None: nothing is passed on."""
        return b""

    def _messageHandled(self, resultList: Any) -> None:
        """Twisted says 550 to every failure, which would be for good."""
        failures = [result for success, result in resultList if not success] if resultList != "thrown away" else []
        for failure in failures:
            if not failure.check(PleaseWait):
                self.log.failure("a mail that came back", failure)
        if failures:
            self.sendCode(451, b"4.3.0 not now")
        else:
            self.sendCode(250, b"2.0.0 noted")


class ReturnsFactory(ServerFactory):
    """Makes the conversations, not too many at once."""

    noisy = False

    def __init__(self, addresses: ReturnAddresses, returned: Returned, host: str, clock: IReactorTime) -> None:
        """`host`: what it calls itself."""
        self.addresses = addresses
        self.returned = returned
        self.host = host.encode()
        self.clock = clock
        self._open: set[_Conversation] = set()

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return _Conversation(self)

    def enter(self, conversation: _Conversation) -> bool:
        """Whether there is room for one more."""
        if len(self._open) >= MOST_CONNECTIONS:
            return False
        self._open.add(conversation)
        return True

    def leave(self, conversation: _Conversation) -> None:
        """It has ended."""
        self._open.discard(conversation)
