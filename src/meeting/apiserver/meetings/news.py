"""What webhooks are told of meetings and of the people in them, with the transaction in which it happens."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from meeting.apiserver.hooks.use_cases import Event, Hooks
from meeting.apiserver.meetings import queries
from meeting.apiserver.meetings.identities import subject_of
from meeting.apiserver.meetings.queries import Meeting

__all__ = ["Event", "News"]


class News:
    """Reads nothing unless somebody wants to be told."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def of_meeting(self, transaction: Connection, event: Event, about: Meeting, now: datetime) -> None:
        """Something happened to a meeting that is at hand."""
        self._hooks.tell(transaction, event, lambda: [{"meeting": _told(about)}], now)

    def of_meeting_by_id(self, transaction: Connection, event: Event, meeting_id: str, now: datetime) -> None:
        """Something happened to the meeting with this id."""
        self._hooks.tell(transaction, event, lambda: [{"meeting": _read(transaction, meeting_id, now)}], now)

    def of_people(
        self, transaction: Connection, event: Event, meeting_id: str, people: Sequence[tuple[str, str]], now: datetime
    ) -> None:
        """People, by (identity, name), came to a meeting or left it."""

        def data() -> list[dict[str, Any]]:
            told = _read(transaction, meeting_id, now)
            return [
                {"meeting": told, "participant": {"id": subject_of(identity), "name": name}}
                for identity, name in people
            ]

        if people:
            self._hooks.tell(transaction, event, data, now)


def _read(transaction: Connection, meeting_id: str, now: datetime) -> dict[str, Any]:
    found = queries.by_id(transaction, meeting_id, now)
    return {"id": meeting_id} if found is None else _told(found)


def _told(about: Meeting) -> dict[str, Any]:
    """No passcode: whoever gets this may keep it anywhere."""
    return {
        "id": about.id,
        "code": about.code,
        "kind": about.kind.value,
        "title": about.title,
        "begin_at": about.begin_at,
        "end_at": about.end_at,
        "zone": about.zone,
        "owner": {"id": about.owner.id, "name": about.owner.name, "email": about.owner.email},
    }
