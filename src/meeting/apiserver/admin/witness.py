"""Writes to the audit log what the routes declare with an audit word: done or refused, before it is answered."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection

from meeting.apiserver.accounts.administration import id_of
from meeting.apiserver.accounts.origins import origin_of
from meeting.apiserver.accounts.rules import normal_email
from meeting.apiserver.admin.rules import FOR_GUESTS_ONLY, WRITTEN_WITH_THE_CHANGE
from meeting.apiserver.audit.rules import Actor, ActorKind, Entry, Origin, Outcome
from meeting.apiserver.audit.use_cases import Audit, write
from meeting.apiserver.database import Database
from meeting.daemon.errors import BadRequest
from meeting.daemon.web import Call, Done, Who

_ID = re.compile(r"[0-9a-f]{32}")

#: Refusals that are looked at: who was not let in, not who made a mistake in a form.
_TOLD = frozenset({401, 403, 423, 429})


class Witness:
    """Hears of each call that has an audit word (`daemon.web.Witness`)."""

    def __init__(self, audit: Audit, database: Database) -> None:
        self._audit = audit
        self._database = database

    async def hear(self, done: Done) -> None:
        """Write it down."""
        word = done.route.audit or ""
        refused = done.problem is not None
        if refused and done.status not in _TOLD:
            return
        if not refused and word in WRITTEN_WITH_THE_CHANGE:
            return
        if not refused and word in FOR_GUESTS_ONLY and getattr(done.answer, "role", None) != "guest":
            return
        origin = origin_of(done.call)
        if done.route.callers == Who.DAEMON:
            origin = Origin(Actor(ActorKind.DAEMON), origin.source, origin.request)
        target_id, text, meeting_id, details = _target(done)
        if word == "session.open":
            target_id, text = None, _typed(done.call)
        if word in FOR_GUESTS_ONLY and not refused:
            origin = Origin(Actor(ActorKind.GUEST, target_id), origin.source, origin.request)
        if refused:
            details["problem"] = done.problem
        outcome = Outcome.REFUSED if refused else Outcome.DONE
        row = self._audit.entry(Entry(word, origin, outcome, meeting_id, target_id, text, details))
        if word == "session.open" and text:
            await self._database.run(_write_refusal, row, text)
        else:
            await self._database.run(write, row)


def _write_refusal(transaction: Connection, row: Mapping[str, Any], email: str) -> None:
    """Of a person who is known the id stands here, of anybody else the address that was typed."""
    found = id_of(transaction, email)
    if found is not None:
        row = {**row, "target_id": found, "target_text": ""}
    write(transaction, row)


def _typed(call: Call) -> str:
    try:
        return normal_email(str(_body(call).get("email", "")))
    except BadRequest:
        return ""


def _target(done: Done) -> tuple[str | None, str, str | None, dict[str, Any]]:
    """Id, text, meeting and details of what the call was about: from the path, and from the answer."""
    answer = done.answer
    shown: Mapping[str, Any] = answer.model_dump(mode="json") if isinstance(answer, BaseModel) else {}
    meeting = shown.get("meeting") if isinstance(shown.get("meeting"), Mapping) else {}
    id = str(done.variables.get("id") or shown.get("id") or "")
    details: dict[str, Any] = {}
    code = done.variables.get("code") or shown.get("code") or ""
    if code:
        details["code"] = str(code)[:32]
    for name in ("kind", "name", "role"):
        if isinstance(shown.get(name), str):
            details[name] = shown[name]
    meeting_id = None
    if (done.route.audit or "").startswith("meeting."):
        about = meeting or shown
        meeting_id = str(about.get("id") or "") if isinstance(about, Mapping) else ""
    if "identity" in shown:
        id = str(shown["identity"]).partition(":")[0]
    others = {name: str(value)[:64] for name, value in done.variables.items() if name not in ("id", "code")}
    return (
        id if _ID.fullmatch(id) else None,
        str(shown.get("title") or (meeting or {}).get("title") or "")[:200],
        meeting_id if meeting_id and _ID.fullmatch(meeting_id) else None,
        {**details, **others},
    )


def _body(call: Call) -> Mapping[str, Any]:
    """The request's JSON, once more: the witness is not given what the handler got."""
    try:
        call.request.content.seek(0)
        found = json.loads(call.request.content.read())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
