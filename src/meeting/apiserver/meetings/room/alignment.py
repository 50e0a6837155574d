"""A room as the database wants it: who may be in it, what each may do, and what everybody is told.

What is decided is written down first; then the room is brought in line with it, here. The same is done for everybody
whose arrival a sfuserver reports, so it holds for an old access token, after a restart, and if the server could not be
reached when it was decided (docs/decisions/0005-who-was-sent-away-stays-away.md).
"""

import json
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from google.protobuf.json_format import ParseDict
from livekit.protocol.models import ParticipantInfo, ParticipantPermission
from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.apiserver.database import Database
from meeting.apiserver.errands import Errands
from meeting.apiserver.meetings import places, queries, roles
from meeting.apiserver.meetings.identities import subject_of
from meeting.apiserver.meetings.places import RoomState
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.room.rooms import NotInTheRoom, OpenRoom, Rooms
from meeting.apiserver.meetings.rules import State
from meeting.apiserver.meetings.tables import meeting, member
from meeting.apiserver.schema import utc_now
from meeting.daemon.client import Unreachable

#: The attribute of a raised hand: when the hub took note of it, in milliseconds since 1970.
HAND = "hand"
#: Seconds that whoever decided waits for a server; what they decided holds in any case.
PATIENCE = 3.0
#: Seconds between further tries. After these, the next arrival is the occasion.
AGAIN = (1, 2, 4, 8, 16, 32)
#: Calls to a sfuserver at once.
_AT_ONCE = 16


@dataclass(frozen=True)
class Wanted:
    """What one participant should be; `present` False: they should not be there."""

    present: bool
    attributes: dict[str, str]
    permission: ParticipantPermission


class Alignment:
    """Brings rooms in line."""

    log = Logger()

    def __init__(self, database: Database, clock: IReactorTime, rooms: Rooms, errands: Errands) -> None:
        self._database = database
        self._clock = clock
        self._rooms = rooms
        self._errands = errands

    async def decided(self, meeting_id: str) -> None:
        """Something was decided and written down: do it now, or, if the server does not answer, as soon as it does."""
        now = Deferred.fromCoroutine(self.align(meeting_id))
        try:
            await now.addTimeout(PATIENCE, self._clock)
        except (Unreachable, TimeoutError):
            self._errands.run("bringing a room in line", partial(self._go_on, meeting_id))

    async def _go_on(self, meeting_id: str) -> None:
        for delay in AGAIN:
            await deferLater(self._clock, delay)
            try:
                await self.align(meeting_id)
                return
            except Unreachable as error:
                self.log.warn("room {room} is not in line: {error}", room=meeting_id, error=error.detail)

    async def align(
        self, meeting_id: str, arrived: Sequence[ParticipantInfo] | None = None, metadata: str | None = None
    ) -> None:
        """Bring a meeting's room in line now. `arrived`: only these, as they were reported; `metadata`: the room's.

        Raises Unreachable.
        """
        room = await self._rooms.open(meeting_id)
        if room is None:
            return
        there = await room.participants() if arrived is None else arrived
        now = utc_now(self._clock)
        read = await self._database.read(_read, meeting_id, [one.identity for one in there], now)
        if read is None:
            return
        of, told, wanted = read
        if of.state in (State.ENDED, State.CANCELLED):
            if there:
                await _unless_gone(room.close())
            return
        if told != metadata and there:
            await _unless_gone(room.set_metadata(told))
        await at_once([_settle(room, one, wanted[one.identity], now) for one in there if one.identity in wanted])

    async def look(self, meeting_id: str, who: ParticipantInfo, metadata: str) -> None:
        """At somebody whose arrival was reported. A server that cannot be reached reports again what it can."""
        try:
            await self.align(meeting_id, [who], metadata)
        except Unreachable as error:
            self.log.warn("room {room} is not in line: {error}", room=meeting_id, error=error.detail)


