"""The first message to a client: what this server is, and what the room looks like now."""

from __future__ import annotations

from collections.abc import Callable

from livekit.protocol.models import Codec, ServerInfo
from livekit.protocol.rtc import ICEServer, JoinResponse, ReconnectResponse, SignalResponse

from meeting.daemon.secret import LONGEST_TURN_CREDENTIAL, Secret, turn_credential
from meeting.sfuserver.room.participant import Identity, Participant
from meeting.sfuserver.room.room import Room

__all__ = ["PROTOCOL_LEVEL", "Greeting", "ice_servers"]

PROTOCOL_LEVEL = "1.13.11"
"""The release of livekit-server whose behaviour clients may expect here.

Clients read it: an empty one is refused, and above 1.13.6 livekit-client sends VP9 and AV1 as separate streams
with rids where it is asked to, instead of as one scalable stream. The data plane forwards both.
"""
PROTOCOL_VERSION = 17
PING_INTERVAL = 5
PING_TIMEOUT = 15
PUBLISHABLE = ("audio/opus", "video/VP8", "video/H264", "video/VP9", "video/AV1", "video/H265")


class Greeting:
    """Makes the first messages."""

    def __init__(self, node: str, product: str, ice_servers: Callable[[Identity, str, float], list[ICEServer]]) -> None:
        """`node`: this process; `product`: name and version for people; `ice_servers(who, room, now)`."""
        self._ice_servers = ice_servers
        self._server = ServerInfo(
            edition=ServerInfo.Standard,
            version=PROTOCOL_LEVEL,
            protocol=PROTOCOL_VERSION,
            node_id=node,
            debug_info=product,
        )

    def joined(self, room: Room, participant: Participant, now: float) -> SignalResponse:
        two_connections = not participant.who.single_connection
        return SignalResponse(
            join=JoinResponse(
                room=room.info(),
                participant=participant.info(),
                other_participants=room.others(participant),
                server_version=PROTOCOL_LEVEL,
                server_info=self._server,
                ice_servers=self._ice_servers(participant.who, room.name, now),
                subscriber_primary=two_connections,
                fast_publish=two_connections and participant.permission.can_publish,
                ping_interval=PING_INTERVAL,
                ping_timeout=PING_TIMEOUT,
                enabled_publish_codecs=[Codec(mime=mime) for mime in PUBLISHABLE],
            )
        )

    def resumed(self, room: Room, participant: Participant, now: float) -> SignalResponse:
        return SignalResponse(
            reconnect=ReconnectResponse(
                ice_servers=self._ice_servers(participant.who, room.name, now),
                server_info=self._server,
                last_message_seq=participant.last_sequence,
            )
        )


def ice_servers(secret: Secret, media: Callable[[], list[str]]) -> Callable[[Identity, str, float], list[ICEServer]]:
    """(who, room, now) → the turnservers of the token, with credentials that end by themselves.

    They name our `media` addresses, to which these relays may lead though they are private ones.
    """

    def servers(who: Identity, room: str, now: float) -> list[ICEServer]:
        if not who.turn:
            return []
        credential = turn_credential(secret, room, who.identity, int(now) + LONGEST_TURN_CREDENTIAL, media())
        return [ICEServer(urls=who.turn, username=credential.username, credential=credential.password)]

    return servers
