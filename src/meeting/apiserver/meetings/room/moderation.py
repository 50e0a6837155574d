"""What those who lead a meeting do in it: each is checked, written down, and then done in the room.

Nothing here is done to a room first: what the database says holds when the room's server comes back, or is another one.
Only muting and asking leave no trace; they are done or refused.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from livekit.protocol.models import ParticipantInfo, ParticipantPermission, TrackSource
from sqlalchemy import Connection, delete, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.use_cases import Caller
from meeting.apiserver.database import Database, upsert
from meeting.apiserver.meetings import places, roles, rules
from meeting.apiserver.meetings.identities import subject_of
from meeting.apiserver.meetings.places import Place
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.room import lobby
from meeting.apiserver.meetings.room.alignment import HAND, Alignment, at_once, hand_value
from meeting.apiserver.meetings.room.lobby import Waiting
from meeting.apiserver.meetings.room.rooms import NotInTheRoom, OpenRoom, Rooms
from meeting.apiserver.meetings.rules import Presenters
from meeting.apiserver.meetings.tables import appointment, ban, meeting, member, room
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.pages import Order, Page, Slice
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import BadRequest, Forbidden, NotFound, SignInNeeded

_LATEST_BAN = Order(ban.c.banned_at, ban.c.subject_id, descending=True)

Medium = Literal["microphone", "camera", "screen"]

_SOURCES = {
    "microphone": {TrackSource.MICROPHONE},
    "camera": {TrackSource.CAMERA},
    "screen": {TrackSource.SCREEN_SHARE, TrackSource.SCREEN_SHARE_AUDIO},
}

#: The topic of what the hub asks of a participant, as JSON: {"ask": "microphone"}.
ASK = "meeting.ask"


@dataclass(frozen=True)
class Door:
    """What those who lead see of the door."""

    waiting: list[Waiting]
    locked: bool
    lobby: bool


@dataclass(frozen=True)
class RoomChanges:
    """What is changed of a room; None leaves a thing as it is. `spotlight`: an identity, or empty for nobody."""

    locked: bool | None = None
    lobby: bool | None = None
    microphones_closed: bool | None = None
    presenters: Presenters | None = None
    spotlight: str | None = None


@dataclass(frozen=True)
class Banned:
    """Somebody who does not come in again."""

    subject_id: str
    name: str
    banned_at: datetime


class Moderation:
    """Acts for callers on the rooms of meetings."""

    def __init__(
        self, database: Database, clock: IReactorTime, meetings: Meetings, rooms: Rooms, alignment: Alignment
    ) -> None:
        self._database = database
        self._clock = clock
        self._meetings = meetings
        self._rooms = rooms
        self._alignment = alignment

    # -- the door -----------------------------------------------------------------------------------------------------

    async def door(self, caller: Caller, code: str, source: str) -> Door:
        """Who waits. Raises Forbidden, as everything here does, for those whose right it is not."""
        of, _ = await self._may(caller, code, source, Right.ADMIT)

        def read(transaction: Connection, now: datetime) -> Door:
            waiting = lobby.waiting(transaction, of.id, now)
            locked = places.room_of(transaction, of.id).locked
            return Door(waiting, locked, of.options.lobby)

        return await self._database.read(read, utc_now(self._clock))

    async def answer(self, caller: Caller, code: str, source: str, ids: Sequence[str] | None, *, admit: bool) -> None:
        """Let in, or turn away, those with these ids; None: everybody who waits."""
        of, _ = await self._may(caller, code, source, Right.ADMIT)
        await self._database.run(lobby.answer, of.id, ids, admit=admit, now=utc_now(self._clock))

    # -- the room -----------------------------------------------------------------------------------------------------

    async def change(self, caller: Caller, code: str, source: str, changes: RoomChanges) -> None:
        """Lock, close microphones, put somebody in the spotlight."""
        needed = {
            Right.LOCK: (changes.locked, changes.lobby, changes.presenters),
            Right.MUTE: (changes.microphones_closed,),
            Right.SPOTLIGHT: (changes.spotlight,),
        }
        asked = [right for right, values in needed.items() if any(value is not None for value in values)]
        of, _ = await self._may(caller, code, source, *asked or (Right.LOCK,))
        await self._database.run(_change, of, changes)
        await self._alignment.decided(of.id)

    async def mute(self, caller: Caller, code: str, source: str, identity: str | None, medium: Medium) -> None:
        """Mute somebody's microphone, stop their camera or screen; None: everybody's but the caller's own."""
        of, place = await self._may(caller, code, source, Right.MUTE)
        opened = await self._room(of)
        if identity is not None:
            await _silence(opened, await opened.participant(identity), medium)
            return
        others = [one for one in await opened.participants() if subject_of(one.identity) != place.subject_id]
        await at_once([_unless_gone(opened, one, medium) for one in others])

    async def ask(self, caller: Caller, code: str, source: str, identity: str, medium: Medium) -> None:
        """Ask somebody to switch on their microphone or camera; they decide."""
        of, _ = await self._may(caller, code, source, Right.MUTE)
        opened = await self._room(of)
        await opened.participant(identity)
        await opened.send(json.dumps({"ask": medium}).encode(), ASK, [identity])

    # -- hands --------------------------------------------------------------------------------------------------------

    async def raise_hand(self, caller: Caller, code: str, source: str, device: str, raised: bool) -> None:
        """The caller's own hand; the order is that in which the hub took note."""
        of, place = await self._place(caller, code, source)
        if not place.joined:
            raise Forbidden("You are not in this meeting.")
        identity = f"{place.subject_id}:{rules.check_device(device)}"
        raised_at = await self._database.run(_raise, of.id, place.subject_id, raised, utc_now(self._clock))
        await (await self._room(of)).update(identity, {HAND: hand_value(raised_at)})

    async def lower_hands(self, caller: Caller, code: str, source: str, identity: str | None) -> None:
        """Somebody's hand, or everybody's."""
        of, _ = await self._may(caller, code, source, Right.MUTE)
        await self._database.run(_lower, of.id, None if identity is None else subject_of(identity))
        await self._alignment.decided(of.id)

    # -- people -------------------------------------------------------------------------------------------------------

    async def appoint(self, caller: Caller, code: str, source: str, subject_id: str, role: Role) -> None:
        """Make somebody co-host, presenter, or what they are by themselves again (`role` PARTICIPANT)."""
        of, place = await self._may(caller, code, source, Right.APPOINT)
        await self._database.run(_appoint, of, place, subject_id, role)
        await self._alignment.decided(of.id)

    async def remove(self, caller: Caller, code: str, source: str, subject_id: str, *, banned: bool) -> None:
        """Send somebody away from all their devices; `banned`: for good, else they may knock."""
        of, place = await self._may(caller, code, source, Right.REMOVE)
        above = place.role if Right.ADMIT in place.rights else Role.ADMINISTRATOR
        await self._database.run(_remove, of, above, subject_id, banned, utc_now(self._clock))
        await self._alignment.decided(of.id)

    async def bans(self, caller: Caller, code: str, source: str, page: Page) -> Slice[Banned]:
        """Who does not come in again, the latest first."""
        of, _ = await self._may(caller, code, source, Right.REMOVE)

        def read(transaction: Connection) -> Slice[Banned]:
            rows = transaction.execute(_LATEST_BAN.of_page(select(ban).where(ban.c.meeting_id == of.id), page)).all()
            return _LATEST_BAN.cut(rows, page).map(lambda row: Banned(row.subject_id, row.name, row.banned_at))

        return await self._database.read(read)

    async def unban(self, caller: Caller, code: str, source: str, subject_id: str) -> None:
        """They may knock again. Raises NotFound."""
        of, _ = await self._may(caller, code, source, Right.REMOVE)

        def write(transaction: Connection) -> int:
            mine = ban.c.meeting_id == of.id, ban.c.subject_id == subject_id
            return transaction.execute(delete(ban).where(*mine)).rowcount

        if not await self._database.run(write):
            raise NotFound("Nobody with this id is banned.")

    # -- who acts -----------------------------------------------------------------------------------------------------

    async def _may(self, caller: Caller, code: str, source: str, *needed: Right) -> tuple[Meeting, Place]:
        of, place = await self._place(caller, code, source)
        for right in needed:
            roles.check(place.rights, right)
        return of, place

    async def _place(self, caller: Caller, code: str, source: str) -> tuple[Meeting, Place]:
        of = await self._meetings.find(code, source)
        place = await self._database.read(places.place_of, of, caller)
        if place is None:
            raise Forbidden("You are a guest of another meeting.") if caller.guest else SignInNeeded()
        if place.removed and not (caller.person is not None and caller.person.administrator):
            raise Forbidden("You were sent away from this meeting.")
        return of, place

    async def _room(self, of: Meeting) -> OpenRoom:
        opened = await self._rooms.open(of.id)
        if opened is None:
            raise NotInTheRoom("Nobody is in this meeting.")
        return opened


