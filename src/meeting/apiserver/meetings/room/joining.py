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
from meeting.apiserver.allocation.use_cases import Allocation, Given
from meeting.apiserver.database import Database, upsert
from meeting.apiserver.meetings import places, queries, roles, rules
from meeting.apiserver.meetings.house import House
from meeting.apiserver.meetings.places import Place
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.room import lobby
from meeting.apiserver.meetings.room.alignment import HAND, hand_value
from meeting.apiserver.meetings.room.lobby import Banned, Reason, Wait
from meeting.apiserver.meetings.rules import State
from meeting.apiserver.meetings.tables import meeting, member
from meeting.apiserver.meetings.use_cases import Meetings, missed
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
class _Asks:
    """Somebody at a link; with what a guest gets who comes for the first time."""

    caller: Caller
    code: str
    name: str | None
    source: str
    passcode: str | None
    guest_id: str
    cookie: str


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

    @property
    def administers(self) -> bool:
        """Whether they look after this server."""
        return self.caller.person is not None and self.caller.person.administrator


@dataclass(frozen=True)
class _Unserved:
    """Nobody is in the way, but servers have to be asked for first. `tell`: the visitor may know why there are none."""

    meeting: Meeting
    visitor: _Visitor
    tell: bool


@dataclass(frozen=True)
class _Entered:
    """Somebody has come in."""

    place: Place
    meeting: Meeting
    servers: Given
    cookie: str | None


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
        now = utc_now(self._clock)
        asks = _Asks(caller, code, name, source, passcode, new_id(now), secrets.token_urlsafe(32))
        answer = await self._database.run(self._let_in, asks, now)
        if isinstance(answer, _Unserved):
            found, visitor = answer.meeting, answer.visitor
            servers = await self._allocation.for_join(
                found.id,
                found.owner.email,
                found.begin_at,
                found.end_at,
                running=found.state is State.RUNNING,
                tell=answer.tell,
            )
            answer = await self._database.run(self._let_in_later, found.id, visitor, servers, now)
        if isinstance(answer, MeetingError):
            raise answer
        if isinstance(answer, AtTheDoor):
            return answer
        self._allocation.settled(answer.meeting.id, answer.servers)
        place, found = answer.place, answer.meeting
        identity = f"{place.subject_id}:{device}"
        claims = AccessClaims(
            identity=identity,
            name=place.name,
            room=found.id,
            grants=roles.grants(place.rights),
            attributes=attributes_of(place),
            turn=answer.servers.turn,
            code=found.code,
            not_before=int(now.timestamp()),
            expires_at=int((now + self._token_lifetime).timestamp()),
        )
        return Ticket(
            url=signalling_url(answer.servers.sfu.url),
            token=mint_access_token(self._secret, claims),
            identity=identity,
            name=place.name,
            role=place.role,
            rights=place.rights,
            meeting=found,
            cookie=answer.cookie,
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

    # -- within the transaction ---------------------------------------------------------------------------------------

    def _let_in(
        self, transaction: Connection, asks: _Asks, now: datetime
    ) -> _Entered | AtTheDoor | _Unserved | MeetingError:
        """Somebody comes in, in one transaction, or what keeps them out. What is counted stays counted: the refusals
        that count are given back, and raised when it is written down.
        """
        found = queries.behind_link(transaction, asks.code, now, bare=True) if rules.is_code(asks.code) else None
        if found is None:
            return missed(transaction, asks.source, now)
        visitor = self._visitor(asks, found)
        owns = visitor.caller.person is not None and visitor.caller.person.id == found.owner.id
        rules.check_may_join(found.kind, found.state, owns=owns)
        if visitor.cookie is not None:
            wait = count(transaction, _GUESTS, visitor.source, now)
            if wait:
                return TooManyRequests("Too many guests come from your network at once.", retry_after=wait)
        if visitor.passcode is not None and found.options.passcode:
            wrong = _count_if_wrong(transaction, found, visitor, now)
            if wrong is not None:
                return wrong
        place = self._at_the_door(transaction, found, visitor, now)
        if isinstance(place, AtTheDoor):
            return place
        servers = self._allocation.at_hand(
            transaction, found.id, found.begin_at, found.end_at, running=found.state is State.RUNNING, now=now
        )
        if servers is None:
            return _Unserved(found, visitor, tell=place.leads or visitor.administers)
        return self._enter(transaction, found, place, visitor, servers, now)

    def _let_in_later(
        self, transaction: Connection, meeting_id: str, visitor: _Visitor, servers: Given, now: datetime
    ) -> _Entered | AtTheDoor:
        """The same, once there are servers: it may have been cancelled, or locked, while they were asked for."""
        current = queries.by_id(transaction, meeting_id, now, bare=True)
        if current is None:
            raise NotFound()
        place = self._at_the_door(transaction, current, visitor, now)
        if isinstance(place, AtTheDoor):
            return place
        return self._enter(transaction, current, place, visitor, servers, now)

    def _visitor(self, asks: _Asks, found: Meeting) -> _Visitor:
        if asks.caller.person is not None:
            return _Visitor(asks.caller, None, asks.source, None, asks.passcode)
        if not self._house().guests:
            raise SignInNeeded("Guests are not allowed on this server.", extra={"guests_allowed": False})
        guest, cookie = _as_guest(asks, found)
        hidden = self.hidden(found.id, asks.source)
        return _Visitor(Caller(guest=guest), cookie, asks.source, hidden, asks.passcode)

    def hidden(self, meeting_id: str, source: str) -> bytes:
        """An address as it is stored: an HMAC of its own for each meeting. Of IPv6, a whole network of one customer."""
        try:
            address = ip_address(source.partition("%")[0])
            network = str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else source
        except ValueError:
            network = source  # a socket in the file system has none
        return hmac.digest(self._secret.key("guest-source"), f"{meeting_id}\0{network}".encode(), "sha256")

    def _at_the_door(self, transaction: Connection, of: Meeting, visitor: _Visitor, now: datetime) -> Place | AtTheDoor:
        """The visitor's place, or what somebody is told who has to wait. Raises MeetingOver, TurnedAway, Banned."""
        place, reason = _look(transaction, of, visitor, now)
        if reason is None:
            return place
        if visitor.caller.guest is not None and visitor.cookie is not None:
            self._accounts.admit_guest(transaction, visitor.caller.guest, visitor.cookie, now)
        return AtTheDoor(lobby.wait(transaction, of, place, reason, now), place.name, visitor.cookie)

    def _enter(
        self,
        transaction: Connection,
        of: Meeting,
        place: Place,
        visitor: _Visitor,
        servers: Given,
        now: datetime,
    ) -> _Entered:
        if place.role is Role.HOST and of.state is State.ENDED:
            # The owner of an instant meeting opens it again by coming in.
            transaction.execute(update(meeting).where(meeting.c.id == of.id).values(ended_at=None))
            of = queries.by_id(transaction, of.id, now, bare=True) or of
        if visitor.caller.guest is not None and visitor.cookie is not None:
            self._accounts.admit_guest(transaction, visitor.caller.guest, visitor.cookie, now)
        let_in = {"name": place.name, "role": place.role, "passes_until": now + lobby.PASS, "removed_at": None}
        let_in |= {"source": visitor.hidden_source}
        key = {"meeting_id": of.id, "subject_id": place.subject_id}
        upsert(transaction, member, {**key, **let_in, "first_joined_at": now}, let_in)
        lobby.leave(transaction, of.id, place.subject_id)
        if place.invited:
            of = queries.with_invitees(transaction, of, visitor.caller.person)
        return _Entered(place, of, servers, visitor.cookie)


def _count_if_wrong(transaction: Connection, of: Meeting, visitor: _Visitor, now: datetime) -> MeetingError | None:
    """The refusal of a wrong passcode, which is counted; over the limit the right one is refused too."""
    wrong = not hmac.compare_digest((of.options.passcode or "").encode(), (visitor.passcode or "").strip().encode())
    for limit, whom in ((_TRIES, visitor.source), (_TRIES_OF_MEETING, of.id)):
        seconds = count(transaction, limit, whom, now, int(wrong))
        if seconds:
            return TooManyRequests("Too many wrong passcodes. Wait to be let in.", retry_after=seconds)
    return WrongPasscode() if wrong else None


def _look(transaction: Connection, of: Meeting, visitor: _Visitor, now: datetime) -> tuple[Place, Reason | None]:
    """The visitor's place in the meeting, and why they have to wait, if they do.

    Raises MeetingOver, TurnedAway, Banned.
    """
    place, state = places.place_and_room(transaction, of, visitor.caller)
    assert place is not None, "a visitor is a person, or a guest of this meeting"
    rules.check_may_join(of.kind, of.state, owns=place.role is Role.HOST)
    if place.role is Role.HOST:
        return place, None
    if places.is_banned(transaction, of.id, {place.subject_id}, visitor.hidden_source):
        raise Banned()
    if lobby.answer_to(transaction, of.id, place.subject_id, now):
        return place, None
    reason = lobby.why_wait(
        place,
        state,
        lobby=of.options.lobby,
        passcode_missing=of.options.passcode is not None and visitor.passcode is None,
        now=now,
    )
    return place, reason


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


def _as_guest(asks: _Asks, found: Meeting) -> tuple[Guest, str | None]:
    """The guest the caller is in this meeting, and the cookie if they come for the first time."""
    if not found.guests_allowed:
        raise SignInNeeded("Guests are not allowed in this meeting.", extra={"guests_allowed": False})
    guest = asks.caller.guest
    if guest is not None and guest.meeting_id == found.id:
        return guest, None
    if asks.name is None:
        raise SignInNeeded("Sign in, or come as a guest with a name.", extra={"guests_allowed": True})
    return Guest(asks.guest_id, found.id, clean_name(asks.name)), asks.cookie