async def at_once(calls: Sequence[Coroutine[Deferred[Any], Any, None]]) -> None:
    """Await coroutines, some at a time, each to its end; then raise the first failure."""
    gate = DeferredSemaphore(_AT_ONCE)

    def begin(call: Coroutine[Deferred[Any], Any, None]) -> Deferred[None]:
        return Deferred.fromCoroutine(call)

    results = await DeferredList([gate.run(begin, call) for call in calls], consumeErrors=True)
    for succeeded, result in results:
        if not succeeded:
            assert isinstance(result, Failure)
            result.raiseException()


def metadata_of(of: Meeting, state: RoomState, ends_at: datetime | None) -> str:
    """What everybody in a room is told of it, as JSON in LiveKit's room metadata."""
    told = {
        "locked": state.locked,
        "lobby": of.options.lobby,
        "microphones_closed": state.microphones_closed,
        "presenters": of.options.presenters,
        "spotlight": state.spotlight,
        "ends_at": None if ends_at is None else ends_at.isoformat().replace("+00:00", "Z"),
    }
    return json.dumps(told, separators=(",", ":"), sort_keys=True)


def hand_value(raised_at: datetime | None) -> str:
    """The attribute's value; empty: the hand is down."""
    return "" if raised_at is None else str(round(raised_at.timestamp() * 1000))


def permission_of(may: frozenset[roles.Right]) -> ParticipantPermission:
    """What somebody may do, as LiveKit says it."""
    return ParseDict(roles.permission(may), ParticipantPermission())


def _read(
    transaction: Connection, meeting_id: str, identities: Sequence[str], now: datetime
) -> tuple[Meeting, str, dict[str, Wanted]] | None:
    of = queries.by_id(transaction, meeting_id, now)
    if of is None:
        return None
    state = places.room_of(transaction, meeting_id)
    subjects = {subject for subject in map(subject_of, identities) if subject}
    query = select(member).where(member.c.meeting_id == meeting_id, member.c.subject_id.in_(subjects))
    members = {row.subject_id: row for row in transaction.execute(query)} if subjects else {}
    are = places.roles_of(transaction, of, {id: row.source is not None for id, row in members.items()})
    settings = places.settings_of(of, state)
    wanted = {}
    for identity in identities:
        row = members.get(subject_of(identity))
        if row is None:
            continue  # came with a token made by somebody else who has the LiveKit key pair
        role = are[row.subject_id]
        may = roles.rights(role, settings)
        attributes = {"role": role.value, HAND: hand_value(row.hand_raised_at)}
        wanted[identity] = Wanted(row.removed_at is None, attributes, permission_of(may))
    return of, metadata_of(of, state, ends_at(transaction, of)), wanted


def ends_at(transaction: Connection, of: Meeting) -> datetime | None:
    """When a running meeting is ended by its maximum length."""
    longest = of.options.max_minutes
    since = transaction.execute(select(meeting.c.running_since).where(meeting.c.id == of.id)).scalar()
    return None if longest is None or since is None else since + timedelta(minutes=longest)


async def _settle(room: OpenRoom, one: ParticipantInfo, wanted: Wanted, now: datetime) -> None:
    """Make one participant what they should be, if they are not."""
    if not wanted.present:
        await _unless_gone(room.remove(one.identity, int(now.timestamp())))
        return
    new = {name: value for name, value in wanted.attributes.items() if one.attributes.get(name, "") != value}
    if new or not _alike(one.permission, wanted.permission):
        await _unless_gone(room.update(one.identity, new, wanted.permission))


def _alike(one: ParticipantPermission, other: ParticipantPermission) -> bool:
    fields = ("can_subscribe", "can_publish", "can_publish_data", "can_update_metadata")
    return all(getattr(one, name) == getattr(other, name) for name in fields) and set(one.can_publish_sources) == set(
        other.can_publish_sources
    )


async def _unless_gone(call: Awaitable[None]) -> None:
    try:
        await call
    except NotInTheRoom:
        pass