async def _silence(opened: OpenRoom, one: ParticipantInfo, medium: Medium) -> None:
    """Mute the tracks of a medium. A screen is not muted but ends: what may not be published for a moment is over."""
    tracks = [track for track in one.tracks if track.source in _SOURCES[medium] and not track.muted]
    if medium != "screen":
        for track in tracks:
            await opened.mute(one.identity, track.sid)
    elif tracks:
        without = ParticipantPermission()
        without.CopyFrom(one.permission)
        kept = one.permission.can_publish_sources or [
            TrackSource.MICROPHONE,
            TrackSource.CAMERA,
            TrackSource.SCREEN_SHARE,
            TrackSource.SCREEN_SHARE_AUDIO,
        ]
        del without.can_publish_sources[:]
        without.can_publish_sources.extend(source for source in kept if source not in _SOURCES[medium])
        without.can_publish = bool(without.can_publish_sources)
        await opened.update(one.identity, {}, without)
        await opened.update(one.identity, {}, one.permission)


async def _unless_gone(opened: OpenRoom, one: ParticipantInfo, medium: Medium) -> None:
    try:
        await _silence(opened, one, medium)
    except NotInTheRoom:
        pass


def _change(transaction: Connection, of: Meeting, changes: RoomChanges) -> None:
    state = places.room_of(transaction, of.id)
    values = {
        "locked": state.locked if changes.locked is None else changes.locked,
        "microphones_closed": state.microphones_closed
        if changes.microphones_closed is None
        else changes.microphones_closed,
        "spotlight": state.spotlight if changes.spotlight is None else changes.spotlight or None,
    }
    upsert(transaction, room, {"meeting_id": of.id, **values}, values)
    options = {"lobby": changes.lobby, "presenters": changes.presenters}
    given = {name: value for name, value in options.items() if value is not None}
    if given:
        change = update(meeting).where(meeting.c.id == of.id)
        transaction.execute(change.values(**given, version=meeting.c.version + 1))


