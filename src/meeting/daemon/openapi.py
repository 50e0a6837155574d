"""The OpenAPI 3.1 document of an Api, made from its routes and their pydantic models."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from meeting.daemon.errors import BadRequest, MeetingError

_VARIABLE = re.compile(r"<(?:(?P<converter>[a-z]+)(?:\([^>]*\))?:)?(?P<name>[a-zA-Z_]+)>")
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
    },
}


@dataclass(frozen=True)
class Route:
    """One declared route; the fields are the arguments of `Api.route`."""

    method: str
    path: str
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: type[BaseModel] | None
    status: int
    summary: str
    errors: tuple[type[MeetingError], ...]
    tags: tuple[str, ...]
    handler: Callable[..., Awaitable[Any]]


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
            _definition(schemas, references[(route.body, "validation")])["additionalProperties"] = False

    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operations = paths.setdefault(_VARIABLE.sub(r"{\g<name>}", route.path), {})
        operations[route.method.lower()] = _operation(route, references, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(route: Route, references: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": found["name"], "in": "path", "required": True, "schema": {"type": _path_type(found["converter"])}}
        for found in _VARIABLE.finditer(route.path)
    ]
    if route.query is not None:
        query = _definition(schemas, references[(route.query, "validation")])
        required = query.get("required", ())
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in query.get("properties", {}).items()
        ]
    success: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        success["content"] = {"application/json": {"schema": references[(route.answer, "serialization")]}}

    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "responses": {str(route.status): success, **_problems(route)},
    }
    if route.tags:
        operation["tags"] = list(route.tags)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = references[(route.body, "validation")]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _definition(schemas: dict[str, Any], reference: Any) -> dict[str, Any]:
    definition: dict[str, Any] = schemas[reference["$ref"].rsplit("/", 1)[1]]
    return definition


def _problems(route: Route) -> dict[str, Any]:
    """One answer for each status that the route's errors have; several problems may share a status."""
    kinds: set[type[MeetingError]] = set(route.errors)
    if route.body is not None or route.query is not None:
        kinds.add(BadRequest)
    by_status: dict[int, list[str]] = {}
    for kind in sorted(kinds, key=lambda kind: (kind.status, kind.problem)):
        by_status.setdefault(kind.status, []).append(f"`{kind.problem}`: {kind.title}")
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {
        str(status): {"description": " ".join(texts), "content": {"application/problem+json": {"schema": schema}}}
        for status, texts in by_status.items()
    }


def _path_type(converter: str | None) -> str:
    return {"int": "integer", "float": "number"}.get(converter or "", "string")
