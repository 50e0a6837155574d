"""The API keeps to its document whatever it is asked: schemathesis makes up the calls, everybody in turn sends them.

MEETING_SCHEMA_EXAMPLES in the environment says how often each operation is tried by each; once if it is not there.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core import NotSet
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.hub import HOST, Hub, sqlite_hub
from tests.support.oidc import ARGUMENTS as SINGLE_SIGN_ON
from tests.support.roles import World, make_world, token_of

EXAMPLES = int(os.environ.get("MEETING_SCHEMA_EXAMPLES", "1"))
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
WHO = ["nobody", "guest", "participant", "owner", "administrator", "daemon", "token", "token without scope"]


@pytest.fixture(scope="module")
def world(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("world")
    (directory / migrated.name).write_bytes(migrated.read_bytes())
    more = ("--requestsOfPerson", "1000000", "--requestsOfAddress", "1000000")
    hub = sqlite_hub(directory, "--administrator", "root@example.com", *SINGLE_SIGN_ON, *more).start()
    yield make_world(hub, directory)
    hub.stop()


def headers_of(world: World) -> dict[str, dict[str, str]]:
    """How each says who they are."""
    hub = world.hub
    found: dict[str, dict[str, str]] = {}

    def note(who: str, call: Any) -> None:
        seen: list[dict[str, str]] = []
        request = hub.request

        def watch(method: str, path: str, **more: Any) -> Any:
            seen.append(dict(more.get("headers", {})))
            return request(method, path, **more)

        hub.request = watch  # type: ignore[method-assign]
        try:
            call()
        finally:
            hub.request = request  # type: ignore[method-assign]
        found[who] = {name: value for name, value in seen[0].items() if name != "Content-Type"}

    route = next(route for route in hub.server.api.routes if route.handler.__name__ == "get_me")
    for who in WHO[:6]:
        note(who, lambda who=who: world.actors[who][1](route, route.path, None))
    root = hub.sign_in("root@example.com")
    note("token", lambda: token_of(root, hub, "meetings:read", "meetings:write", "admin:read")(route, route.path, None))
    note("token without scope", lambda: token_of(root, hub, "chat:read")(route, route.path, None))
    return found


def send(hub: Hub, case: Any, headers: dict[str, str]) -> Response:
    """The call in memory, its answer as schemathesis has answers."""
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        path = path.replace("{" + name + "}", quote(str(value), safe=""))
    query = urlencode({name: value for name, value in (case.query or {}).items() if value is not None}, doseq=True)
    whole = f"{path}?{query}" if query else path
    more = {name: value for name, value in (case.headers or {}).items() if name == "Idempotency-Key"}
    body = case.body if case.operation.body and not isinstance(case.body, NotSet) else None
    answer = hub.request(case.method.upper(), whole, json_body=body, headers={**headers, **more})
    prepared = requests.Request(case.method, f"https://{HOST}{whole}", json=body).prepare()
    kept: dict[str, list[str]] = {}
    for name, value in answer.headers.items():
        kept.setdefault(name.lower(), []).append(value)
    return Response(answer.status, kept, answer.body, prepared, 0.0, verify=False)


def test_whoever_asks_whatever_gets_an_answer_that_the_document_has(world: World) -> None:
    document = world.hub.request("GET", "/api/openapi.json").json
    schema = schemathesis.openapi.from_dict(document)
    world.remember()
    identities = headers_of(world)
    wrong: list[str] = []
    for result in schema.get_all_operations():
        found: Any = result
        operation = found.ok()
        for who, headers in identities.items():
            wrong += asked(world.hub, operation, who, headers)
        world.restore()
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong)


def asked(hub: Hub, operation: Any, who: str, headers: dict[str, str]) -> list[str]:
    """What is wrong with the answers to some calls of an operation."""
    wrong: list[str] = []

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=EXAMPLES == 1,  # the gate asks the same each time, whoever asks more asks other things
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        response = send(hub, case, headers)
        call = f"{case.method} {case.path} by {who}: {response.status_code}"
        if response.status_code >= 500 and response.status_code != 503:
            wrong.append(f"{call} {response.content[:300]!r}")
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            wrong.extend(f"{call} {failure.title}: {failure.message[:300]}" for failure in group.exceptions)

    ask()
    return wrong
