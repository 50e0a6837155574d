"""`meeting demo`: the five daemons in one process, behind one port, with nothing to configure.

By default on http://localhost, which browsers treat as a secure context: cameras work and no certificate is asked
about. `--lan` serves other machines of the network through one TLS port with a self-signed certificate. Mail is not
sent: it is printed, and shown at /mailbox.
"""

import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, ClassVar, NamedTuple

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from meeting.daemon import process
from meeting.daemon.certificates.files import CertificateFiles
from meeting.daemon.certificates.self_signed import self_signed
from meeting.daemon.client import agent_for
from meeting.daemon.errors import ConfigurationError
from meeting.daemon.first_bytes import FirstBytes
from meeting.daemon.listeners import Port
from meeting.daemon.observe import configure_logging
from meeting.daemon.options import LOG_LEVEL, DaemonOptions, Flag, HostPort, boolean, directory, port
from meeting.daemon.site import Tree, site

STATE = "~/.local/state/meeting/demo"
GOODBYE = 5.0
"""Seconds that the other daemons have to end and to tell the hub so. Farewells themselves wait 2 s for an answer."""


class DemoOptions(DaemonOptions):
    """The few things that can be chosen."""

    synopsis = "Usage: meeting demo [options]"
    flags: ClassVar[Sequence[Flag]] = (
        Flag("port", "the port of the web pages [8080; with --lan 8443]", None, port),
        Flag("lan", "serve the local network over TLS, with a self-signed certificate", "false", boolean),
        Flag("mediaPort", "the UDP port of audio and video", "7882", port),
        Flag("turnPort", "the UDP and TCP port of the turnserver", "3478", port),
        Flag("turnTlsPort", "with --lan: the port of TURN over TLS", "5349", port),
        Flag("stateDirectory", "where the demo keeps what was said and done in it", STATE, directory),
        Flag("logLevel", LOG_LEVEL.help, "warn", LOG_LEVEL.convert),
    )
    environment: ClassVar[Mapping[str, str]] = {}


class Place(NamedTuple):
    """Where the demo is: as browsers reach it, as its own daemons do, and the machine's address for media."""

    public_url: str
    inside_url: str
    domain: HostPort
    media: str | None
    """None: this machine has no address but the loopback."""


