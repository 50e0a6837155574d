"""The options of a daemon: flag > environment > configuration file > default, declared once.

    class Options(DaemonOptions):
        flags = (CONFIG, SECRET, DOMAIN_ADDRESS, Flag("maxFileSize", "largest upload", "100MB", size), …)

After parsing, `options["maxFileSize"]` is the converted value. The environment variable of `maxFileSize` is
`MEETING_MAX_FILE_SIZE`; repeatable ones take commas there and arrays in the file. A secret flag can also come from a
file (`--secretFile`, `MEETING_SECRET_FILE`, `secretFile = …`), so that it shows up in no process list. Parsing has no
side effects; everything wrong is a `usage.UsageError` of one line that says where it was written and what to write.
"""

import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from twisted.python import usage

from meeting.daemon.certificates.names import is_public
from meeting.daemon.converters import (
    NO_AUTHORITY,
    HostPort,
    PortRange,
    acme_directory,
    base64url,
    boolean,
    contact,
    directory,
    host_port,
    host_ports,
    https_url,
    network,
    one_of,
    path,
    port,
    port_range,
    seconds,
    server_url,
    size,
    url,
    whole_number,
)

__all__ = [
    "ACME_AGREE",
    "ACME_CA",
    "ACME_CONTACT",
    "ACME_DIRECTORY",
    "ACME_EAB_KEY",
    "ACME_EAB_KID",
    "ACME_PORT",
    "ACME_PROFILE",
    "APISERVER",
    "BIND",
    "CA",
    "CERT",
    "CERTKEY",
    "CONFIG",
    "DOMAIN_ADDRESS",
    "HEARTBEAT",
    "LETS_ENCRYPT",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "PLAIN_HTTP",
    "PUBLIC_URL",
    "SECRET",
    "STATE_DIRECTORY",
    "STATUS",
    "TRUSTED_PROXY",
    "WEB",
    "DaemonOptions",
    "Flag",
    "HostPort",
    "PortRange",
    "boolean",
    "directory",
    "host_port",
    "host_ports",
    "https_url",
    "network",
    "one_of",
    "optional",
    "path",
    "port",
    "port_range",
    "required",
    "seconds",
    "server_url",
    "size",
    "url",
    "wants_acme",
    "whole_number",
]


@dataclass(frozen=True)
class Flag:
    """One option. `default` is text as a person would write it, or None; a repeatable one's value is a list."""

    name: str
    help: str
    default: str | None = None
    convert: Callable[[str], Any] = str
    repeatable: bool = False
    secret: bool = False
    required: bool = False

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "MEETING_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).upper()

    @property
    def file_flag(self) -> "Flag":
        """The flag that names a file to read this secret from."""
        return Flag(f"{self.name}File", f"a file that holds --{self.name}", repeatable=self.repeatable)


CONFIG = Flag("config", "a configuration file (TOML), its keys named as these flags", convert=path)
SECRET = Flag("secret", "the secret that all five daemons share, 16 characters or more", secret=True, required=True)
DOMAIN_ADDRESS = Flag("domainaddress", "host:port under which others reach this daemon", None, host_port, required=True)
PUBLIC_URL = Flag("publicUrl", "how browsers reach this daemon, if not by https://<domainaddress>", convert=url)
CERT = Flag("cert", "the certificate with its chain (PEM); without: see --acmeDirectory", convert=path)
CERTKEY = Flag("certkey", "the certificate's private key (PEM)", convert=path)
ACME_DIRECTORY = Flag(
    "acmeDirectory",
    "the ACME directory's URL where certificates come from without --cert, or none: a self-signed one; without: Let's "
    "Encrypt if the name of --domainaddress is public, none if it is not",
    convert=acme_directory,
)
ACME_AGREE = Flag("acmeAgree", "you agree to the terms of that certificate authority", "false", boolean)
ACME_CONTACT = Flag(
    "acmeContact", "an e-mail address that the authority may write to", convert=contact, repeatable=True
)
ACME_PROFILE = Flag("acmeProfile", "the kind of certificate, as the authority names it: shortlived, say")
ACME_EAB_KID = Flag(
    "acmeEabKid", "the key identifier by which the authority knows you, where it wants accounts bound to its customers"
)
ACME_EAB_KEY = Flag("acmeEabKey", "the MAC key that came with it (base64url)", convert=base64url, secret=True)
ACME_CA = Flag(
    "acmeCa", "who vouches for the ACME directory itself, if no public authority (PEM)", convert=path, repeatable=True
)
ACME_PORT = Flag(
    "acmePort",
    "the port for HTTP-01 challenges and the redirect to https; from outside it has to be reached as port 80 [80 with "
    "ACME, else none]",
    convert=port,
)
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
CA = Flag("ca", "a further certificate authority to trust (PEM)", convert=path, repeatable=True)
BIND = Flag("bind", "the local address to listen on", "0.0.0.0")
PLAIN_HTTP = Flag("plainHttp", "host:port for plain HTTP, behind a proxy that does TLS", convert=host_port)
STATUS = Flag("status", "host:port for /healthz, /readyz, /metrics and /state; keep it private", convert=host_port)
STATE_DIRECTORY = Flag("stateDirectory", "where this daemon keeps its state", "~/.local/state/meeting", directory)
APISERVER = Flag("apiserver", "the hub: host:port (https) or a URL", convert=server_url, required=True)
HEARTBEAT = Flag("heartbeat", "the time between two heartbeats to the hub", "1s", seconds)
LOG_FORMAT = Flag("logFormat", "text or json", "text", one_of("text", "json"))
LOG_LEVEL = Flag("logLevel", "debug, info, warn or error", "info", one_of("debug", "info", "warn", "error"))
TRUSTED_PROXY = Flag("trustedProxy", "a proxy whose X-Forwarded headers are believed", convert=network, repeatable=True)

