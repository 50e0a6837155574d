"""Reports of a sfuserver, as it sends them."""

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import jwt
from google.protobuf.json_format import MessageToDict
from livekit.protocol.models import ParticipantInfo

from tests.support.hub import Hub


def report_of(
    hub: Hub,
    event: str,
    meeting: dict[str, Any],
    sid: str,
    identity: str,
    info: ParticipantInfo | None = None,
    metadata: str = "",
) -> None:
    """One about somebody; `info`: as they are in the room."""
    who = {**(MessageToDict(info) if info is not None else {}), "sid": sid, "identity": identity}
    room = {"sid": "RM_1", "name": meeting["id"], "metadata": metadata}
    now = int(hub.clock.seconds())
    told = {"event": event, "id": f"EV_{event}_{sid}", "createdAt": str(now), "room": room, "participant": who}
    body = json.dumps(told).encode()
    claims = {"iss": "meeting", "nbf": now, "exp": now + 300, "sha256": b64encode(sha256(body).digest()).decode()}
    token = jwt.encode(claims, hub.secret.token_key, "HS256")
    headers = {"Content-Type": "application/webhook+json", "Authorization": token}
    assert hub.request("POST", "/api/v1/webhooks/sfu", body=body, headers=headers).status == 200
