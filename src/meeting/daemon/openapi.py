"""The OpenAPI 3.1 document of an Api, made from its routes and their pydantic models.

Beside what the specification has, an operation carries its declaration: `x-callers` (the words of `route.Who`),
`x-audit` and `x-limit` (calls in a minute of one caller).
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from meeting.daemon.call import UnsupportedMediaType
from meeting.daemon.errors import (
    BadRequest,
    BadSignature,
    Conflict,
    Forbidden,
    KeyReused,
    MeetingError,
    NotFound,
    PleaseWait,
    SignInNeeded,
    TooLarge,
    TooManyRequests,
)
from meeting.daemon.route import Route, Who

VARIABLE = re.compile(r"<(?:(?P<converter>[a-z]+)(?:\([^>]*\))?:)?(?P<name>[a-zA-Z_]+)>")
_REFERENCE = "#/components/schemas/{model}"

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "urn:meeting:problem:…"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "of `bad-request`: each place with what is wrong there",
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
    },
}

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "The same call sent again under the same key within a day gets the first answer again.",
}

#: How someone says who they are.
SECURITY: dict[str, dict[str, Any]] = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "meeting_session",
        "description": "A browser's session. What changes something must come from a page of this server (`Origin`).",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "mtg_…",
        "description": "An API token, made on the account page or by `POST /api/v1/tokens`; it has scopes.",
    },
    "daemon": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A server's signature (docs/protocols/tokens.md).",
    },
}


def document(title: str, version: str, routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document."""
    wanted: dict[tuple[type[BaseModel], Any], None] = {}
    for route in routes:
        for model in (route.body, route.query):
            if model is not None:
                wanted[(model, "validation")] = None
        if route.answer is not None:
            wanted[(route.answer, "serialization")] = None
    references, definitions = models_json_schema(list(wanted), ref_template=_REFERENCE)
    schemas = {**definitions.get("$defs", {}), "Problem": PROBLEM}
    for route in routes:
        if route.body is not None:
            _close(schemas, references[(route.body, "validation")])

    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operations = paths.setdefault(openapi_path(route.path), {})
        operations[route.method.lower()] = _operation(route, references, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SECURITY},
    }


def _close(schemas: dict[str, Any], reference: Any) -> None:
    """Unknown members are errors; of several forms each says so itself."""
    definition = _definition(schemas, reference)
    if "oneOf" in definition:
        for form in definition["oneOf"]:
            _close(schemas, form)
    elif definition.get("additionalProperties") is not True:
        definition["additionalProperties"] = False


def statuses(route: Route) -> frozenset[int]:
    """Every status that a route says it answers."""
    return frozenset({route.status, *route.also, *map(int, _problems(route))})


def openapi_path(path: str) -> str:
    """Werkzeug's `/m/<code>` as OpenAPI's `/m/{code}`."""
    return VARIABLE.sub(r"{\g<name>}", path)


def _operation(route: Route, references: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": found["name"], "in": "path", "required": True, "schema": _path_schema(found["converter"])}
        for found in VARIABLE.finditer(route.path)
    ]
    if route.query is not None:
        query = _definition(schemas, references[(route.query, "validation")])
        required = query.get("required", ())
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in query.get("properties", {}).items()
        ]
    if route.idempotent:
        parameters.append(IDEMPOTENCY_KEY)
    success: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        success["content"] = {"application/json": {"schema": references[(route.answer, "serialization")]}}

    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "security": _security(route),
        "responses": {
            **{
                str(status): {**success, "description": HTTPStatus(status).phrase}
                for status in (route.status, *route.also)
            },
            **_problems(route),
        },
        "x-callers": route.callers.words,
    }
    if route.tags:
        operation["tags"] = list(route.tags)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = references[(route.body, "validation")]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.audit is not None:
        operation["x-audit"] = route.audit
    if route.limit is not None:
        operation["x-limit"] = route.limit
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    """One of these is enough (OpenAPI 3.1, section 4.8.30); the empty one: nothing is needed."""
    if route.callers == Who.DAEMON:
        return [{"daemon": []}]
    ways: list[dict[str, list[str]]] = [{"session": []}]
    if route.scope is not None:
        ways.append({"token": [route.scope]})
    return [{}, *ways] if route.is_public else ways


def _definition(schemas: dict[str, Any], reference: Any) -> dict[str, Any]:
    definition: dict[str, Any] = schemas[reference["$ref"].rsplit("/", 1)[1]]
    return definition


def _problems(route: Route) -> dict[str, Any]:
    """One answer for each status that the route's errors have, and those that any route may; several problems may
    share a status.
    """
    kinds: set[type[MeetingError]] = {*route.errors, PleaseWait}
    if route.callers == Who.DAEMON:
        kinds.add(BadSignature)
    else:
        kinds |= {Forbidden, SignInNeeded, TooManyRequests}  # a token that is none is told so on public routes, too
    if VARIABLE.search(route.path):
        kinds |= {BadRequest, NotFound}
    if route.query is not None:
        kinds.add(BadRequest)
    if route.idempotent:
        kinds |= {Conflict, KeyReused}
    if route.body is not None:
        kinds |= {BadRequest, UnsupportedMediaType, TooLarge}
    by_status: dict[int, list[type[MeetingError]]] = {}
    for kind in sorted(kinds, key=lambda kind: (kind.status, kind.problem)):
        by_status.setdefault(kind.status, []).append(kind)
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {
        str(status): {
            "description": " ".join(f"`{kind.problem}`: {kind.title}" for kind in sharing),
            "content": {
                "application/problem+json": {
                    "schema": schema,
                    "examples": {kind.problem: {"value": _example(kind)} for kind in sharing},
                }
            },
        }
        for status, sharing in by_status.items()
    }


def _example(kind: type[MeetingError]) -> dict[str, Any]:
    return {"type": f"urn:meeting:problem:{kind.problem}", "title": kind.title, "status": kind.status}


def _path_schema(converter: str | None) -> dict[str, Any]:
    if converter == "id":
        return {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    return {"type": {"int": "integer", "float": "number"}.get(converter or "", "string")}