WEB = (
    PUBLIC_URL,
    CERT,
    CERTKEY,
    ACME_DIRECTORY,
    ACME_AGREE,
    ACME_CONTACT,
    ACME_PROFILE,
    ACME_EAB_KID,
    ACME_EAB_KEY,
    ACME_CA,
    ACME_PORT,
    CA,
    BIND,
    PLAIN_HTTP,
    STATUS,
    STATE_DIRECTORY,
    TRUSTED_PROXY,
    LOG_FORMAT,
    LOG_LEVEL,
    HEARTBEAT,
)
"""What every daemon takes that people reach by HTTP."""


class _Written:
    """One value as somebody wrote it, and where."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        self.text = text


class DaemonOptions(usage.Options):
    """The base of every daemon's `Options`. Subclasses declare `flags`, and look at the whole in `check`."""

    flags: ClassVar[Sequence[Flag]] = ()
    tables: ClassVar[Sequence[str]] = ()
    """Keys of the configuration file that hold tables; `options[key]` is what TOML has there, `[]` if nothing."""
    environment: ClassVar[Mapping[str, str]] = os.environ

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for flag in _with_file_flags(cls.flags):
            setattr(cls, f"opt_{flag.name}", _handler(flag))

    def __init__(self) -> None:
        self._given: dict[str, list[_Written]] = {}
        super().__init__()

    def check(self) -> None:
        """Raise `usage.UsageError` where values that are fine by themselves contradict one another."""

    def parseArgs(self, *rest: str) -> None:
        """Nothing is taken without a flag."""
        if rest:
            raise usage.UsageError(f"do not know what to do with {rest[0]!r}; every value follows a flag, see --help")

    def getSynopsis(self) -> str:
        """The first line of `--help`: `meeting <command>`, the command being the package of the options."""
        return str(getattr(self, "synopsis", f"Usage: meeting {type(self).__module__.split('.')[1]} [options]"))

    def opt_version(self) -> None:
        """Show the version and exit."""
        print(f"meeting {version('meeting')}")
        sys.exit(0)

    def postOptions(self) -> None:
        """Called by Twisted when the command line has been read."""
        in_file = self._read_file()
        for flag in self.flags:
            self[flag.name] = self._value(flag, in_file)
        for key in self.tables:
            self[key] = in_file.get(key, [])
        self._check_shared()
        self.check()

    def _value(self, flag: Flag, in_file: Mapping[str, Any]) -> Any:
        written = self._written(flag, in_file)
        if not written and flag.default is not None:
            written = [_Written(f"--{flag.name}", flag.default)]
        if not written and flag.required:
            elsewhere = "" if flag.name == CONFIG.name else " or in the configuration file"
            raise usage.UsageError(f"--{flag.name} is needed: {flag.help} (also as {flag.variable}{elsewhere})")
        if len(written) > 1 and not flag.repeatable:
            raise usage.UsageError(f"{written[1].where} is given twice")
        values = []
        for each in written:
            try:
                values.append(flag.convert(each.text))
            except ValueError as error:
                shown = "" if flag.secret else f" {each.text!r}:"
                raise usage.UsageError(f"{each.where}:{shown} {error}") from None
        return values if flag.repeatable else (values[0] if values else None)

    def _written(self, flag: Flag, in_file: Mapping[str, Any]) -> list[_Written]:
        """What the strongest source that names the flag says."""
        for source in (self._on_command_line, self._in_environment, lambda each: self._in_file(each, in_file)):
            here = source(flag)
            if flag.secret:
                files = source(flag.file_flag)
                if here and files:
                    raise usage.UsageError(f"{here[0].where} and {files[0].where} contradict one another; give one")
                here = here or [_content(each) for each in files]
            if here:
                return here
        return []

    def _on_command_line(self, flag: Flag) -> list[_Written]:
        return self._given.get(flag.name, [])

    def _in_environment(self, flag: Flag) -> list[_Written]:
        text = self.environment.get(flag.variable)
        if text is None:
            return []
        # An empty part stays: the nth values of some flags belong together.
        parts = [part.strip() for part in text.split(",")] if text else []
        texts = parts if flag.repeatable else [text]
        return [_Written(flag.variable, each) for each in texts]

    def _in_file(self, flag: Flag, in_file: Mapping[str, Any]) -> list[_Written]:
        if flag.name not in in_file:
            return []
        value = in_file[flag.name]
        where = f"{self['config']}: {flag.name}"
        values = value if isinstance(value, list) else [value]
        if isinstance(value, list) and not flag.repeatable:
            raise usage.UsageError(f"{where}: write one value, not an array")
        for each in values:
            if not isinstance(each, str | int | float):
                raise usage.UsageError(f"{where}: write a string, a number, or true or false")
        return [_Written(where, str(each).lower() if isinstance(each, bool) else str(each)) for each in values]

    def _read_file(self) -> Mapping[str, Any]:
        config = next((flag for flag in self.flags if flag.name == CONFIG.name), None)
        if config is None:
            return {}
        self[CONFIG.name] = file = self._value(config, {})
        if file is None:
            return {}
        try:
            in_file = tomllib.loads(Path(file).read_text("utf-8"))
        except OSError as error:
            raise usage.UsageError(f"{file}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise usage.UsageError(f"{file}: is not TOML: {error}") from None
        known = [flag.name for flag in _with_file_flags(self.flags) if flag.name != CONFIG.name] + [*self.tables]
        for key in in_file:
            if key not in known:
                near = get_close_matches(key, known, 1)
                raise usage.UsageError(
                    f"{file}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
                )
        return in_file

    def _check_shared(self) -> None:
        if (self.get("cert") is None) != (self.get("certkey") is None):
            raise usage.UsageError("--cert and --certkey belong together: give both or none")
        if (self.get("acmeEabKid") is None) != (self.get("acmeEabKey") is None):
            raise usage.UsageError("--acmeEabKid and --acmeEabKey (better: --acmeEabKeyFile) belong together")
        if wants_acme(self) and not self["acmeAgree"]:
            authority = self["acmeDirectory"] or f"Let's Encrypt ({LETS_ENCRYPT})"
            raise usage.UsageError(
                f"without --cert the certificate of {self['domainaddress'].host} comes from {authority}: write "
                "--acmeAgree if you agree to its terms; or give --cert and --certkey, or --plainHttp behind a proxy "
                "that does TLS, or --acmeDirectory none for a self-signed one"
            )
        if PUBLIC_URL.name in self and self[PUBLIC_URL.name] is None and self.get(DOMAIN_ADDRESS.name):
            self[PUBLIC_URL.name] = https_url(self[DOMAIN_ADDRESS.name])


def wants_acme(options: Mapping[str, Any]) -> bool:
    """Whether the certificate is to come by ACME: no files, a TLS port, an authority that can vouch for the name."""
    domain: HostPort | None = options.get("domainaddress")
    if "acmeDirectory" not in options or domain is None or options.get("cert") or options.get("plainHttp"):
        return False
    directory: str | None = options["acmeDirectory"]
    return is_public(domain.host) if directory is None else directory != NO_AUTHORITY


def optional(flag: Flag) -> Flag:
    """The same flag, for a daemon that can do without."""
    return replace(flag, required=False)


def required(flag: Flag) -> Flag:
    """The same flag, for a daemon that cannot do without."""
    return replace(flag, required=True)


def _with_file_flags(flags: Sequence[Flag]) -> list[Flag]:
    return [*flags, *(flag.file_flag for flag in flags if flag.secret)]


def _handler(flag: Flag) -> Callable[..., None]:
    """The method that Twisted calls when it meets the flag."""
    help = flag.help + (f" [{flag.default}]" if flag.default else "") + (" (repeatable)" if flag.repeatable else "")

    def switch(self: DaemonOptions) -> None:
        self._given.setdefault(flag.name, []).append(_Written(f"--{flag.name}", "true"))

    def value(self: DaemonOptions, text: str) -> None:
        self._given.setdefault(flag.name, []).append(_Written(f"--{flag.name}", text))

    handler = switch if flag.convert is boolean else value
    handler.__doc__ = help
    return handler


def _content(file: _Written) -> _Written:
    try:
        return _Written(file.where, Path(file.text).expanduser().read_text("utf-8").strip())
    except OSError as error:
        raise usage.UsageError(f"{file.where}: {file.text}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise usage.UsageError(f"{file.where}: {file.text}: is not UTF-8 text") from None
