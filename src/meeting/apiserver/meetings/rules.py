"""What a meeting is in when, and the words it is made of. What each role may do in it: `roles.py`."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from meeting.daemon.errors import BadRequest, Gone

TITLE_LENGTH = 200
MOST_INVITEES = 1000
LONGEST_MEETING = timedelta(days=7)

#: A scheduled meeting can be joined until this long after its end; longer while somebody is in it.
LAG = timedelta(minutes=30)

# Letters that are not taken for one another when read aloud or on paper.
_LETTERS = "abcdefghjkmnpqrstuvwxyz"
#: Of a passcode; its tries are limited, so that it may be short enough to be told by telephone.
_PASSCODE = re.compile(r"[A-Za-z0-9]{4,32}")
#: The shortest and the longest that a maximum length may be, in minutes.
MAX_MINUTES = (5, 7 * 24 * 60)

_CODE = re.compile(r"[a-z]{3}-[a-z]{4}-[a-z]{3}")
_DEVICE = re.compile(r"[a-z0-9]{8}")


class Kind(StrEnum):
    INSTANT = "instant"
    SCHEDULED = "scheduled"


class State(StrEnum):
    #: To come. An instant meeting that nobody is in, too: it can be joined.
    SCHEDULED = "scheduled"
    RUNNING = "running"
    #: Over. An instant meeting is over when its owner has ended it, until the owner joins again.
    ENDED = "ended"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nobody comes any more."""
        return self in (State.ENDED, State.CANCELLED)


class Presenters(StrEnum):
    """Who may share a screen without being made a presenter first (`roles.py`)."""

    EVERYONE = "everyone"
    HOSTS = "hosts"


class Writers(StrEnum):
    """Who may write the minutes."""

    EVERYONE = "everyone"
    HOSTS = "hosts"
    #: The hosts, and those among the invited who were named.
    NAMED = "named"


class Reply(StrEnum):
    """What somebody invited has answered (RFC 5545 section 3.2.12)."""

    NONE = "none"
    ACCEPTED = "accepted"
    TENTATIVE = "tentative"
    DECLINED = "declined"


@dataclass(frozen=True)
class Options:
    """How a meeting is held, as its owner has chosen."""

    guests_allowed: bool = True
    #: What a guest is asked for, beside the link. Not hashed: it stands in the invitations (docs/decisions/0006).
    passcode: str | None = None
    #: Those who are neither host nor invited wait until they are let in.
    lobby: bool = False
    presenters: Presenters = Presenters.EVERYONE
    minutes_writers: Writers = Writers.EVERYONE
    #: After so many minutes it is ended.
    max_minutes: int | None = None
    #: Media is encrypted from person to person: nothing can be recorded on a server, no one can dial in.
    e2ee: bool = False
    #: Reminders go out before it.
    reminders: bool = True


class MeetingOver(Gone):
    """It has ended or was cancelled."""

    problem = "meeting-over"
    title = "This meeting is over."


def state(
    kind: Kind,
    end_at: datetime | None,
    running_since: datetime | None,
    ended_at: datetime | None,
    cancelled_at: datetime | None,
    now: datetime,
) -> State:
    """The state of a meeting with these times."""
    if cancelled_at is not None:
        return State.CANCELLED
    if ended_at is not None:
        return State.ENDED
    if running_since is not None:
        return State.RUNNING
    if kind is Kind.SCHEDULED and end_at is not None and now >= end_at + LAG:
        return State.ENDED
    return State.SCHEDULED


def check_may_join(kind: Kind, in_state: State, *, owns: bool) -> None:
    """Raises MeetingOver when a meeting in this state cannot be joined; an instant one its owner opens again."""
    if in_state is State.CANCELLED:
        raise MeetingOver("It was cancelled.")
    if in_state is State.ENDED and not (kind is Kind.INSTANT and owns):
        raise MeetingOver("It has ended.")


def new_code() -> str:
    """A code like abc-defg-hij: 45 bits nobody guesses."""
    letters = [secrets.choice(_LETTERS) for _ in range(10)]
    return "-".join(("".join(letters[:3]), "".join(letters[3:7]), "".join(letters[7:])))


def is_code(text: str) -> bool:
    """Whether a text has the form of a meeting's code."""
    return _CODE.fullmatch(text) is not None


def check_device(text: str) -> str:
    """The eight characters by which a browser tab is told from the person's other ones."""
    if not _DEVICE.fullmatch(text):
        raise BadRequest("device has 8 characters of a to z and 0 to 9.")
    return text


def clean_title(text: str) -> str:
    """A title on one line."""
    title = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not title or len(title) > TITLE_LENGTH:
        raise BadRequest(f"A title has 1 to {TITLE_LENGTH} characters.")
    return title


def clean_passcode(text: str) -> str | None:
    """A passcode as it is kept; an empty one is none. Raises BadRequest."""
    passcode = text.strip()
    if passcode and not _PASSCODE.fullmatch(passcode):
        raise BadRequest("A passcode has 4 to 32 characters of a to z, A to Z and 0 to 9.")
    return passcode or None


def check_options(options: Options) -> Options:
    """Raises BadRequest for options no meeting can have."""
    least, most = MAX_MINUTES
    if options.max_minutes is not None and not least <= options.max_minutes <= most:
        raise BadRequest(f"The longest a meeting may last is between {least} and {most} minutes.")
    return options


def check_times(begin_at: datetime, end_at: datetime, now: datetime) -> None:
    """Raises BadRequest for times no meeting can have."""
    if end_at <= begin_at:
        raise BadRequest("A meeting ends after it begins.")
    if end_at - begin_at > LONGEST_MEETING:
        raise BadRequest(f"A meeting lasts at most {LONGEST_MEETING.days} days.")
    if end_at <= now:
        raise BadRequest("The meeting would be over already.")
    if begin_at > now + timedelta(days=3660):
        raise BadRequest("A meeting begins within the next ten years.")
