"""LiveKit's own clients who all come and publish at the same moment, as at the beginning of any meeting."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit import rtc

from tests.integration.sfuserver.servers import RunningServer
from tests.integration.sfuserver.test_livekit_sdk import Person, on_asyncio, server, until
from tests.support.deadlines import deadline

__all__ = ["server"]

ROUNDS = 3


class Witness(Person):
    """Knows whose picture and whose sound it has."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.has: set[tuple[str, str]] = set()

    def _subscribed(self, track: Any, publication: object, participant: Any) -> None:
        video = track.kind == rtc.TrackKind.KIND_VIDEO
        self._do(self._witness(track, participant.identity, "picture" if video else "sound"))

    async def _witness(self, track: rtc.Track, who: str, what: str) -> None:
        async for event in rtc.VideoStream(track) if what == "picture" else rtc.AudioStream(track):
            # Before the first packet the SDK plays silence.
            if what == "picture" or any(event.frame.data):
                self.has.add((who, what))


@deadline(60)
async def test_who_join_and_publish_at_once_all_see_and_hear_each_other(server: RunningServer) -> None:
    await on_asyncio(_all_at_once, server)


async def _all_at_once(server: RunningServer) -> None:
    for number in range(ROUNDS):
        people = {f"{name}{number}": Witness(f"{name}{number}") for name in ("anna", "bert", "carl", "dora")}

        async def enter(person: Witness, *, single: bool) -> None:
            await person.join(server, single=single)
            await person.publish()

        # Two with one connection each, two with two.
        await asyncio.gather(*(enter(one, single=place % 2 == 1) for place, one in enumerate(people.values())))
        for name, person in people.items():
            all_others = {(other, what) for other in people if other != name for what in ("picture", "sound")}
            await until(lambda person=person, wanted=all_others: person.has == wanted)  # type: ignore[misc]
        await asyncio.gather(*(person.leave() for person in people.values()))