def _raise(transaction: Connection, meeting_id: str, subject_id: str, raised: bool, now: datetime) -> datetime | None:
    """When the hand that is up was raised: a second time changes nothing of its place in the order."""
    mine = member.c.meeting_id == meeting_id, member.c.subject_id == subject_id
    change = update(member).where(*mine)
    if raised:
        change = change.where(member.c.hand_raised_at.is_(None))
    transaction.execute(change.values(hand_raised_at=now if raised else None))
    found: datetime | None = transaction.execute(select(member.c.hand_raised_at).where(*mine)).scalar()
    return found


def _lower(transaction: Connection, meeting_id: str, subject_id: str | None) -> None:
    change = update(member).where(member.c.meeting_id == meeting_id, member.c.hand_raised_at.is_not(None))
    if subject_id is not None:
        change = change.where(member.c.subject_id == subject_id)
    transaction.execute(change.values(hand_raised_at=None))


def _member(transaction: Connection, of: Meeting, subject_id: str) -> tuple[Role, str, bytes | None]:
    """Somebody's role, name and source. Raises NotFound."""
    query = select(member).where(member.c.meeting_id == of.id, member.c.subject_id == subject_id)
    row = transaction.execute(query).first()
    if row is None:
        raise NotFound("Nobody with this id has been in this meeting.")
    role = places.roles_of(transaction, of, {subject_id: row.source is not None})[subject_id]
    return role, row.name, row.source


def _appoint(transaction: Connection, of: Meeting, by: Place, subject_id: str, role: Role) -> None:
    before, _, source = _member(transaction, of, subject_id)
    if role is Role.CO_HOST and source is not None:
        raise BadRequest("A guest cannot be co-host: nobody knows who they are. Ask them to sign in.")
    roles.check_above(by.role, before)
    if Role.CO_HOST in (role, before):
        roles.check(by.rights, Right.APPOINT_CO_HOSTS)
    key = {"meeting_id": of.id, "subject_id": subject_id}
    if role is Role.PARTICIPANT:
        theirs = appointment.c.meeting_id == of.id, appointment.c.subject_id == subject_id
        transaction.execute(delete(appointment).where(*theirs))
    else:
        upsert(transaction, appointment, {**key, "role": role}, {"role": role})


def _remove(transaction: Connection, of: Meeting, by: Role, subject_id: str, banned: bool, now: datetime) -> None:
    role, name, source = _member(transaction, of, subject_id)
    roles.check_above(by, role)
    theirs = member.c.meeting_id == of.id, member.c.subject_id == subject_id
    gone = {"removed_at": now, "passes_until": None, "hand_raised_at": None}
    transaction.execute(update(member).where(*theirs).values(**gone))
    if banned:
        entry = {"source": source, "name": name, "banned_at": now}
        upsert(transaction, ban, {"meeting_id": of.id, "subject_id": subject_id, **entry}, entry)
