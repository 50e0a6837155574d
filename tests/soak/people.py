"""Those who come and go: what each of them does is decided by a seed, when it happens by the machine."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from time import monotonic
from typing import Any

from livekit import rtc
from livekit.protocol.rtc import AddTrackRequest
from twisted.internet.defer import Deferred

from tests.integration.sfuserver.sockets import connect
from tests.support.sdk_person import SdkPerson

PATIENCE = 60.0
"""Seconds for any one visit's single step, on a machine that has other things to do."""
BROKEN = 0.2
"""Share of visits by a bare WebSocket that is torn without a good-bye."""


class Place:
    """One chair of a room: somebody sits down, does this and that, leaves; and the next one comes."""

    def __init__(self, number: int, seed: str, address: str, rooms: int, token: Callable[[str, str], str]) -> None:
        """`token`: (identity, room) → a token."""
        self._number = number
        self._chance = Random(f"{seed}/{number}")
        self._address = address
        self._rooms = rooms
        self._token = token
        self._visits = 0
        self.did: Counter[str] = Counter()
        self.failures: list[str] = []

    async def visits(self, until: float) -> None:
        """One after another until then (monotonic); whoever is there then leaves."""
        while monotonic() < until:
            self._visits += 1
            identity = f"p{self._number}-{self._visits}"
            room = f"soak{self._chance.randrange(self._rooms)}"
            visit = self._break if self._chance.random() < BROKEN else self._meet
            try:
                await visit(identity, room, until)
            except (TimeoutError, ConnectionError, rtc.ConnectError, rtc.participant.PublishTrackError) as error:
                self.failures.append(f"{identity} in {room}: {error!r}")

    async def _meet(self, identity: str, room: str, until: float) -> None:
        chance = self._chance
        person = SdkPerson(identity)
        async with asyncio.timeout(PATIENCE):
            await person.join(f"ws://{self._address}", self._token(identity, room), single=chance.random() < 0.5)
        self.did["joined"] += 1
        try:
            async with asyncio.timeout(PATIENCE):
                tracks = await person.publish(sound=chance.random() < 0.8, picture=chance.random() < 0.6)
            self.did["published"] += len(tracks)
            for _ in range(chance.randrange(1, 5)):
                act = chance.choice((self._talk, self._mute, self._turn_away, self._unpublish))
                async with asyncio.timeout(PATIENCE):
                    await act(person)
                await asyncio.sleep(max(0.0, min(chance.uniform(0.2, 2.5), until - monotonic())))
        finally:
            self.did["pictures seen"] += person.frames
            self.did["sounds heard"] += person.sounds
            self.did["messages read"] += person.messages
            async with asyncio.timeout(PATIENCE):
                await person.leave()
        self.did["left"] += 1

    async def _talk(self, person: SdkPerson) -> None:
        data = self._chance.randbytes(self._chance.randrange(1, 2000))
        await person.room.local_participant.publish_data(data, reliable=self._chance.random() < 0.5)
        self.did["messages written"] += 1

    async def _mute(self, person: SdkPerson) -> None:
        for publication in person.room.local_participant.track_publications.values():
            track = publication.track
            if isinstance(track, rtc.LocalAudioTrack):
                (track.unmute if publication.muted else track.mute)()
                self.did["muted or unmuted"] += 1

    async def _turn_away(self, person: SdkPerson) -> None:
        """Subscribes or unsubscribes one track of somebody else."""
        publications = [
            publication
            for other in person.room.remote_participants.values()
            for publication in other.track_publications.values()
        ]
        if publications:
            one = self._chance.choice(sorted(publications, key=lambda publication: publication.sid))
            one.set_subscribed(not one.subscribed)
            self.did["subscriptions changed"] += 1

    async def _unpublish(self, person: SdkPerson) -> None:
        me = person.room.local_participant
        if me.track_publications:
            await me.unpublish_track(self._chance.choice(sorted(me.track_publications)))
            self.did["unpublished"] += 1

    async def _break(self, identity: str, room: str, until: float) -> None:
        """Joins by WebSocket alone, announces a track, and is torn away: the server waits for it in vain."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            path = f"/rtc?access_token={self._token(identity, room)}&auto_subscribe=1"
            socket = await Deferred.fromCoroutine(connect(self._address, path)).asFuture(loop)
            joined: Any = await Deferred.fromCoroutine(socket.first("join")).asFuture(loop)
        if joined.participant.identity != identity:
            raise ConnectionError("the server greeted somebody else")
        socket.ask(add_track=AddTrackRequest(cid="mic", name="mic", type="AUDIO"))
        await asyncio.sleep(min(self._chance.uniform(0.0, 1.0), max(0.0, until - monotonic())))
        socket.dropConnection(abort=True)
        self.did["torn away"] += 1
