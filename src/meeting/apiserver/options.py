"""The options of `meeting apiserver`."""

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlsplit

from twisted.python import usage

from meeting.apiserver.mail.returns import return_address
from meeting.apiserver.mail.rules import parse_domains
from meeting.daemon import options as shared
from meeting.daemon.options import DaemonOptions, Flag


def email(text: str) -> str:
    """An e-mail address, in the one form the hub compares it in."""
    from meeting.apiserver.accounts.rules import normal_email  # `--help` need not wait for what this imports
    from meeting.daemon.errors import BadRequest

    try:
        return normal_email(text)
    except BadRequest:
        raise ValueError("write an address, for example ada@example.com") from None


def claim(text: str) -> tuple[str, str]:
    """`name=value`."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ValueError("write claim=value, for example groups=meeting-administrators")
    return name.strip(), value.strip()


class Options(DaemonOptions):
    """The hub's options."""

    flags: ClassVar[Sequence[Flag]] = (
        shared.CONFIG,
        shared.SECRET,
        shared.DOMAIN_ADDRESS,
        *shared.WEB,
        Flag(
            "mysqlAddress",
            "host:port of the MySQL server, or of a cluster's nodes: the first that answers is used; without: SQLite "
            "in the state directory",
            convert=shared.host_ports,
            repeatable=True,
        ),
        Flag("mysqlUser", "the MySQL user"),
        Flag("mysqlPassword", "the MySQL user's password", secret=True),
        Flag("mysqlDatabase", "the MySQL database; created if it is missing and this user may", "Meeting"),
        Flag(
            "mysqlCa",
            "the authority of the MySQL server's certificate (PEM): TLS, and the name in --mysqlAddress is checked; "
            "without: TLS if the server offers it, and nobody checks whose server that is",
            convert=shared.path,
        ),
        Flag("mysqlConnectTimeout", "how long a MySQL server may take to let us in", "5s", shared.seconds),
        Flag(
            "mysqlReadTimeout",
            "how long it may be silent; above the pause of a cluster that lost a node",
            "15s",
            shared.seconds,
        ),
        Flag("databaseConnections", "most connections to the database at once", "8", shared.whole_number),
        Flag(
            "mailServer",
            "host of an SMTP server; the nth server, port, user name, password and From belong together",
            repeatable=True,
        ),
        Flag(
            "mailPort",
            "its port; 465 is TLS from the start, any other STARTTLS [587]",
            convert=shared.port,
            repeatable=True,
        ),
        Flag("mailUsername", "its user name; empty: no authentication", repeatable=True),
        Flag("mailPassword", "its password", repeatable=True, secret=True),
        Flag("mailFrom", "the From address of the mails it sends", repeatable=True),
        Flag(
            "mailDomains",
            "whose mail it takes: domains such as example.com *.example.com, or * for any [*]",
            convert=parse_domains,
            repeatable=True,
        ),
        Flag(
            "bounceAddress",
            "where mails go that cannot be delivered, for example bounces@example.com; each has an own one, "
            "bounces+…@example.com; the host sees what came back",
            convert=return_address,
        ),
        Flag(
            "bounceListen",
            "host:port where the hub takes them by SMTP from the mail server of that domain",
            convert=shared.host_port,
        ),
        Flag(
            "allocateserver",
            "URL of the allocateserver; without: the least loaded registered servers",
            convert=shared.url,
        ),
        Flag("allocateTimeout", "how long the allocateserver may take to answer", "10s", shared.seconds),
        Flag("allowedDomain", "a domain whose addresses may sign in; without: any", repeatable=True),
        Flag(
            "administrator",
            "the address of somebody who administers this hub; who was once named stays one",
            convert=email,
            repeatable=True,
        ),
        Flag("oidcIssuer", "URL of an OpenID Connect provider that people sign in by", convert=shared.url),
        Flag("oidcClientId", "the client id this hub has there"),
        Flag("oidcClientSecret", "the client secret; without: a public client", secret=True),
        Flag("oidcName", "what the sign-in page calls it", "single sign-on"),
        Flag("oidcScopes", "the scopes that are asked for", "openid email profile"),
        Flag(
            "oidcAdministratorClaim",
            "claim=value that makes an administrator as long as it is there, for example groups=meeting-administrators",
            convert=claim,
            repeatable=True,
        ),
        Flag(
            "oidcTrustEmail",
            "believe addresses that the provider does not call verified; only where nobody can choose theirs",
            "false",
            shared.boolean,
        ),
        Flag("oidcOnly", "no other way to sign in: no mailed codes, no passkeys", "false", shared.boolean),
        Flag(
            "webhookNetwork",
            "a private network that webhooks may reach, for example 10.0.0.0/8; without: public addresses only",
            convert=shared.network,
            repeatable=True,
        ),
        Flag("maxMinutesSize", "most that the minutes of one meeting may hold", "15MB", shared.size),
        Flag(
            "maxFileSize",
            "the largest file in minutes and chat; the fsserver has a limit of its own",
            "100MB",
            shared.size,
        ),
        Flag("filesPerPerson", "most files one person may add to a meeting", "200", shared.whole_number),
        Flag("fileBytesPerPerson", "their size together", "1GB", shared.size),
        Flag("filesPerMeeting", "most files of one meeting", "2000", shared.whole_number),
        Flag("fileBytesPerMeeting", "their size together", "10GB", shared.size),
        Flag("tokenLifetime", "how long an access token is good", "6h", shared.seconds),
        Flag("noAttendance", "write down nobody who was in a meeting and has left", "false", shared.boolean),
        Flag(
            "requestsOfPerson",
            "most requests in a minute of one person, guest or API token, counted by each replica for itself",
            "1200",
            shared.whole_number,
        ),
        Flag(
            "requestsOfAddress",
            "the same of all together who come from one address and are not signed in",
            "6000",
            shared.whole_number,
        ),
        Flag("slowRequest", "requests that take longer stand in the log", "2s", shared.seconds),
        Flag(
            "demo",
            "send no mail, show it at /mailbox to everyone; never on a server that others reach",
            "false",
            shared.boolean,
        ),
    )

    def check(self) -> None:
        """What fits together."""
        self["mysqlAddress"] = [address for addresses in self["mysqlAddress"] for address in addresses]
        if not self["mysqlAddress"] and (self["mysqlUser"] or self["mysqlPassword"] or self["mysqlCa"]):
            raise usage.UsageError("--mysqlUser, --mysqlPassword and --mysqlCa need --mysqlAddress")
        if self["mysqlAddress"] and not self["mysqlUser"]:
            raise usage.UsageError("--mysqlAddress needs --mysqlUser")
        for name in ("databaseConnections", "requestsOfPerson", "requestsOfAddress"):
            if self[name] < 1:
                raise usage.UsageError(f"--{name}: write at least 1")
        self._check_oidc()
        check_mail_servers(self)
        if not self["mailServer"] and not self["demo"]:
            raise usage.UsageError("--mailServer is needed: people sign in with a code that is mailed to them")

    def _check_oidc(self) -> None:
        if (self["oidcIssuer"] is None) != (self["oidcClientId"] is None):
            raise usage.UsageError("--oidcIssuer and --oidcClientId belong together: give both or none")
        if self["oidcIssuer"] is None:
            if self["oidcOnly"] or self["oidcClientSecret"] or self["oidcAdministratorClaim"]:
                raise usage.UsageError("--oidcOnly, --oidcClientSecret and --oidcAdministratorClaim need --oidcIssuer")
            return
        issuer = urlsplit(self["oidcIssuer"])
        if issuer.scheme != "https" and issuer.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise usage.UsageError("--oidcIssuer: write an https URL; what it says is who somebody is")
        if "openid" not in self["oidcScopes"].split():
            raise usage.UsageError("--oidcScopes: openid is needed among them")


def check_mail_servers(options: DaemonOptions) -> None:
    """What fits together of the mail servers; raises UsageError."""
    servers = len(options["mailServer"])
    for name in ("mailPort", "mailUsername", "mailPassword", "mailFrom", "mailDomains"):
        given = len(options[name])
        if given not in (0, servers):
            raise usage.UsageError(
                f"--{name} is given {given} times, --mailServer {servers} times: the nth values belong together, "
                "so give each for every server or for none"
            )
    if len(options["mailUsername"]) != len(options["mailPassword"]):
        raise usage.UsageError(
            "--mailUsername and --mailPassword belong together: give both for every server or for none"
        )
    if servers and not options["mailFrom"]:
        raise usage.UsageError("--mailFrom is needed: the address that the mails come from")
    if (options["bounceAddress"] is None) != (options["bounceListen"] is None):
        raise usage.UsageError("--bounceAddress and --bounceListen belong together: give both or none")
    for address in options["mailFrom"]:
        if "@" not in address or any(not character.isprintable() for character in address):
            raise usage.UsageError(f"--mailFrom {address!r}: write an address, for example meeting@example.com")
