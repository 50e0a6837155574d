"""Who may call what, as a table for people: docs/access.md is what `rendered` makes of the hub's routes."""

from collections.abc import Sequence

from meeting.daemon.openapi import openapi_path
from meeting.daemon.route import Route, Who

_HEAD = """\
# Who may call what

Written by `make api` from what the routes declare (`daemon/route.py`). `tests/unit/apiserver/test_access.py` tries
every role on every operation, cell by cell: where there is a ●, the call is not kept out; where there is none, it is
answered with 401, 403 or 404 and changes nothing. "This meeting" is the one of the path; the host of another meeting
is a stranger here.

"""


def rendered(routes: Sequence[Route]) -> str:
    """The page."""
    roles = list(Who)
    lines = [
        "| operation | " + " | ".join(str(role.name).lower() for role in roles) + " | token's scope | audit |",
        "| --- |" + " :-: |" * len(roles) + " --- | --- |",
    ]
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        cells = ["●" if role in route.callers else "" for role in roles]
        audit = f"`{route.audit}`" if route.audit else ""
        operation = f"`{route.method} {openapi_path(route.path)}`"
        lines.append(f"| {operation} | " + " | ".join(cells) + f" | {_scope(route)} | {audit} |")
    words = [f"* **{str(role.name).lower()}**: {_MEANINGS[role]}" for role in roles]
    return _HEAD + "\n".join(words) + "\n\n" + "\n".join(lines) + "\n"


def _scope(route: Route) -> str:
    if route.scope is not None:
        return f"`{route.scope}`"
    if route.callers == Who.DAEMON:
        return ""
    return "any" if route.is_public else "none"


_MEANINGS = {
    Who.NOBODY: "not signed in, or a guest of another meeting",
    Who.GUEST: "a guest of this meeting",
    Who.STRANGER: "signed in, and nothing to do with this meeting (or thing)",
    Who.PARTICIPANT: "invited to this meeting, or has joined it",
    Who.COHOST: "made a co-host of this meeting",
    Who.OWNER: "whose meeting it is; of other things: who made it",
    Who.ADMINISTRATOR: "looks after this server",
    Who.DAEMON: "one of the servers, by its signature",
}
