"""Joining: who comes in as what, where the room is, and the access token for it (docs/protocols/tokens.md)."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import Connection, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.rules import Limit, clean_name
from meeting.apiserver.accounts.use_cases import Accounts, Caller, Guest, count
from meeting.apiserver.allocation.use_cases import Allocation
from meeting.apiserver.database import Database, upsert
from meeting.apiserver.meetings import lobby, places, queries, roles, rules
from meeting.apiserver.meetings.alignment import HAND, hand_value
from meeting.apiserver.meetings.house import House
from meeting.apiserver.meetings.lobby import Banned, Reason, Wait
from meeting.apiserver.meetings.places import Place
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.rules import State
from meeting.apiserver.meetings.tables import meeting, member
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import Forbidden, MeetingError, NotFound, SignInNeeded, TooManyRequests
from meeting.daemon.secret import AccessClaims, Secret, mint_access_token

#: Guests let in, per source. An office comes from one address: this only stops a program that fills the table.
_GUESTS = Limit("guests from a source", 600, timedelta(minutes=10))
#: Wrong passcodes, per source and for one meeting from everywhere: six digits last for years of guessing.
_TRIES = Limit("wrong passcodes from a source", 20, timedelta(minutes=10))
_TRIES_OF_MEETING = Limit("wrong passcodes of a meeting", 500, timedelta(hours=1))


class WrongPasscode(Forbidden):
    """The passcode is not the meeting's."""

    problem = "wrong-passcode"
    title = "This is not the passcode of the meeting."


@dataclass(frozen=True)
class Ticket:
    """What someone needs to enter the room."""

    #: The sfuserver's signalling address, `wss://host:port`.
    url: str
    token: str
    identity: str
    name: str
    role: Role
    rights: frozenset[Right]
    meeting: Meeting
    #: The session cookie of a guest who comes for the first time.
    cookie: str | None


@dataclass(frozen=True)
class AtTheDoor:
    """Somebody has to let them in first; ask again after `lobby.ASK_AGAIN` seconds."""

    wait: Wait
    name: str
    cookie: str | None


@dataclass(frozen=True)
class _Visitor:
    """Who wants to come in, and from where."""

    caller: Caller
    #: Set for a guest who comes for the first time.
    cookie: str | None
    source: str
    #: A guest's source, as its HMAC.
    hidden_source: bytes | None
    passcode: str | None


