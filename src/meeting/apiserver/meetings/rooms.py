"""Telling a meeting's sfuserver to close its room: LiveKit's RoomService over Twirp."""

import json

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from meeting.apiserver.allocation.use_cases import Allocation
from meeting.apiserver.meetings.queries import Meeting
from meeting.daemon.secret import AccessClaims, Secret, mint_access_token

#: Seconds for the sfuserver to answer; the meeting is over in the database in any case.
TIMEOUT = 5.0


class Rooms:
    """The rooms, on whichever sfuserver they are."""

    log = Logger()

    def __init__(self, agent: IAgent, clock: IReactorTime, secret: Secret, allocation: Allocation) -> None:
        self._treq = HTTPClient(agent)
        self._clock = clock
        self._secret = secret
        self._allocation = allocation

    async def close(self, of: Meeting) -> None:
        """Send everyone out of a meeting's room. Best effort: a room that is not there is closed."""
        sfu = await self._allocation.current(of.id)
        if sfu is None:
            return
        claims = AccessClaims(
            identity="apiserver",
            room=of.id,
            grants={"roomCreate": True, "roomAdmin": True},
            expires_at=int(self._clock.seconds()) + 60,
        )
        request = Deferred.fromCoroutine(
            self._post(f"{sfu.url}/twirp/livekit.RoomService/DeleteRoom", claims, {"room": of.id})
        )
        try:
            status = await request.addTimeout(TIMEOUT, self._clock)
        except Exception as error:  # whatever the network has in store
            self.log.warn(
                "room {room} could not be closed at {url}: {error}", room=of.id, url=sfu.url, error=type(error).__name__
            )
            return
        if status not in (200, 404):
            self.log.warn(
                "room {room} could not be closed at {url}: HTTP {status}", room=of.id, url=sfu.url, status=status
            )

    async def _post(self, url: str, claims: AccessClaims, body: dict[str, str]) -> int:
        headers: dict[bytes | str, bytes | str] = {
            "Authorization": f"Bearer {mint_access_token(self._secret, claims)}",
            "Content-Type": "application/json",
        }
        response = await self._treq.post(url, headers=headers, data=json.dumps(body).encode(), allow_redirects=False)
        response.deliverBody(_Unread())
        return int(response.code)


class _Unread(Protocol):
    """Lets the body go: only the status counts."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()
