"""What administrators have decided about all meetings of this server."""

import secrets
from dataclasses import dataclass, replace
from typing import Any

from meeting.apiserver.accounts.use_cases import Person
from meeting.apiserver.meetings.rules import Options
from meeting.apiserver.settings.rules import Values
from meeting.daemon.errors import Forbidden

_PASSCODE_DIGITS = 6


@dataclass(frozen=True)
class House:
    """The rules of the house; the defaults are a server's on which nothing was decided."""

    everyone_creates: bool = True
    guests: bool = True
    lobby: bool = False
    """Meetings have a lobby, unless their owner says otherwise."""
    passcode: bool = False
    """Meetings have a passcode, unless their owner says otherwise."""
    max_minutes: int | None = None

    @classmethod
    def of(cls, decided: Values) -> "House":
        """As the settings have them."""
        return cls(
            everyone_creates=decided.creators == "everyone",
            guests=decided.guests_allowed,
            lobby=decided.default_lobby,
            passcode=decided.default_passcode,
            max_minutes=decided.max_minutes,
        )

    def check_may_create(self, who: Person) -> None:
        """Raises Forbidden for who may not open or schedule meetings."""
        if not (self.everyone_creates or who.administrator):
            raise Forbidden("On this server administrators open and schedule the meetings.")

    def usual(self, given: dict[str, Any]) -> dict[str, Any]:
        """The options of a new meeting: those given, and the house's where nothing is given."""
        usual: dict[str, Any] = {"lobby": True} if self.lobby else {}
        if self.passcode:
            usual["passcode"] = "".join(secrets.choice("0123456789") for _ in range(_PASSCODE_DIGITS))
        return usual | given

    def bounded(self, options: Options) -> Options:
        """Options within what the house allows."""
        if self.max_minutes is None:
            return options
        return replace(options, max_minutes=min(options.max_minutes or self.max_minutes, self.max_minutes))
