"""What happens in the rooms, told to the hub as LiveKit's signed webhooks.

In order, one at a time, tried again while the hub is away; the queue is bounded, the oldest go first,
and the next event that gets through says how many were dropped.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque

import jwt
from google.protobuf.json_format import MessageToJson
from livekit.protocol.models import ParticipantInfo, TrackInfo
from livekit.protocol.webhook import WebhookEvent
from treq.client import HTTPClient
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent

from meeting.daemon.secret import ISSUER, Secret
from meeting.sfuserver.room.chance import Chance
from meeting.sfuserver.room.participant import Participant
from meeting.sfuserver.room.room import Room
from meeting.sfuserver.room.track import Track

__all__ = ["Webhooks", "sign_webhook"]

log = Logger()

QUEUE = 1000
FIRST_RETRY = 0.5
LAST_RETRY = 30.0
TIMEOUT = 10.0
LIFETIME = 300
"""Seconds a signature is good for."""


class Webhooks(Service):
    """A RoomEvents that posts."""

    def __init__(
        self, clock: IReactorTime, agent: IAgent, secret: Secret, url: str, chance: Chance, most_queued: int = QUEUE
    ) -> None:
        self._clock = clock
        self._http = HTTPClient(agent)
        self._secret = secret
        self._url = url
        self._chance = chance
        self._most_queued = most_queued
        self._queue: deque[WebhookEvent] = deque()
        self._dropped = 0
        self._sending: Deferred[None] | None = None
        self._busy = False
        self._troubled = False

    def stopService(self) -> Deferred[None] | None:
        """What is queued is given up: the hub sees by the missing heartbeat that the rooms are gone."""
        super().stopService()
        sending = self._sending
        if sending is not None:
            sending.cancel()
        return sending

    # RoomEvents

    def room_started(self, room: Room, now: float) -> None:
        self._tell("room_started", room, now)

    def room_finished(self, room: Room, now: float) -> None:
        self._tell("room_finished", room, now)

    def participant_joined(self, room: Room, participant: Participant, now: float) -> None:
        self._tell("participant_joined", room, now, participant)

    def participant_left(self, room: Room, participant: Participant, now: float) -> None:
        self._tell("participant_left", room, now, participant)

    def track_published(self, room: Room, participant: Participant, track: Track, now: float) -> None:
        self._tell("track_published", room, now, participant, track)

    def track_unpublished(self, room: Room, participant: Participant, track: Track, now: float) -> None:
        self._tell("track_unpublished", room, now, participant, track)

    def link_lost(self, room: Room, participant: Participant, reason: str) -> None:
        log.info(
            "{identity} in {room}: link lost, {reason}", identity=participant.identity, room=room.name, reason=reason
        )

    def _tell(
        self, name: str, room: Room, now: float, participant: Participant | None = None, track: Track | None = None
    ) -> None:
        event = WebhookEvent(event=name, room=room.info(), id=self._chance.sid("EV_"), created_at=int(now))
        if participant is not None:
            event.participant.CopyFrom(_brief(participant.info()) if track is not None else participant.info())
        if track is not None:
            shown = TrackInfo()
            shown.CopyFrom(track.info)
            event.track.CopyFrom(shown)
        self._queue.append(event)
        if len(self._queue) > self._most_queued:
            self._queue.popleft()
            self._dropped += 1
        if not self._busy and self.running:
            self._busy = True
            self._sending = Deferred.fromCoroutine(self._send_all())
            self._sending.addErrback(self._failed)

    async def _send_all(self) -> None:
        try:
            wait = FIRST_RETRY
            while self._queue and self.running:
                event = self._queue[0]
                event.num_dropped = self._dropped
                if await self._post(event):
                    wait = FIRST_RETRY
                    self._dropped -= event.num_dropped
                    if self._queue and self._queue[0] is event:
                        self._queue.popleft()
                elif self.running:
                    await deferLater(self._clock, wait)
                    wait = min(wait * 2, LAST_RETRY)
        finally:
            self._busy = False

    async def _post(self, event: WebhookEvent) -> bool:
        """Whether it need not be sent again: taken, or refused in a way that will not change."""
        body = MessageToJson(event, indent=None).encode()
        headers: dict[bytes | str, bytes | str] = {
            "Authorization": sign_webhook(self._secret, body, self._clock.seconds()),
            "Content-Type": "application/webhook+json",
        }
        try:
            request: Deferred[object] = Deferred.fromCoroutine(self._exchange(body, headers))
            status = await request.addTimeout(TIMEOUT, self._clock)
        except CancelledError:
            raise
        except Exception as error:
            if not self.running:
                return False  # cut off by stopService, which Twisted's agent reports as a host that is not found
            self._trouble(f"cannot be reached ({error})")
            return False
        if isinstance(status, int) and status < 300:
            if self._troubled:
                log.info("the hub takes webhooks again")
            self._troubled = False
            return True
        self._trouble(f"answered {status}")
        return isinstance(status, int) and status < 500 and status not in (401, 408, 429)

    async def _exchange(self, body: bytes, headers: dict[bytes | str, bytes | str]) -> int:
        response = await self._http.post(self._url, data=body, headers=headers)
        await response.content()
        return int(response.code)

    def _trouble(self, what: str) -> None:
        """Said once when it begins."""
        if not self._troubled:
            log.warn("the hub does not take webhooks: it {what}; trying again", what=what)
        self._troubled = True

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.failure("webhooks stopped", failure)


def sign_webhook(secret: Secret, body: bytes, now: float) -> str:
    """The Authorization header: a JWT over the hash of the exact bytes that are sent (LiveKit's webhooks)."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    claims = {"iss": ISSUER, "nbf": int(now), "exp": int(now) + LIFETIME, "sha256": digest}
    return jwt.encode(claims, secret.token_key, algorithm="HS256")


def _brief(info: ParticipantInfo) -> ParticipantInfo:
    """Who, without everything it publishes."""
    return ParticipantInfo(sid=info.sid, identity=info.identity, name=info.name)