class Joining:
    """The door of every meeting."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        secret: Secret,
        accounts: Accounts,
        allocation: Allocation,
        meetings: Meetings,
        *,
        house: Callable[[], House],
        token_lifetime: timedelta = timedelta(hours=6),
    ) -> None:
        """`house`: what administrators have decided by now."""
        self._database = database
        self._clock = clock
        self._secret = secret
        self._accounts = accounts
        self._allocation = allocation
        self._meetings = meetings
        self._house = house
        self._token_lifetime = token_lifetime

    async def join(
        self, caller: Caller, code: str, device: str, name: str | None, source: str, passcode: str | None = None
    ) -> Ticket | AtTheDoor:
        """Let the caller into the meeting with this code, or have them wait before it.

        A person comes as themselves; anyone else as a guest under `name`, where guests are allowed. Raises NotFound,
        SignInNeeded (with `guests_allowed`), MeetingOver, PleaseWait, WrongPasscode, TurnedAway, Banned.
        """
        rules.check_device(device)
        found = await self._meetings.find(code, source)
        now = utc_now(self._clock)
        visitor = self._visitor(caller, found, name, source, passcode, now)
        owns = visitor.caller.person is not None and visitor.caller.person.id == found.owner.id
        rules.check_may_join(found.kind, found.state, owns=owns)
        if visitor.cookie is not None:
            wait = await self._database.run(count, _GUESTS, source, now)
            if wait:
                raise TooManyRequests("Too many guests come from your network at once.", retry_after=wait)
        if visitor.passcode is not None and found.options.passcode:
            wrong = await self._database.run(_count_if_wrong, found, visitor, now)
            if wrong is not None:
                raise wrong
        _, place, reason = await self._database.read(_look, found.id, visitor, now)
        if reason is not None:
            waits = await self._database.run(self._at_the_door, found.id, visitor, now)
            if waits is not None:
                return waits
        sfu, turn = await self._allocation.for_join(
            found.id,
            found.owner.email,
            found.begin_at,
            found.end_at,
            running=found.state is State.RUNNING,
            tell=place.leads or (caller.person is not None and caller.person.administrator),
        )
        entered = await self._database.run(self._enter, found.id, visitor, now)
        if isinstance(entered, AtTheDoor):
            return entered
        place, current = entered
        identity = f"{place.subject_id}:{device}"
        claims = AccessClaims(
            identity=identity,
            name=place.name,
            room=found.id,
            grants=roles.grants(place.rights),
            attributes=attributes_of(place),
            turn=(turn,) if turn else (),
            code=found.code,
            not_before=int(now.timestamp()),
            expires_at=int((now + self._token_lifetime).timestamp()),
        )
        return Ticket(
            url=signalling_url(sfu.url),
            token=mint_access_token(self._secret, claims),
            identity=identity,
            name=place.name,
            role=place.role,
            rights=place.rights,
            meeting=current,
            cookie=visitor.cookie,
        )

    async def stop_waiting(self, caller: Caller, code: str, source: str) -> None:
        """The waiting page goes away."""
        found = await self._meetings.find(code, source)
        subject = caller.person or caller.guest
        if subject is not None:
            await self._database.run(lobby.leave, found.id, subject.id)

    async def sweep(self) -> None:
        """Forget who waited and is gone."""
        await self._database.run(lobby.sweep, utc_now(self._clock))

    def _visitor(
        self, caller: Caller, found: Meeting, name: str | None, source: str, passcode: str | None, now: datetime
    ) -> _Visitor:
        if caller.person is not None:
            return _Visitor(caller, None, source, None, passcode)
        if not self._house().guests:
            raise SignInNeeded("Guests are not allowed on this server.", extra={"guests_allowed": False})
        guest, cookie = _as_guest(caller, found, name, now)
        return _Visitor(Caller(guest=guest), cookie, source, self.hidden(found.id, source), passcode)

    def hidden(self, meeting_id: str, source: str) -> bytes:
        """An address as it is stored: an HMAC of its own for each meeting. Of IPv6, a whole network of one customer."""
        try:
            address = ip_address(source.partition("%")[0])
            network = str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else source
        except ValueError:
            network = source  # a socket in the file system has none
        return hmac.digest(self._secret.key("guest-source"), f"{meeting_id}\0{network}".encode(), "sha256")

    def _at_the_door(
        self, transaction: Connection, meeting_id: str, visitor: _Visitor, now: datetime
    ) -> AtTheDoor | None:
        """What someone who has to wait is told; None: they come in."""
        _, place, reason = _look(transaction, meeting_id, visitor, now)
        if reason is None:
            return None
        current = queries.by_id(transaction, meeting_id, now)
        assert current is not None
        if visitor.caller.guest is not None and visitor.cookie is not None:
            self._accounts.admit_guest(transaction, visitor.caller.guest, visitor.cookie, now)
        return AtTheDoor(lobby.wait(transaction, current, place, reason, now), place.name, visitor.cookie)

    def _enter(
        self, transaction: Connection, meeting_id: str, visitor: _Visitor, now: datetime
    ) -> tuple[Place, Meeting] | AtTheDoor:
        # It may have been cancelled, or locked, while the allocateserver was asked.
        waits = self._at_the_door(transaction, meeting_id, visitor, now)
        if waits is not None:
            return waits
        current, place, _ = _look(transaction, meeting_id, visitor, now)
        if place.role is Role.HOST:
            # The owner of an instant meeting opens it again by coming in.
            transaction.execute(update(meeting).where(meeting.c.id == meeting_id).values(ended_at=None))
        if visitor.caller.guest is not None and visitor.cookie is not None:
            self._accounts.admit_guest(transaction, visitor.caller.guest, visitor.cookie, now)
        let_in = {"name": place.name, "role": place.role, "passes_until": now + lobby.PASS, "removed_at": None}
        let_in |= {"source": visitor.hidden_source}
        key = {"meeting_id": meeting_id, "subject_id": place.subject_id}
        upsert(transaction, member, {**key, **let_in, "first_joined_at": now}, let_in)
        lobby.leave(transaction, meeting_id, place.subject_id)
        return place, queries.by_id(transaction, meeting_id, now) or current


def _count_if_wrong(transaction: Connection, of: Meeting, visitor: _Visitor, now: datetime) -> MeetingError | None:
    """The refusal of a wrong passcode, which is counted; over the limit the right one is refused too."""
    wrong = not hmac.compare_digest((of.options.passcode or "").encode(), (visitor.passcode or "").strip().encode())
    for limit, whom in ((_TRIES, visitor.source), (_TRIES_OF_MEETING, of.id)):
        seconds = count(transaction, limit, whom, now, int(wrong))
        if seconds:
            return TooManyRequests("Too many wrong passcodes. Wait to be let in.", retry_after=seconds)
    return WrongPasscode() if wrong else None


def _look(
    transaction: Connection, meeting_id: str, visitor: _Visitor, now: datetime
) -> tuple[Meeting, Place, Reason | None]:
    """The meeting as it is now, the visitor's place, and why they have to wait, if they do.

    Raises MeetingOver, TurnedAway, Banned.
    """
    current = queries.by_id(transaction, meeting_id, now)
    if current is None:
        raise NotFound()
    state = places.room_of(transaction, meeting_id)
    place = places.place_of(transaction, current, visitor.caller, state)
    assert place is not None, "a visitor is a person, or a guest of this meeting"
    rules.check_may_join(current.kind, current.state, owns=place.role is Role.HOST)
    if place.role is Role.HOST:
        return current, place, None
    if places.is_banned(transaction, meeting_id, {place.subject_id}, visitor.hidden_source):
        raise Banned()
    if lobby.answer_to(transaction, meeting_id, place.subject_id, now):
        return current, place, None
    reason = lobby.why_wait(
        place,
        state,
        lobby=current.options.lobby,
        passcode_missing=current.options.passcode is not None and visitor.passcode is None,
        now=now,
    )
    return current, place, reason


def attributes_of(place: Place) -> dict[str, str]:
    """What a token says of somebody to all who are in the room."""
    attributes = {"role": place.role.value, "subject": place.subject_id}
    if place.hand_raised_at is not None:
        attributes[HAND] = hand_value(place.hand_raised_at)
    if place.picture is not None:
        attributes["picture"] = place.picture
    return attributes


def signalling_url(url: str) -> str:
    """The WebSocket address of a server's HTTP address."""
    parts = urlsplit(url)
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme)
    if scheme is None:
        raise Forbidden(f"The media server registered with a scheme nobody can join by: {parts.scheme}.")
    return urlunsplit((scheme, parts.netloc, parts.path, "", ""))


def _as_guest(caller: Caller, found: Meeting, name: str | None, now: datetime) -> tuple[Guest, str | None]:
    """The guest the caller is in this meeting, and the cookie if they come for the first time."""
    if not found.guests_allowed:
        raise SignInNeeded("Guests are not allowed in this meeting.", extra={"guests_allowed": False})
    if caller.guest is not None and caller.guest.meeting_id == found.id:
        return caller.guest, None
    if name is None:
        raise SignInNeeded("Sign in, or come as a guest with a name.", extra={"guests_allowed": True})
    return Guest(new_id(now), found.id, clean_name(name)), secrets.token_urlsafe(32)
