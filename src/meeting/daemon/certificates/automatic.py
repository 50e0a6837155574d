"""Certificates that come by themselves: ordered by ACME, renewed in time, swapped while the port is open.

The deciding is done by `Schedule`, the talking by `Authority` in a thread; this service carries messages between the
two, keeps the diary on disk, and goes on serving the old certificate until a new one is whole.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from threading import Thread
from typing import Any, Protocol, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.daemon.certificates.authority import Authority, AuthorityError, RenewalInfo, Wanted
from meeting.daemon.certificates.certificate import Certificate
from meeting.daemon.certificates.context import load_pair
from meeting.daemon.certificates.keeping import Account, DiaryFile, new_key, write_whole
from meeting.daemon.certificates.schedule import Diary, Do, Life, Schedule
from meeting.daemon.errors import ConfigurationError

T = TypeVar("T")

LOOK_EVERY = 3600.0
"""A clock that was set, or a machine that slept, is noticed within the hour."""
SHORTEST_SLEEP = 1.0

_random = SystemRandom().random
InThread = Callable[[Callable[[], Any]], Deferred[Any]]


class Talk(Protocol):
    """An `Authority`, or what stands in for one."""

    def order(self, key_pem: bytes, replaces: x509.Certificate | None = None) -> bytes: ...
    def renewal_info(self, cert: x509.Certificate) -> RenewalInfo: ...


class AutomaticCertificate(Certificate, Service):
    """The certificate of one host name, from the authority that `wanted` names."""

    _log = Logger()
    source = "acme"

    def __init__(
        self,
        wanted: Wanted,
        directory: Path,
        reactor: Any,
        *,
        in_thread: InThread | None = None,
        talk: Talk | None = None,
        random: Callable[[], float] = _random,
    ) -> None:
        """`directory`: where all is kept. `in_thread`, `talk` and `random` are for tests."""
        super().__init__()
        self._wanted = wanted
        self._clock = IReactorTime(reactor)
        self._file = directory / f"{wanted.host.replace(':', '_')}.pem"
        self._account = Account(directory)
        self._diary = DiaryFile(directory, wanted.directory, wanted.host)
        self._schedule = Schedule(Diary(), random)
        self._talk: Talk = talk or Authority(wanted, self._account)
        self._in_thread = in_thread or _own_thread(reactor)
        self._next: IDelayedCall | None = None
        self._under_way: Deferred[None] | None = None
        self.orders = {"worked": 0, "failed": 0}

    @property
    def thumbprint(self) -> str:
        """Of the account; what port 80 answers challenges with."""
        return self._account.thumbprint

    def privilegedStartService(self) -> None:
        """Take the certificate that is there; raises ConfigurationError when the account's key cannot be used."""
        if self._next is None and self.pair is None:
            self._account.key  # noqa: B018  made or read now: what is wrong with it stops the start
            self._schedule.diary = self._diary.read()
            self._schedule.restarted()
            self.trouble = self._schedule.diary.trouble
            self._load()

    def startService(self) -> None:
        """Begin; the first look is at once."""
        self.privilegedStartService()
        super().startService()
        self._next = self._clock.callLater(0, self._look)

    def stopService(self) -> None:
        """What is under way is left behind: it was written down when it began."""
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        if self._under_way is not None:
            self._under_way.cancel()

    def _look(self) -> None:
        self._next = None
        now = self._clock.seconds()
        life = self._life()
        step = self._schedule.next(life, now)
        self.renewal = None if life is None else datetime.fromtimestamp(self._schedule.renewal(life), UTC)
        if step.do is Do.WAIT:
            self._sleep(step.at - now)
            return
        work = self._order() if step.do is Do.ORDER or life is None else self._ask(life)
        self._under_way = Deferred.fromCoroutine(work)
        self._under_way.addErrback(self._unexpected)
        self._under_way.addCallback(lambda _: self._again())

    def _again(self) -> None:
        self._under_way = None
        self._sleep(SHORTEST_SLEEP)

    def _sleep(self, seconds: float) -> None:
        if self.running:
            self._next = self._clock.callLater(min(max(seconds, SHORTEST_SLEEP), LOOK_EVERY), self._look)

    async def _order(self) -> None:
        self._schedule.order_begins(self._clock.seconds())
        self._keep()
        key = new_key()
        old = None if self.pair is None else self.pair.certificate
        try:
            chain = await self._in_thread(lambda: self._talk.order(key, old))
            # Whole before anything of the old one is touched.
            load_pair(chain, key, host=self._wanted.host, now=self._now())
            write_whole(self._file, key + chain)
        except AuthorityError as error:
            self._failed(str(error), error.retry_after, error.unreachable)
        except (ConfigurationError, OSError) as error:
            self._failed(f"the new certificate cannot be used: {error}", None, False)
        else:
            self._schedule.order_worked()
            self.orders["worked"] += 1
            self._load()
            self._log.info("a new certificate for {host}, good until {until}", host=self._wanted.host, until=self.until)
        self._keep()

    def _failed(self, trouble: str, retry_after: float | None, unreachable: bool) -> None:
        now = self._clock.seconds()
        self._schedule.order_failed(now, trouble, retry_after=retry_after, unreachable=unreachable)
        self.orders["failed"] += 1
        self._log.error(
            "no certificate for {host}: {trouble}; {meanwhile}, trying again in {minutes:.0f} minutes",
            host=self._wanted.host,
            trouble=trouble,
            meanwhile="nothing is served over TLS" if self.pair is None else f"the old one is good until {self.until}",
            minutes=(self._schedule.diary.not_before - now) / 60,
        )

    async def _ask(self, life: Life) -> None:
        assert self.pair is not None
        cert = self.pair.certificate
        try:
            info = await self._in_thread(lambda: self._talk.renewal_info(cert))
        except AuthorityError as error:
            self._schedule.window_failed(self._clock.seconds())
            self._log.warn("when to renew could not be asked: {error}; it is tried again later", error=str(error))
        else:
            self._schedule.window_heard(life, info.window, info.retry_after, self._clock.seconds())
        self._keep()

    def _unexpected(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        self._log.failure("getting a certificate failed in a way nobody expected", failure=failure)
        trouble = "a fault of this program; see its log"
        self._schedule.order_failed(self._clock.seconds(), trouble, retry_after=None, unreachable=False)
        self._schedule.window_failed(self._clock.seconds())

    def _keep(self) -> None:
        self.trouble = self._schedule.diary.trouble
        try:
            self._diary.write(self._schedule.diary)
        except OSError as error:
            self._log.error("--stateDirectory: {error}: attempts are not remembered over a restart", error=error)

    def _load(self) -> None:
        if not self._file.exists():
            return
        try:
            content = self._file.read_bytes()
            # An expired one is better than none for nobody, but it says when it ended.
            self.take(load_pair(content, content, host=self._wanted.host))
        except (ConfigurationError, OSError) as error:
            self._log.error("the certificate in {file} cannot be used: {error}", file=self._file, error=error)

    def _life(self) -> Life | None:
        if self.pair is None:
            return None
        cert = self.pair.certificate
        begin, end = cert.not_valid_before_utc.timestamp(), cert.not_valid_after_utc.timestamp()
        return Life(cert.fingerprint(SHA256()).hex(), begin, end)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.seconds(), UTC)


def _own_thread(reactor: Any) -> InThread:
    """Each piece of work in a thread of its own, that does not keep the process from ending."""

    def run(work: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred(lambda _: None)

        def give(how: Callable[[Any], None], what: Any) -> None:
            if not done.called:
                how(what)

        def in_thread() -> None:
            try:
                result = work()
            except BaseException:
                reactor.callFromThread(give, done.errback, Failure())
            else:
                reactor.callFromThread(give, done.callback, result)

        Thread(target=in_thread, name="acme", daemon=True).start()
        return done

    return run
