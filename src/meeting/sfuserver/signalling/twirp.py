"""LiveKit's server API over HTTP (Twirp v7): POST /twirp/<service>/<Method>, protobuf or JSON in, the same out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import DecodeError, Message
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.resource import Resource

from meeting.daemon.secret import AccessClaims, BadToken, Secret, verify_access_token

__all__ = ["Method", "TwirpError", "TwirpResource"]

log = Logger()

STATUS = {
    "malformed": 400,
    "invalid_argument": 400,
    "failed_precondition": 412,
    "unauthenticated": 401,
    "permission_denied": 403,
    "bad_route": 404,
    "not_found": 404,
    "internal": 500,
}
JSON = "application/json"
PROTOBUF = "application/protobuf"


class TwirpError(Exception):
    """An error of the API; code is Twirp's, the message safe to show."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its request, the grant it needs, and what it does with (request, now)."""

    request: type[Message]
    grant: str
    """roomCreate or roomList; roomAdmin holds for the token's own room only."""
    call: Callable[[Any, float], Message]


class TwirpResource(Resource):
    """One service's methods behind access tokens."""

    isLeaf = True

    def __init__(self, service: str, methods: Mapping[str, Method], secret: Secret, clock: IReactorTime) -> None:
        super().__init__()
        self._service = service
        self._methods = methods
        self._secret = secret
        self._clock = clock

    def render(self, request: Any) -> bytes:
        content_type = (request.getHeader("content-type") or "").split(";")[0].strip().lower()
        try:
            method = self._find(request, content_type)
            now = self._clock.seconds()
            claims = self._claims(request.getHeader("authorization"), now)
            message = _decode(method.request(), request.content.read(), content_type)
            _check_grant(claims, method, message)
            answer = method.call(message, now)
        except TwirpError as error:
            return _refuse(request, error.code, str(error))
        except Exception:
            log.failure("{path} stumbled", path=request.path)
            return _refuse(request, "internal", "The fault is ours; it was written down.")
        request.setHeader(b"Content-Type", content_type.encode())
        if content_type == JSON:
            return MessageToJson(answer, indent=None, preserving_proto_field_name=True).encode()
        return answer.SerializeToString()

    def _find(self, request: Any, content_type: str) -> Method:
        parts = [part for part in request.path.decode("ascii", "replace").split("/") if part]
        name = parts[2] if len(parts) == 3 and parts[1] == self._service else ""
        method = self._methods.get(name)
        if method is None or request.method != b"POST":
            raise TwirpError("bad_route", f"There is POST /twirp/{self._service}/<{', '.join(sorted(self._methods))}>.")
        if content_type not in (JSON, PROTOBUF):
            raise TwirpError("malformed", f"The Content-Type has to be {JSON} or {PROTOBUF}.")
        return method

    def _claims(self, authorization: str | None, now: float) -> AccessClaims:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise TwirpError("unauthenticated", "There is no bearer token.")
        try:
            return verify_access_token(self._secret, token.strip(), now)
        except BadToken as error:
            raise TwirpError("unauthenticated", str(error)) from None


def _check_grant(claims: AccessClaims, method: Method, message: Any) -> None:
    if claims.grants.get(method.grant) is not True:
        raise TwirpError("permission_denied", f"The access token lacks the grant {method.grant}.")
    if method.grant == "roomAdmin" and message.room != claims.room:
        raise TwirpError("permission_denied", "The access token is for another room.")


def _decode(message: Message, body: bytes, content_type: str) -> Message:
    try:
        if content_type == JSON:
            Parse(body, message, ignore_unknown_fields=True, max_recursion_depth=20)
        else:
            message.ParseFromString(body)
    except (DecodeError, ParseError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise TwirpError("malformed", f"The body cannot be read: {str(error)[:200]}") from None
    return message


def _refuse(request: Any, code: str, message: str) -> bytes:
    request.setResponseCode(STATUS[code])
    request.setHeader(b"Content-Type", JSON.encode())
    return json.dumps({"code": code, "msg": message}).encode()
