"""The files of a meeting: announced here, kept by an fsserver, found again by a link that lasts.

The whole way is docs/protocols/file-links.md.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from meeting.apiserver.accounts.use_cases import Caller
from meeting.apiserver.allocation.use_cases import Allocation
from meeting.apiserver.database import Database
from meeting.apiserver.meetings.use_cases import Meetings, Visit
from meeting.apiserver.minutes import rules
from meeting.apiserver.minutes.rules import FileLimits, Usage
from meeting.apiserver.minutes.tables import file
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.client import discard
from meeting.daemon.errors import Forbidden, NotFound
from meeting.daemon.secret import Secret, sign_file_link

#: How long a permit to upload, and a link to download, are good.
PERMIT_LIFETIME = timedelta(hours=1)
LINK_LIFETIME = timedelta(minutes=5)
#: Seconds that an fsserver has to remove one.
REMOVAL_TIMEOUT = 10.0


@dataclass(frozen=True)
class Permit:
    """A file that may be uploaded now."""

    id: str
    url: str
    expires_at: datetime

    @property
    def href(self) -> str:
        """The address that documents hold. It never changes."""
        return f"/files/{self.id}"


@dataclass(frozen=True)
class _Kept:
    meeting_id: str
    name: str
    address: str


class Files:
    """The files of all meetings."""

    log = Logger()

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        secret: Secret,
        allocation: Allocation,
        meetings: Meetings,
        limits: FileLimits,
        agent: IAgent,
    ) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret
        self._allocation = allocation
        self._meetings = meetings
        self._limits = limits
        self._agent = agent

    async def announce(self, visit: Visit, name: str, type: str, size: int, file_id: str | None = None) -> Permit:
        """Reserve a place for a file and permit its upload. One that is there under `file_id` is of a call whose answer
        was lost.

        Raises Forbidden, TooLarge, TooManyFiles; PleaseWait while there is no fsserver.
        """
        if not rules.may_write(visit.role, visit.rights, visit.meeting.state):
            raise Forbidden("The minutes of this meeting can only be read now.")
        name, type = rules.clean_file_name(name), rules.clean_type(type)
        rules.check_quota(size, Usage(0, 0), Usage(0, 0), self._limits)
        server = await self._allocation.file_server(visit.meeting.owner.email)
        now = utc_now(self._clock)
        id = file_id or new_id(now)
        row = {
            "id": id,
            "meeting_id": visit.meeting.id,
            "subject_id": visit.subject_id,
            "name": name,
            "type": type,
            "size": size,
            "address": server.address,
            "created_at": now,
        }
        address = await self._database.run(_reserve, row, self._limits)
        if address != server.address:
            server = await self._allocation.endpoint("fs", address)
        expires_at = now + PERMIT_LIFETIME
        return Permit(id, self._link(server.url, "PUT", id, visit.meeting.id, expires_at, size=size), expires_at)

    async def link(self, caller: Caller, id: str) -> str:
        """A short-lived address of the file, for whoever may see its meeting.

        Raises NotFound, SignInNeeded, Forbidden.
        """
        found = await self._database.read(_find, id) if rules.is_file_id(id) else None
        if found is None:
            raise NotFound("There is no file with this link.")
        await self._meetings.visit_by_id(caller, found.meeting_id)
        server = await self._allocation.endpoint("fs", found.address)
        expires_at = utc_now(self._clock) + LINK_LIFETIME
        return self._link(server.url, "GET", id, found.meeting_id, expires_at, name=found.name)

    async def remove(self, id: str, meeting_id: str, address: str) -> bool:
        """Have the fsserver forget the bytes of a file; says whether they are gone. The row stays."""
        server = await self._allocation.endpoint("fs", address)
        link = self._link(server.url, "DELETE", id, meeting_id, utc_now(self._clock) + LINK_LIFETIME)
        request = self._agent.request(b"DELETE", link.encode("ascii"))
        late = self._clock.callLater(REMOVAL_TIMEOUT, request.cancel)
        try:
            response = await request
        except Exception as error:  # whatever the network has in store
            self.log.warn("file {id} could not be removed: {error}", id=id, error=type(error).__name__)
            return False
        finally:
            if late.active():
                late.cancel()
        discard(response)
        if response.code not in (204, 404):
            self.log.warn("file {id} could not be removed: HTTP {status}", id=id, status=response.code)
        return bool(response.code in (204, 404))

    def _link(
        self,
        server: str,
        method: str,
        id: str,
        meeting_id: str,
        expires_at: datetime,
        *,
        size: int | None = None,
        name: str | None = None,
    ) -> str:
        path = f"/objects/{id}"
        expires = int(expires_at.timestamp())
        query = sign_file_link(self._secret, method, path, meeting_id, expires, size=size, name=name)
        return f"{server.rstrip('/')}{path}?{query}"


def _reserve(transaction: Connection, row: dict[str, Any], limits: FileLimits) -> str:
    """The address of the fsserver at which a place is reserved."""
    there = _find(transaction, row["id"])
    if there is not None:
        return there.address
    used = select(func.count(), func.coalesce(func.sum(file.c.size), 0)).where(file.c.meeting_id == row["meeting_id"])
    of_meeting = Usage(*map(int, transaction.execute(used).one()))
    of_person = Usage(*map(int, transaction.execute(used.where(file.c.subject_id == row["subject_id"])).one()))
    rules.check_quota(row["size"], of_person, of_meeting, limits)
    transaction.execute(file.insert().values(**row))
    return str(row["address"])


def _find(transaction: Connection, id: str) -> _Kept | None:
    row = transaction.execute(select(file.c.meeting_id, file.c.name, file.c.address).where(file.c.id == id)).first()
    return None if row is None else _Kept(row.meeting_id, row.name, row.address)
