"""Who is what in a meeting, and what each may do there: one table, of which tokens, answers and docs/roles.md are made.

A meeting's settings take some of it away again (`rights`). Nothing else decides: the sfuserver enforces the grants that
are made here, and every route of the hub asks for a `Right`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from meeting.apiserver.meetings.rules import Presenters, Writers
from meeting.daemon.errors import Forbidden


class Role(StrEnum):
    #: Of the hub, not of the meeting: whoever has it may do this in every meeting, beside what they are in it.
    ADMINISTRATOR = "administrator"
    #: Who owns the meeting.
    HOST = "host"
    CO_HOST = "co-host"
    PRESENTER = "presenter"
    #: Signed in.
    PARTICIPANT = "participant"
    #: With a name that nobody has checked.
    GUEST = "guest"


class Right(StrEnum):
    """What may be done; the value is how docs/roles.md says it."""

    PASS_LOBBY = "come in past the lobby (a participant: if invited)"
    PASS_LOCK = "come into a locked meeting"
    MICROPHONE = "speak ¹"
    CAMERA = "show the camera"
    SCREEN = "share the screen ²"
    CHAT = "write in the chat, send reactions, raise a hand"
    MINUTES = "write the minutes ³"
    ADMIT = "admit from the lobby, or turn away"
    MUTE = "mute others, ask them to speak, stop a camera or a screen, lower hands"
    REMOVE = "remove and ban"
    LOCK = "lock the meeting, switch the lobby"
    SPOTLIGHT = "show somebody large to all"
    APPOINT = "make presenters"
    APPOINT_CO_HOSTS = "make co-hosts"
    END = "end the meeting for all"
    ATTENDANCE = "see who was there, and when"
    CHANGE = "change and cancel the meeting"


_TAKES_PART = frozenset({Right.MICROPHONE, Right.CAMERA, Right.SCREEN, Right.CHAT, Right.MINUTES})
_LEADS = _TAKES_PART | {
    Right.PASS_LOBBY,
    Right.PASS_LOCK,
    Right.ADMIT,
    Right.MUTE,
    Right.REMOVE,
    Right.LOCK,
    Right.SPOTLIGHT,
    Right.APPOINT,
    Right.END,
    Right.ATTENDANCE,
}

ROLES: Mapping[Role, frozenset[Right]] = {
    Role.ADMINISTRATOR: frozenset({Right.END, Right.REMOVE, Right.ATTENDANCE}),
    Role.HOST: _LEADS | {Right.APPOINT_CO_HOSTS, Right.CHANGE},
    Role.CO_HOST: _LEADS,
    Role.PRESENTER: _TAKES_PART | {Right.PASS_LOBBY},
    Role.PARTICIPANT: _TAKES_PART | {Right.PASS_LOBBY},
    Role.GUEST: _TAKES_PART,
}

#: Who acts on whom: only downwards, and nobody on the host.
_RANK = {Role.HOST: 3, Role.ADMINISTRATOR: 3, Role.CO_HOST: 2, Role.PRESENTER: 1, Role.PARTICIPANT: 0, Role.GUEST: 0}

#: The sources of LiveKit that a right is about.
_SOURCES = {
    Right.MICROPHONE: ("microphone",),
    Right.CAMERA: ("camera",),
    Right.SCREEN: ("screen_share", "screen_share_audio"),
}


@dataclass(frozen=True)
class Settings:
    """What a meeting takes away from those who do not lead it."""

    #: ¹ Only those from presenter upwards speak, until they are allowed to again.
    microphones_closed: bool = False
    #: ² Who may present.
    presenters: Presenters = Presenters.EVERYONE
    #: ³ Who may write the minutes.
    minutes_writers: Writers = Writers.EVERYONE


OPEN = Settings()


def rights(
    role: Role, settings: Settings = OPEN, *, administrator: bool = False, named: bool = False
) -> frozenset[Right]:
    """What someone of this role may do in a meeting with these settings; `named`: among those who write its minutes."""
    may = ROLES[role]
    if role in (Role.PARTICIPANT, Role.GUEST):
        if settings.microphones_closed:
            may -= {Right.MICROPHONE}
        if settings.presenters is not Presenters.EVERYONE:
            may -= {Right.SCREEN}
    if role not in (Role.HOST, Role.CO_HOST) and not (
        settings.minutes_writers is Writers.EVERYONE or (settings.minutes_writers is Writers.NAMED and named)
    ):
        may -= {Right.MINUTES}
    return may | ROLES[Role.ADMINISTRATOR] if administrator else may


def check(may: frozenset[Right], right: Right) -> None:
    """Raises Forbidden, saying who may do it."""
    if right not in may:
        those = [role.value for role in ROLES if right in ROLES[role]]
        raise Forbidden(f"Only {' or '.join([', '.join(those[:-1]), those[-1]] if those[1:] else those)} may do this.")


def check_above(role: Role, other: Role) -> None:
    """Raises Forbidden unless this role may send the other one away or change what it may do."""
    if _RANK[other] >= _RANK[role]:
        raise Forbidden(f"A {role.value} cannot do this to a {other.value}.")


def grants(may: frozenset[Right]) -> dict[str, Any]:
    """The `video` claim of an access token, without the room.

    Names and attributes are the hub's to change (a role stands in them), so nobody gets `canUpdateOwnMetadata`; and
    nobody `roomAdmin`: what is done to others goes through the hub, which knows who may.
    """
    sources = [source for right, names in _SOURCES.items() if right in may for source in names]
    given: dict[str, Any] = {"roomJoin": True, "canSubscribe": True, "canPublish": bool(sources)}
    given["canPublishData"] = Right.CHAT in may
    if len(sources) < sum(map(len, _SOURCES.values())):  # without the list: everything, also what has no name yet
        given["canPublishSources"] = sources
    return given


def permission(may: frozenset[Right]) -> dict[str, Any]:
    """The same as a `livekit.ParticipantPermission` in JSON, for somebody who is in the room."""
    given = grants(may)
    return {
        "can_subscribe": given["canSubscribe"],
        "can_publish": given["canPublish"],
        "can_publish_data": given["canPublishData"],
        "can_publish_sources": [source.upper() for source in given.get("canPublishSources", ())],
    }


def as_table() -> str:
    """docs/roles.md's table."""
    lines = ["| may | " + " | ".join(ROLES) + " |", "| --- " * (len(ROLES) + 1) + "|"]
    for right in Right:
        cells = ("yes" if right in may else "·" for may in ROLES.values())
        lines.append(f"| {right.value} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
