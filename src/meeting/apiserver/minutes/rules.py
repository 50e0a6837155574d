"""Who may write the minutes, and what a file may be."""

import re
from dataclasses import dataclass

from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.rules import State
from meeting.daemon.errors import BadRequest, Conflict, TooLarge

NAME_LENGTH = 200
TYPE_LENGTH = 100

_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)
_ID = re.compile(r"[0-9a-f]{32}")


class TooManyFiles(Conflict):
    """The quota of a person, or of the meeting, is used up."""

    problem = "too-many-files"
    title = "There is no room for more files in this meeting."


@dataclass(frozen=True)
class FileLimits:
    """Sizes in bytes."""

    size: int = 100_000_000
    count_of_person: int = 200
    size_of_person: int = 1_000_000_000
    count_of_meeting: int = 2000
    size_of_meeting: int = 10_000_000_000


@dataclass(frozen=True)
class Usage:
    """How many files were announced, and their bytes."""

    count: int
    size: int


def may_write(role: Role, rights: frozenset[Right], state: State) -> bool:
    """Guests write while there is a meeting to be a guest of; all others also set the record right afterwards."""
    if state is State.CANCELLED or Right.MINUTES not in rights:
        return False
    return role is not Role.GUEST or state is not State.ENDED


def clean_file_name(text: str) -> str:
    """The last part of a path, printable, on one line. Raises BadRequest when nothing is left."""
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(char for char in last if char.isprintable()).strip()
    if not name.strip("."):
        raise BadRequest("The file needs a name.")
    if len(name) > NAME_LENGTH:
        stem, dot, extension = name.rpartition(".")
        keep = f".{extension}" if dot and stem and len(extension) < 20 else ""
        name = name[: NAME_LENGTH - len(keep)] + keep
    return name


def clean_type(text: str) -> str:
    """A media type as the browser claims it; a claim only, what is served is decided by the bytes."""
    kind = text.split(";")[0].strip().lower()
    return kind if len(kind) <= TYPE_LENGTH and _TYPE.fullmatch(kind) else "application/octet-stream"


def is_file_id(text: str) -> bool:
    """Whether a text has the form of a file's id."""
    return _ID.fullmatch(text) is not None


def check_quota(size: int, of_person: Usage, of_meeting: Usage, limits: FileLimits) -> None:
    """Raises TooLarge or TooManyFiles when one more file of `size` bytes is too much."""
    if size > limits.size:
        raise TooLarge(f"Files have at most {limits.size} bytes.", extra={"limit": limits.size})
    if of_person.count >= limits.count_of_person or of_person.size + size > limits.size_of_person:
        raise TooManyFiles("You have added as many files to this meeting as you may.")
    if of_meeting.count >= limits.count_of_meeting or of_meeting.size + size > limits.size_of_meeting:
        raise TooManyFiles("This meeting has as many files as it may have.")
