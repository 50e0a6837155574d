"""Who may call what: every role on every operation, made from what the routes declare.

A new route is tried by itself. What it is about, if its path names something new, stands in tests/support/roles.py.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from meeting.apiserver.tokens.rules import SCOPES
from meeting.daemon.access import rendered
from meeting.daemon.route import Route, Who
from tests.support.hub import Answer, sqlite_hub
from tests.support.oidc import ARGUMENTS as SINGLE_SIGN_ON
from tests.support.roles import World, make_world, token_of

#: The words of a refusal that is about who is calling.
KEPT_OUT = {"sign-in-needed", "forbidden", "scope", "token", "origin", "signature"}
#: They change nothing, and what they are asked is too long for an address.
READ_BY_POST = {"admin_preview_retention"}


@pytest.fixture(scope="module")
def world(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("world")
    (directory / migrated.name).write_bytes(migrated.read_bytes())
    hub = sqlite_hub(directory, "--administrator", "root@example.com", *SINGLE_SIGN_ON).start()
    yield make_world(hub, directory)
    hub.stop()


def is_kept_out(answer: Answer) -> bool:
    return answer.status in (401, 403) and answer.problem in KEPT_OUT


def check(world: World, who: str, route: Route, allowed: bool, before: str) -> str | None:
    """What is wrong in this cell."""
    cell = f"{route.method} {route.path} by {who}"
    answer = world.ask(who, route)
    if answer.status >= 500 and answer.status != 503:
        return f"{cell}: {answer.status} {answer.body[:200]!r}"
    if allowed:
        return f"{cell}: kept out: {answer.status} {answer.body[:200]!r}" if is_kept_out(answer) else None
    if not is_kept_out(answer) and answer.status != 404:
        return f"{cell}: let in: {answer.status} {answer.body[:200]!r}"
    return f"{cell}: refused, and yet it changed something" if world.fingerprint() != before else None


def test_every_role_on_every_operation(world: World) -> None:
    before = world.fingerprint()
    wrong = []
    for route in world.hub.server.api.routes:
        for who, (role, _) in world.actors.items():
            if role is Who.DAEMON and route.is_public:
                continue  # there it is nobody
            allowed = role in route.callers
            wrong.append(check(world, who, route, allowed, before))
            if allowed:
                world.restore()
    found = [each for each in wrong if each is not None]
    assert not found, "\n".join(found)
    assert len(wrong) >= len(world.hub.server.api.routes) * (len(world.actors) - 1)


def test_what_is_refused_to_some_is_there_for_those_who_may(world: World) -> None:
    """Else a cell that is refused would say nothing: there would be nothing to refuse."""
    wrong = []
    for route in world.hub.server.api.routes:
        if route.is_public:
            continue
        who = next(name for name, (role, _) in reversed(world.actors.items()) if role in route.callers)
        answer = world.ask(who, route)
        if answer.status >= 400 and answer.problem in ("bad-request", "media-type", "not-found"):
            wrong.append(
                f"{route.method} {route.path} by {who}: {answer.status} {answer.body[:200]!r}: give it an example"
            )
        world.restore()
    assert not wrong, "\n".join(wrong)


def test_every_role_of_the_declarations_is_tried(world: World) -> None:
    tried = {role for role, _ in world.actors.values()}
    declared = {role for route in world.hub.server.api.routes for role in route.callers}
    assert declared <= tried


def test_a_token_opens_the_operations_of_its_scope_and_no_other(world: World) -> None:
    hub = world.hub
    people = {Who.OWNER: "ada", Who.PARTICIPANT: "bob", Who.ADMINISTRATOR: "root"}
    signed_in = {role: hub.sign_in(f"{name}@example.com") for role, name in people.items()}
    root = signed_in[Who.ADMINISTRATOR]
    actors = {
        (role, scope): token_of(browser, hub, scope)
        for role, browser in signed_in.items()
        for scope in SCOPES
        if role is Who.ADMINISTRATOR or not scope.startswith("admin:")
    }
    without = {
        scope: token_of(root, hub, *(other for other in SCOPES if other != scope)) for scope in {*SCOPES, "none"}
    }
    world.remember()
    wrong = []
    for route in hub.server.api.routes:
        if route.callers == Who.DAEMON or (route.is_public and route.scope is None):
            continue
        path, body = world.path(route), world.body(route)
        refused = without[route.scope or "none"](route, path, body)
        if (refused.status, refused.problem) != (403, "scope"):
            wrong.append(f"{route.method} {route.path} without its scope: {refused.status} {refused.body[:200]!r}")
        if route.scope is not None:
            role = next(role for role in signed_in if route.callers & role)
            let_in = actors[role, route.scope](route, path, body)
            if is_kept_out(let_in):
                wrong.append(f"{route.method} {route.path} with {route.scope}: {let_in.status} {let_in.body[:200]!r}")
            world.restore()
    assert not wrong, "\n".join(wrong)


def test_scopes_audit_words_and_administration_are_declared_as_they_should_be(world: World) -> None:
    for route in world.hub.server.api.routes:
        operation = f"{route.method} {route.path}"
        assert route.scope is None or route.scope in SCOPES, operation
        if "/admin/" in route.path:
            assert route.callers == Who.ADMINISTRATOR, operation
            assert route.scope in ("admin:read", "admin:write"), operation
        if route.scope is not None:
            reads = route.method == "GET" or route.handler.__name__ in READ_BY_POST
            assert reads or not route.scope.endswith(":read"), operation
        if route.audit is not None:
            assert route.audit.count(".") == 1, operation


def test_the_page_about_it_is_what_the_routes_declare(world: World) -> None:
    page = Path(__file__).parents[3] / "docs" / "access.md"
    assert page.read_text() == rendered(world.hub.server.api.routes), "who may call what has changed: make api"
