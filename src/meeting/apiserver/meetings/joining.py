"""Joining: who comes in as what, where the room is, and the access token for it (docs/protocols/tokens.md)."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import Connection, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.rules import Limit, clean_name
from meeting.apiserver.accounts.use_cases import Accounts, Caller, Guest, count
from meeting.apiserver.allocation.use_cases import Allocation
from meeting.apiserver.database import Database, insert_new
from meeting.apiserver.meetings import queries, rules
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.rules import Role, State
from meeting.apiserver.meetings.tables import meeting, member
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import Forbidden, NotFound, SignInNeeded, TooManyRequests
from meeting.daemon.secret import AccessClaims, Secret, mint_access_token

#: Guests let in, per source. An office comes from one address: this only stops a program that fills the table.
_GUESTS = Limit("guests from a source", 600, timedelta(minutes=10))


@dataclass(frozen=True)
class Ticket:
    """What someone needs to enter the room."""

    #: The sfuserver's signalling address, `wss://host:port`.
    url: str
    token: str
    identity: str
    name: str
    role: Role
    meeting: Meeting
    #: The session cookie of a guest who is let in for the first time.
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
        token_lifetime: timedelta = timedelta(hours=6),
    ) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret
        self._accounts = accounts
        self._allocation = allocation
        self._meetings = meetings
        self._token_lifetime = token_lifetime

    async def join(self, caller: Caller, code: str, device: str, name: str | None, source: str) -> Ticket:
        """Let the caller into the meeting with this code.

        A person comes as themselves; anyone else as a guest under `name`, where guests are allowed. Raises NotFound,
        SignInNeeded (with `guests_allowed`), MeetingOver, PleaseWait.
        """
        rules.check_device(device)
        found = await self._meetings.find(code, source)
        now = utc_now(self._clock)
        guest: Guest | None = None
        cookie: str | None = None
        if caller.person is not None:
            subject, shown = caller.person.id, caller.person.name
            role = Role.HOST if subject == found.owner.id else Role.PARTICIPANT
        else:
            role = Role.GUEST
            guest, cookie = self._as_guest(caller, found, name, now)
            subject, shown = guest.id, guest.name
        rules.check_may_join(found.kind, found.state, role)
        if guest is not None and cookie is not None:
            wait = await self._database.run(count, _GUESTS, source, now)
            if wait:
                raise TooManyRequests("Too many guests come from your network at once.", retry_after=wait)
        sfu, turn = await self._allocation.for_join(
            found.id,
            found.owner.email,
            found.begin_at,
            found.end_at,
            running=found.state is State.RUNNING,
            tell=rules.ROLES[role].owns or (caller.person is not None and caller.person.administrator),
        )

        def enter(transaction: Connection) -> Meeting:
            # It may have been cancelled while the allocateserver was asked.
            current = queries.by_id(transaction, found.id, now)
            if current is None:
                raise NotFound()
            rules.check_may_join(current.kind, current.state, role)
            if rules.ROLES[role].owns:
                # The owner of an instant meeting opens it again by coming in.
                transaction.execute(update(meeting).where(meeting.c.id == found.id).values(ended_at=None))
            if guest is not None and cookie is not None:
                self._accounts.admit_guest(transaction, guest, cookie, now)
            row = {"meeting_id": found.id, "subject_id": subject, "name": shown, "role": role, "first_joined_at": now}
            insert_new(transaction, member, [row])
            return queries.by_id(transaction, found.id, now) or current

        entered = await self._database.run(enter)
        identity = f"{subject}:{device}"
        claims = AccessClaims(
            identity=identity,
            name=shown,
            room=found.id,
            grants=rules.grants(role),
            attributes={"role": role.value, "subject": subject},
            turn=(turn,) if turn else (),
            code=found.code,
            not_before=int(now.timestamp()),
            expires_at=int((now + self._token_lifetime).timestamp()),
        )
        return Ticket(
            signalling_url(sfu.url), mint_access_token(self._secret, claims), identity, shown, role, entered, cookie
        )

    @staticmethod
    def _as_guest(caller: Caller, found: Meeting, name: str | None, now: datetime) -> tuple[Guest, str | None]:
        """The guest the caller is in this meeting, and the cookie if they come for the first time."""
        if not found.guests_allowed:
            raise SignInNeeded("Guests are not allowed in this meeting.", extra={"guests_allowed": False})
        if caller.guest is not None and caller.guest.meeting_id == found.id:
            return caller.guest, None
        if name is None:
            raise SignInNeeded("Sign in, or come as a guest with a name.", extra={"guests_allowed": True})
        return Guest(new_id(now), found.id, clean_name(name)), secrets.token_urlsafe(32)


def signalling_url(url: str) -> str:
    """The WebSocket address of a server's HTTP address."""
    parts = urlsplit(url)
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme)
    if scheme is None:
        raise Forbidden(f"The media server registered with a scheme nobody can join by: {parts.scheme}.")
    return urlunsplit((scheme, parts.netloc, parts.path, "", ""))
