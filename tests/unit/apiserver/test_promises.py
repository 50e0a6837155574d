"""What the API promises of every operation: a list comes in pages or says how long it can get, what makes something can
be sent again without making it twice, what a request may be answered is declared.

A new route is looked at by itself. Statuses are compared in each test that speaks to a hub (tests/support/declared.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import func, select

from meeting.apiserver.pages import Listed, Page
from meeting.apiserver.schema import metadata
from meeting.daemon.route import Route, Who
from tests.support.declared import Declared
from tests.support.hub import Hub, sqlite_hub
from tests.support.roles import NOISE, World, make_world

#: Lists without a page and without a limit.
WHOLE = {
    "servers": "as many as there are machines; who chooses among them needs them all",
}
MAKES = (201, 202)
#: Their body answers a challenge of a moment: tests/unit/apiserver/test_sign_in_passkey.py has them.
CEREMONIES = {"register_passkey"}


@pytest.fixture(scope="module")
def world(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("promises")
    (directory / migrated.name).write_bytes(migrated.read_bytes())
    hub = sqlite_hub(directory, "--administrator", "root@example.com").start()
    yield make_world(hub, directory)
    hub.stop()


@pytest.fixture(scope="module")
def hub(world: World) -> Hub:
    return world.hub


def lists(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """The fields of an answer that hold things, not words."""
    fields: dict[str, dict[str, Any]] = model.model_json_schema(mode="serialization").get("properties", {})
    return {name: each for name, each in fields.items() if each.get("type") == "array" and "$ref" in each["items"]}


def unbounded(route: Route) -> list[str]:
    """What is wrong with the lists that a route answers."""
    if route.method != "GET" or route.answer is None:
        return []
    found = lists(route.answer)
    if issubclass(route.answer, Listed):
        paged = route.query is not None and issubclass(route.query, Page)
        return [] if paged else [f"{route.path}: its query has to be a Page"]
    return [
        f"{route.path}: {name}: make the answer a Listed and the query a Page, or say how many there are at most"
        for name, field in found.items()
        if "maxItems" not in field and name not in WHOLE
    ]


def repeated(route: Route) -> str | None:
    """What is wrong with a route that makes something. Nobody known has no keys (idempotency/use_cases.py)."""
    makes = route.method == "POST" and {route.status, *route.also} & set(MAKES)
    if not makes or route.idempotent or Who.NOBODY in route.callers:
        return None
    return f"{route.path}: it makes something: declare it idempotent, and make it under `call.new_id`"


def rows(world: World) -> dict[str, int]:
    """How many there are of everything; a call's own traces in log and counters are no things."""
    tables = [table for table in metadata.sorted_tables if not table.name.startswith(NOISE)]
    counts = [select(func.count()).select_from(table).scalar_subquery().label(table.name) for table in tables]
    found = world.hub.sql(lambda transaction: transaction.execute(select(*counts)).one())
    return dict(found._mapping)


def test_every_list_comes_in_pages_or_says_how_long_it_can_get(hub: Hub) -> None:
    assert [wrong for route in hub.server.api.routes for wrong in unbounded(route)] == []
    assert sum(issubclass(route.answer, Listed) for route in hub.server.api.routes if route.answer) >= 8


def test_whatever_makes_something_takes_an_idempotency_key(hub: Hub) -> None:
    assert [wrong for route in hub.server.api.routes if (wrong := repeated(route))] == []


def test_a_list_without_pages_and_a_create_without_keys_would_be_seen() -> None:
    class Thing(BaseModel):
        name: str

    class Things(BaseModel):
        things: list[Thing]

    async def handler() -> None:
        """Never called."""

    route = Route(method="GET", path="/things", handler=handler, callers=Who.PERSON, answer=Things)
    assert unbounded(route) == [
        "/things: things: make the answer a Listed and the query a Page, or say how many there are at most"
    ]
    make = Route(method="POST", path="/things", handler=handler, callers=Who.PERSON, answer=Thing, status=201)
    assert repeated(make) is not None
    declared = Declared([make])
    assert declared.complaint("POST", "/things?x=1", 201) is None
    assert declared.complaint("POST", "/things", 418) is not None
    assert declared.complaint("POST", "/else", 418) is None, "no route of ours"


def test_the_same_call_under_the_same_key_is_answered_the_same_and_makes_nothing(world: World) -> None:
    tried = []
    for route in world.hub.server.api.routes:
        if not route.idempotent or route.handler.__name__ in CEREMONIES:
            continue
        who = next(name for name, (role, _) in reversed(world.actors.items()) if role in route.callers)
        key = {"Idempotency-Key": f"once-{route.handler.__name__}"}
        first = world.ask(who, route, **key)
        assert first.status < 300, f"{route.path} by {who}: {first.status} {first.body!r}"
        made = rows(world)
        again = world.ask(who, route, **key)
        assert (again.status, again.body) == (first.status, first.body), route.path
        assert again.headers["Idempotency-Replayed"] == "true", route.path
        assert rows(world) == made, f"{route.path} made something the second time"
        world.restore()
        tried.append(route.handler.__name__)
    assert {"create_meeting", "create_group", "create_token", "admin_add_webhook", "announce_file"} <= set(tried)


def test_every_page_can_be_asked_for(world: World) -> None:
    """Of each list a page of one, and the pages that follow: together they are the list."""
    for route in world.hub.server.api.routes:
        if route.answer is None or not issubclass(route.answer, Listed):
            continue
        who = next(name for name, (role, _) in reversed(world.actors.items()) if role in route.callers)
        (name,) = lists(route.answer)
        whole = _pages(world, who, route, 200)
        one_by_one = _pages(world, who, route, 1)
        assert all(len(page[name]) <= 1 for page in one_by_one), route.path
        flat = [item for page in one_by_one for item in page[name]]
        assert sorted(map(str, flat)) == sorted(str(item) for page in whole for item in page[name]), route.path
    world.restore()


def _pages(world: World, who: str, route: Route, limit: int) -> list[Any]:
    path, call = world.path(route), world.actors[who][1]
    next_at: str | None = f"{path}{'&' if '?' in path else '?'}limit={limit}"
    found: list[Any] = []
    while next_at is not None and len(found) < 300:
        answer = call(route, next_at, None)
        assert answer.status == 200, f"{next_at}: {answer.body!r}"
        found.append(answer.json)
        next_at = answer.json["next"]
    return found
