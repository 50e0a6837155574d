"""Opening, finding and ending meetings, and whether someone may see one.

What has a time: `scheduling.py`. Who joins: `joining.py`. Who is there: `presence.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.rules import Limit
from meeting.apiserver.accounts.use_cases import Caller, Guest, Person, count
from meeting.apiserver.allocation.use_cases import Reservations
from meeting.apiserver.database import Database, Stale, insert_if_absent
from meeting.apiserver.leases import Leases
from meeting.apiserver.meetings import listing, places, queries, roles, rules, writes
from meeting.apiserver.meetings.house import House
from meeting.apiserver.meetings.news import Event, News
from meeting.apiserver.meetings.queries import Also, Meeting
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.rules import Kind, MeetingOver, Options, State
from meeting.apiserver.meetings.tables import knock, meeting, member, room
from meeting.apiserver.pages import Page, Slice
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import Forbidden, MeetingError, NotFound, SignInNeeded, TooManyRequests

__all__ = ["Meeting", "Meetings", "Visit"]

#: Codes that lead nowhere, per source: what stops looking for meetings by guessing.
_MISSES = Limit("codes of meetings that are none", 60, timedelta(minutes=10))


@dataclass(frozen=True)
class Visit:
    """A caller who belongs to a meeting: the meeting, and as whom they act there."""

    meeting: Meeting
    subject_id: str
    name: str
    role: Role
    rights: frozenset[Right]


class Meetings:
    """The meetings of the hub."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        *,
        public_url: str,
        reservations: Reservations,
        asked: Callable[[], None],
        close_room: Callable[[Meeting], None],
        house: Callable[[], House],
        news: News,
        leases: Leases,
    ) -> None:
        """`reservations` are told which servers are needed when, and `asked` sees to them; `close_room` sends everyone
        out of a room: both go on by themselves. `house`: what administrators have decided by now.
        """
        self._database = database
        self._clock = clock
        self._public_url = public_url
        self._reservations = reservations
        self._asked = asked
        self._close_room = close_room
        self._house = house
        self._news = news
        self._leases = leases

    def link(self, of: Meeting) -> str:
        """What an owner sends around: the address of the meeting's page."""
        return f"{self._public_url}/m/{of.code}"

    # -- making -----------------------------------------------------------------------------------------------------

    async def open_instant(self, owner: Person, also: Also | None = None) -> tuple[Meeting, bool]:
        """The owner's instant meeting, and whether it was made now. There is one per owner; its code stays.

        `also`: what is written with it. Raises Forbidden.
        """
        now = utc_now(self._clock)
        house = self._house()
        house.check_may_create(owner)
        title = f"{owner.name}'s meeting"[: rules.TITLE_LENGTH]
        options = house.bounded(Options(**house.usual({})))
        fresh = writes.fresh_row(new_id(now), Kind.INSTANT, owner, title, owner.zone, options, now)
        opened = await self._database.run(_open_instant, owner, fresh, self._reservations, self._news, also, now)
        self._asked()
        return opened

    async def end(self, caller: Caller, code: str) -> None:
        """End a meeting for all who are in it. Raises SignInNeeded, Forbidden, NotFound, MeetingOver."""
        self._close_room(await self._database.run(_end, caller, code, self._news, utc_now(self._clock)))

    async def over(self, ids: Sequence[str]) -> list[str]:
        """Those of these meetings that have ended or were cancelled."""
        return await self._database.read(queries.over, ids, utc_now(self._clock))

    async def end_overlong(self) -> None:
        """End the meetings that have lasted as long as they may; everybody was warned (`alignment.metadata_of`). One
        replica does, once there are any.
        """
        if await self._database.read(_due, utc_now(self._clock)):
            await self._leases.do("lengths", self._end_overlong)

    async def _end_overlong(self) -> None:
        for over in await self._database.run(_overlong, self._news, utc_now(self._clock)):
            self._close_room(over)

    # -- finding ----------------------------------------------------------------------------------------------------

    async def of_person(self, who: Person, page: Page, *, past: bool) -> Slice[Meeting]:
        """A page of the meetings of someone, to come or past; of series each occurrence."""
        return await self._database.read(listing.of_person, who, past, page, utc_now(self._clock))

    async def find(self, code: str, source: str) -> Meeting:
        """The meeting with this code, for whoever has the link.

        Raises NotFound; TooManyRequests for a source that guesses.
        """
        now = utc_now(self._clock)
        found = await self._database.read(queries.behind_link, code, now) if rules.is_code(code) else None
        if found is None:
            raise await self._database.run(missed, source, now)
        return found

    async def is_insider(self, caller: Caller, of: Meeting) -> bool:
        """Whether the caller owns the meeting, is invited or has joined: sees all of it."""
        return caller.person is not None and (
            caller.person.id == of.owner.id or await self._database.read(queries.is_insider, of.id, caller.person)
        )

    async def meets(self, guest: Guest, person_id: str) -> bool:
        """Whether a person owns the meeting a guest is in, or has joined it."""
        return await self._database.read(queries.meets, guest.meeting_id, person_id)

    async def instant_code(self, owner: Person) -> str:
        """The code of the owner's instant meeting, which is made if there is none."""
        return (await self.open_instant(owner))[0].code

    async def visit(self, caller: Caller, code: str, source: str) -> Visit:
        """The caller's place in a meeting, for what stands beside the call: chat, minutes, files.

        A person who owns it, is invited or has joined; a guest of this very meeting. Raises SignInNeeded, Forbidden,
        NotFound.
        """
        found = await self.find(code, source)
        return await self._visit(caller, found)

    async def visit_by_id(self, caller: Caller, meeting_id: str) -> Visit:
        """The same by the meeting's id."""
        found = await self._database.read(queries.by_id, meeting_id, utc_now(self._clock))
        if found is None:
            raise NotFound()
        return await self._visit(caller, found)

    async def _visit(self, caller: Caller, found: Meeting) -> Visit:
        place = await self._database.read(places.place_of, found, caller)
        if place is None:
            raise Forbidden("You are a guest of another meeting.") if caller.guest else SignInNeeded()
        if place.removed:
            raise Forbidden("You were sent away from this meeting.")
        if not place.joined and place.role is Role.GUEST:
            raise Forbidden("You have not been let into this meeting.")
        if not (place.joined or place.invited):
            raise Forbidden("You are not invited to this meeting and have not joined it.")
        return Visit(found, place.subject_id, place.name, place.role, place.rights)