class Demo(MultiService):
    """The hub first; when its database is open the others; then the word that it is ready.

    It ends the other way round: the others say good-bye to a hub that still answers, through a port that is still open.
    """

    _log = Logger()

    def __init__(self, options: DemoOptions, place: Place, reactor: Any) -> None:
        super().__init__()
        self._place = place
        self._reactor = reactor
        self._state: Path = options["stateDirectory"]
        secret = _kept_secret(self._state / "secret")
        certificate = (
            self_signed([place.media, "localhost", "127.0.0.1"], self._state)
            if options["lan"] and place.media
            else None
        )

        shared = {
            "secret": secret,
            "domainaddress": str(place.domain),
            "publicUrl": place.public_url,
            "apiserver": place.inside_url,
            "stateDirectory": str(self._state),
            "logLevel": options["logLevel"],
            **({"ca": str(certificate.cert)} if certificate else {}),
        }
        turn = HostPort(place.media or "127.0.0.1", options["turnPort"])
        pool = _written(self._state / "allocateserver.toml", _pool(place.domain, turn))
        self._hub = _daemon(
            "apiserver", {**shared, "demo": "", "allocateserver": f"{place.inside_url}/allocate"}, reactor
        )
        files = CertificateFiles(*certificate, reactor) if certificate else None
        sfu = _daemon("sfuserver", {**shared, "mediaPort": str(options["mediaPort"])}, reactor, files)
        # TURN over TLS is for those whose system trusts the certificate: it is none that a page asks about.
        beside = {name: value for name, value in shared.items() if name != "domainaddress"}
        if files is not None:
            beside["domainaddress"] = str(HostPort(turn.host, options["turnTlsPort"]))
        turnserver = _daemon("turnserver", {**beside, "port": str(turn.port), "ip": turn.host}, reactor, files)
        fs = _daemon(
            "fsserver", {**shared, "directory": str(self._state / "files"), "webOrigin": place.public_url}, reactor
        )
        allocate = _daemon("allocateserver", {**shared, "config": str(pool)}, reactor)
        self._daemons = (sfu, turnserver, fs, allocate)
        self._others = MultiService()
        self._ports = MultiService()

        branches = {
            b"rtc": sfu.resource,
            b"twirp": sfu.resource,
            b"objects": fs.resource,
            b"allocate": allocate.resource,
        }
        factory = site(Tree(branches, self._hub.resource), reactor, log_access=options["logLevel"] == "debug")
        inside = HostPort("127.0.0.1", int(place.inside_url.rpartition(":")[2]))
        Port(reactor, factory, inside, "http").setServiceParent(self._ports)
        if files is not None:
            files.setServiceParent(self._ports)
            # Media that comes to the port of the pages goes on to the sfuserver.
            secure = FirstBytes(
                TLSMemoryBIOFactory(files.creator, False, factory), sfu.media_streams, IReactorTime(reactor)
            )
            everywhere = HostPort("0.0.0.0", place.domain.port)
            Port(reactor, secure, everywhere, "https").setServiceParent(self._ports)
        for each in (self._hub, self._ports):
            each.setServiceParent(self)

    def startService(self) -> None:
        """The hub and the port now, the rest when the database is open."""
        super().startService()
        Deferred.fromCoroutine(self._start()).addErrback(self._give_up)

    async def _start(self) -> None:
        await self._hub.database.opened()
        if not self.running:
            return
        self._others.setServiceParent(self)
        for daemon in self._daemons:
            daemon.setServiceParent(self._others)
        print(welcome(self._place, self._state), flush=True)
        Mailbox(self._reactor, self._place).setServiceParent(self._others)

    def stopService(self) -> Deferred[None]:
        """The others, then the hub, then the port."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._others.running:
            await self._others.stopService().addTimeout(GOODBYE, self._reactor, self._late)
        for each in (self._hub, self._ports):
            if each.running:
                await each.stopService()

    def _late(self, _: object, seconds: float) -> None:
        self._log.warn("not all daemons ended within {seconds} s; the hub ends without them", seconds=seconds)

    def _give_up(self, failure: Failure) -> None:
        if failure.check(ConfigurationError):
            print(f"meeting demo: {failure.value}", file=sys.stderr)
        else:
            self._log.failure("the demo could not start", failure=failure)
        self._reactor.stop()


class Mailbox(MultiService):
    """Prints each mail once, as it comes into the mailbox."""

    _log = Logger()

    def __init__(self, reactor: Any, place: Place) -> None:
        from twisted.application.internet import TimerService

        super().__init__()
        self._agent = agent_for(reactor)
        self._url = f"{place.inside_url}/api/v1/demo/mails"
        self._printed: set[str] | None = None
        timer = TimerService(1.0, self._look)
        timer.clock = reactor
        timer.setServiceParent(self)

    def _look(self) -> Deferred[None]:
        # The hub may be busy, or ending; the next look is a second away.
        return Deferred.fromCoroutine(self._read()).addErrback(
            lambda failure: self._log.debug("the mailbox was not read: {why}", why=failure.value)
        )

    async def _read(self) -> None:
        import treq

        response = await treq.client.HTTPClient(self._agent).get(self._url, timeout=5)
        mails = (await response.json())["mails"] if response.code == 200 else []
        keys = {repr(mail): mail for mail in mails}
        for key in reversed([key for key in keys if self._printed is not None and key not in self._printed]):
            mail = keys[key]
            text = "\n".join(f"    {line}" for line in mail["text"].strip().splitlines())
            print(f"\nMail to {mail['to']}: {mail['subject']}\n{text}", flush=True)
        self._printed = set(keys)


def main(arguments: Sequence[str]) -> int:
    """`meeting demo`; gives the exit status."""
    from twisted.internet import reactor

    from meeting.sfuserver.addresses import interface_addresses

    options = DemoOptions()
    try:
        options.parseOptions(list(arguments))
        configure_logging("text", options["logLevel"])
        return process.run_service(reactor, Demo(options, where(options, interface_addresses()), reactor))
    except (UsageError, ConfigurationError) as error:
        print(f"meeting demo: {error}", file=sys.stderr)
        return 2


def where(options: DemoOptions, addresses: Iterable[str]) -> Place:
    """Where a demo with these options is, on a machine with these addresses."""
    from meeting.sfuserver.addresses import choose_addresses

    chosen = [address.bound for address in choose_addresses(addresses)]
    media = chosen[0] if chosen and not ip_address(chosen[0]).is_loopback else None
    if not options["lan"]:
        number = options["port"] or 8080
        return Place(f"http://localhost:{number}", f"http://localhost:{number}", HostPort("localhost", number), media)
    if media is None:
        raise UsageError("--lan: this machine has no address but the loopback; connect it to a network first")
    domain = HostPort(media, options["port"] or 8443)
    return Place(f"https://{domain}", f"http://localhost:{_free_port()}", domain, media)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _daemon(name: str, values: Mapping[str, str], reactor: Any, certificate: CertificateFiles | None = None) -> Any:
    """One daemon without listeners, its options given as on a command line; those it does not have are left out."""
    tap, service = import_module(f"meeting.{name}.tap"), import_module(f"meeting.{name}.service")
    known = {flag.name for flag in tap.Options.flags}
    options = tap.Options()
    options.environment = {}
    given = [(flag, value) for flag, value in values.items() if flag in known]
    options.parseOptions([part for flag, value in given for part in ([f"--{flag}", value] if value else [f"--{flag}"])])
    return getattr(service, name.removesuffix("server").capitalize() + "Server")(
        options, reactor, **({} if certificate is None else {"certificate": certificate})
    )


def _kept_secret(file: Path) -> str:
    """The demo's secret: made once, so that the keys of `meeting keys` stay good."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return _written(file, token_urlsafe(32)).read_text()


def _written(file: Path, text: str) -> Path:
    """`file` with `text` in it, for its owner's eyes only."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(text)
    except OSError as error:
        raise ConfigurationError(f"--stateDirectory {file.parent}: cannot be used: {error.strerror}") from None
    return file


def _pool(domain: HostPort, turn: HostPort) -> str:
    """The allocateserver's file: one server of each kind, for everybody."""
    return f'[[sfu]]\naddress = "{domain}"\nturn = "{turn}"\nmeetings = 1000\n[[fs]]\naddress = "{domain}"\n'


def welcome(place: Place, state: Path) -> str:
    """What is printed when all five run."""
    lines = [
        "",
        f"  meeting is running. Open  {place.public_url}",
        "",
        "  Sign in with any e-mail address. The code is printed here and shown in the mailbox:",
        f"  {place.public_url}/mailbox",
        "  A second window, or a private one, joins by the meeting's link at once.",
    ]
    if place.public_url != place.inside_url:
        lines += ["", "  The certificate is self-signed: each browser asks once whether to trust it; say yes."]
    if place.media is None:
        lines += [
            "",
            "  This machine has no network address but the loopback, and browsers never offer that one for",
            "  media: signing in, chat and minutes work, audio and video do not. Connect any network and start again.",
        ]
    lines += ["", f"  LiveKit's tools: meeting keys --secretFile {state / 'secret'}", "  Stop with Ctrl-C.", ""]
    return "\n".join(lines)
