"""/api/v1/webhooks/sfu: what the sfuservers report about their rooms, as LiveKit's webhooks.

A report is a `WebhookEvent` in JSON; its Authorization header is a JWT of the access-token key whose claim `sha256` is
the base64 of the body's SHA-256, so that neither can be exchanged.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import jwt
from google.protobuf.json_format import Parse, ParseError
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.webhook import WebhookEvent
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.meetings.room.presence import Presence, Stay
from meeting.daemon.errors import BadRequest, BadSignature
from meeting.daemon.web import Api, Call, Reply, Who

#: Seconds by which a sfuserver's clock may differ from ours.
SKEW = 60

#: Told of each arrival: the meeting's id, who it is, and the room's metadata. Returns at once.
Arrived = Callable[[str, ParticipantInfo, str], None]

_ROOM = re.compile(r"[0-9a-f]{32}")


def check_signature(token_key: str, header: str | None, body: bytes, now: float) -> None:
    """Raises BadSignature unless `header` is a JWT for exactly this body, made with the access-token key and not
    over.
    """
    if not header:
        raise BadSignature("The report carries no signature.")
    try:
        claims = jwt.decode(
            header.removeprefix("Bearer ").strip(),
            token_key,
            algorithms=["HS256"],
            issuer="meeting",
            # The times are compared with the clock that everything here goes by.
            options={"require": ["exp", "iss"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, RecursionError) as error:
        raise BadSignature("The report is not signed with the access-token key.") from error
    exp, nbf = claims["exp"], claims.get("nbf", now)
    if not isinstance(exp, int | float) or not isinstance(nbf, int | float) or now > exp + SKEW or now < nbf - SKEW:
        raise BadSignature("The report's signature is over, or a clock is off.")
    digest = claims.get("sha256")
    if not isinstance(digest, str) or not hmac.compare_digest(digest.encode(), b64encode(sha256(body).digest())):
        raise BadSignature("The report is not the one that was signed.")


def parse_event(body: bytes) -> WebhookEvent:
    """The report. Fields we do not know are a newer server's. Raises BadRequest."""
    try:
        event = Parse(body, WebhookEvent(), ignore_unknown_fields=True, max_recursion_depth=20)
    except (ParseError, UnicodeDecodeError, ValueError) as error:
        raise BadRequest("The report is not a WebhookEvent in JSON.") from error
    if not event.event:
        raise BadRequest("The report does not say of what.")
    return event


async def hear(presence: Presence, arrived: Arrived, event: WebhookEvent, now: float) -> None:
    """Do what a report asks for.

    One about a room that is no meeting of ours, or of a kind we do not need, is nothing.
    """
    room = event.room.name
    if not _ROOM.fullmatch(room):
        return
    # 0 is "not said", and a year that datetime does not have is a fault of the sender's: the report is from now.
    at = datetime.fromtimestamp(event.created_at if 0 < event.created_at <= now else now, UTC)
    if event.event == "room_finished":
        await presence.emptied(room, at)
        return
    who = event.participant
    if not who.sid or len(who.sid) > 64 or len(who.identity) > 128:
        return
    stay = Stay(room, who.sid, who.identity, who.name[:200])
    if event.event == "participant_joined":
        await presence.joined(stay, at)
        arrived(room, who, event.room.metadata)
    elif event.event == "participant_left":
        await presence.left(stay, at)


def add_routes(api: Api, presence: Presence, arrived: Arrived, token_key: str, clock: IReactorTime) -> None:
    """Declare the route of the sfuservers' reports."""

    @api.route(
        "POST",
        "/api/v1/webhooks/sfu",
        callers=Who.DAEMON,
        summary="A report of an sfuserver (LiveKit webhook).",
        errors=(BadSignature, BadRequest),
        tags=("daemons",),
    )
    async def report_room(call: Call) -> Reply:
        body = call.request.content.read()
        check_signature(token_key, call.header("Authorization"), body, clock.seconds())
        await hear(presence, arrived, parse_event(body), clock.seconds())
        return Reply(200)