def missed(transaction: Connection, source: str, now: datetime) -> MeetingError:
    """What a source hears whose link leads nowhere, which is counted: to be raised once that is written down."""
    wait = count(transaction, _MISSES, source, now)
    if wait:
        return TooManyRequests("Too many links that lead nowhere.", retry_after=wait)
    return NotFound("There is no meeting with this link.")


def _open_instant(
    transaction: Connection,
    owner: Person,
    fresh: dict[str, Any],
    reservations: Reservations,
    news: News,
    also: Also | None,
    now: datetime,
) -> tuple[Meeting, bool]:
    made = False
    found = queries.instant_of(transaction, owner.id, now)
    if found is None:
        # Of two at once (a double click, two replicas) one finds the owner's key taken.
        made = insert_if_absent(transaction, meeting, **fresh)
        found = queries.instant_of(transaction, owner.id, now)
    if found is None:
        raise Stale("the other's meeting is not visible yet")
    reservations.want(transaction, found.id, owner.email, None, None, now)
    if made:
        news.of_meeting(transaction, Event.MEETING_CREATED, found, now)
    if also is not None:
        also(transaction, found)
    return found, made


_BOUNDED = select(meeting.c.id, meeting.c.running_since, meeting.c.max_minutes).where(
    meeting.c.running_since.is_not(None), meeting.c.max_minutes.is_not(None)
)


def _due(transaction: Connection, now: datetime) -> list[str]:
    """The meetings that have lasted as long as they may."""
    running = transaction.execute(_BOUNDED)
    return [row.id for row in running if row.running_since + timedelta(minutes=row.max_minutes) <= now]


def _overlong(transaction: Connection, news: News, now: datetime) -> list[Meeting]:
    """End the meetings that have lasted as long as they may; those it ended."""
    ended = []
    for meeting_id in _due(transaction, now):  # few: what came due since the last round
        found = queries.by_id(transaction, meeting_id, now)
        if found is not None and found.state is State.RUNNING:
            _finish(transaction, found, news, now)
            ended.append(found)
    return ended


def _end(transaction: Connection, caller: Caller, code: str, news: News, now: datetime) -> Meeting:
    before = queries.by_code(transaction, code, now)
    if before is None:
        raise NotFound("There is no meeting with this link.")
    place = places.place_of(transaction, before, caller)
    if place is None:
        raise SignInNeeded()
    roles.check(place.rights, Right.END)
    if before.state is State.CANCELLED:
        raise MeetingOver("It was cancelled.")
    if before.state is not State.ENDED:
        _finish(transaction, before, news, now)
    return before


def _finish(transaction: Connection, before: Meeting, news: News, now: datetime) -> None:
    """A meeting is over: nobody is in it, nobody comes back without knocking, and the next one begins afresh."""
    # A series that is left before its next meeting has begun (somebody has tried things) is not over for today.
    early = before.series is not None and before.begin_at is not None and now < before.begin_at
    writes.write(transaction, before, ended_at=None if early else now, running_since=None)
    writes.everyone_leaves(transaction, before.id, now)
    transaction.execute(
        update(member).where(member.c.meeting_id == before.id).values(passes_until=None, hand_raised_at=None)
    )
    for table in (room, knock):
        transaction.execute(delete(table).where(table.c.meeting_id == before.id))
    if before.state is State.RUNNING:
        news.of_meeting(transaction, Event.MEETING_ENDED, before, now)
