"""Who may come in: the access token and the join request of a signalling connection, checked before the upgrade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from livekit.protocol.rtc import JoinRequest

from meeting.daemon.errors import BadRequest, MeetingError, NotFound
from meeting.daemon.secret import AccessClaims, BadToken, Secret, verify_access_token
from meeting.sfuserver.room.participant import Identity
from meeting.sfuserver.room.permissions import permission_from_grants
from meeting.sfuserver.signalling.wire import BadFrame, join_request_from_query, parse_join_request

__all__ = ["Admission", "Door", "NotAllowedToJoin", "admit", "door"]


class NotAllowedToJoin(MeetingError):
    """The token is genuine, and not for this. LiveKit clients expect 401 and do not try again."""

    status = 401
    problem = "not-allowed-to-join"
    title = "The access token does not allow to join a room."


@dataclass(frozen=True, slots=True)
class Door:
    """What a path asks for."""

    single_connection: bool
    validate: bool


@dataclass(frozen=True, slots=True)
class Admission:
    """All that a session needs to begin."""

    who: Identity
    room: str
    join: JoinRequest
    made: int = 0
    """When the token was made (`nbf`, Unix seconds)."""


def door(path: str) -> Door:
    """Of /rtc, /rtc/v1 and their /validate. Raises NotFound."""
    doors = {
        ("rtc",): Door(False, False),
        ("rtc", "v1"): Door(True, False),
        ("rtc", "validate"): Door(False, True),
        ("rtc", "v1", "validate"): Door(True, True),
    }
    found = doors.get(tuple(part for part in path.split("/") if part))
    if found is None:
        raise NotFound("There is /rtc and /rtc/v1.")
    return found


def admit(
    secret: Secret, where: Door, authorization: str | None, query: Mapping[str, Sequence[str]], now: float
) -> Admission:
    """Check token and join request. Raises BadToken, NotAllowedToJoin, BadRequest."""
    claims = verify_access_token(secret, _token(authorization, query), now)
    if claims.grants.get("roomJoin") is not True:
        raise NotAllowedToJoin("The access token lacks the grant roomJoin.")
    if not claims.identity:
        raise BadRequest("The access token has no identity (sub).")
    if not claims.room:
        raise BadRequest("The access token names no room.")
    try:
        if where.single_connection:
            join = parse_join_request(next(iter(query.get("join_request", ())), ""))
        else:
            join = join_request_from_query(query)
    except BadFrame as error:
        raise BadRequest(str(error)) from None
    return Admission(_identity(claims, join, where), claims.room, join, claims.not_before)


def _token(authorization: str | None, query: Mapping[str, Sequence[str]]) -> str:
    """From the header, which native clients send and which wins, or from the query, all a browser can do."""
    scheme, _, header_token = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and header_token.strip():
        return header_token.strip()
    token = next(iter(query.get("access_token", ())), "")
    if not token:
        raise BadToken("There is no access token.")
    return token


def _identity(claims: AccessClaims, join: JoinRequest, where: Door) -> Identity:
    permission = permission_from_grants(claims.grants)
    attributes = dict(claims.attributes)
    if permission.can_update_metadata:
        attributes.update(join.participant_attributes)
    return Identity(
        identity=claims.identity,
        name=claims.name,
        metadata=(join.metadata if permission.can_update_metadata else "") or claims.metadata,
        attributes=attributes,
        permission=permission,
        turn=claims.turn,
        client=join.client_info,
        single_connection=where.single_connection,
        auto_subscribe=join.connection_settings.auto_subscribe,
    )
