"""`meeting check-mail`: what the hub's mail servers say to the settings of its configuration file."""

from collections.abc import Callable, Sequence

from twisted.python.usage import UsageError

from meeting.apiserver.mail.check import check_server
from meeting.apiserver.mail.smtp import mail_servers
from meeting.apiserver.options import Options, check_mail_servers
from meeting.daemon.options import DaemonOptions, Flag, optional

WRONG_USAGE = 2


class CheckOptions(DaemonOptions):
    """The hub's own options, of which only those of mail are looked at, and one more."""

    synopsis = "Usage: meeting check-mail --config FILE [--to ADDRESS]"
    flags = (
        *(optional(flag) for flag in Options.flags),
        Flag("to", "send a test mail to this address, by each server"),
    )
    tables = Options.tables

    def check(self) -> None:
        """What the mail servers need."""
        check_mail_servers(self)
        if not self["mailServer"]:
            raise UsageError("no --mailServer is given; name the hub's configuration file by --config")


def main(arguments: Sequence[str], say: Callable[[str], object] = print) -> int:
    """The command; 0 when every server would take mail, 1 when one would not, 2 when it was asked for wrongly."""
    options = CheckOptions()
    try:
        options.parseOptions(list(arguments))
    except UsageError as error:
        say(f"meeting check-mail: {error}")
        return WRONG_USAGE
    good = [
        check_server(server, options["ca"], options["to"], say, options["bounceAddress"])
        for server in mail_servers(options)
    ]
    return 0 if all(good) else 1
