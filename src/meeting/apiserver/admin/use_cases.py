"""What administrators do. Each change is written to the audit log in its own transaction."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import Connection
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts import administration as people
from meeting.apiserver.accounts.administration import Account
from meeting.apiserver.accounts.use_cases import Caller, Person, people_by_id
from meeting.apiserver.admin import personal
from meeting.apiserver.allocation import administration as servers
from meeting.apiserver.allocation.administration import Registered
from meeting.apiserver.audit import use_cases as log
from meeting.apiserver.audit.use_cases import Audit, Entry, Origin, Search, Written
from meeting.apiserver.database import Database
from meeting.apiserver.mail import administration as mails
from meeting.apiserver.mail.administration import Queued
from meeting.apiserver.meetings import administration as of_meetings
from meeting.apiserver.meetings import planned as plans
from meeting.apiserver.meetings.administration import Live, Usage
from meeting.apiserver.meetings.planned import Invitation, Planned, When
from meeting.apiserver.meetings.rules import Kind, State
from meeting.apiserver.meetings.scheduling import Scheduling
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.pages import MOST_OF_A_PAGE, Page, Slice
from meeting.apiserver.schema import utc_now
from meeting.apiserver.tokens.use_cases import revoke_all
from meeting.daemon.errors import BadRequest, Conflict

T = TypeVar("T")

#: Entries of the audit log in one file; who needs more asks for a shorter time.
MOST_IN_A_FILE = 50_000

_ID = re.compile(r"[0-9a-f]{32}")
_NOBODY = "0" * 32


@dataclass(frozen=True)
class Overview:
    """How the hub is."""

    people: int
    meetings: Sequence[Live]
    servers: Sequence[Registered]
    mails: Mapping[str, int]


@dataclass(frozen=True)
class Told:
    """An entry of the audit log with the names of people, as they are called now."""

    entry: Written
    actor: Person | None
    target: Person | None


class Administration:
    """The hub, for those who look after it."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        audit: Audit,
        meetings: Meetings,
        scheduling: Scheduling,
        wake_mail: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._meetings = meetings
        self._scheduling = scheduling
        self._wake_mail = wake_mail

    # -- looking ------------------------------------------------------------------------------------------------------

    async def overview(self) -> Overview:
        """People, live meetings, servers, mails."""
        return await self._database.read(_overview)

    async def people(self, text: str, *, administrators: bool, blocked: bool, page: Page) -> Slice[Account]:
        """Accounts, the newest first."""
        return await self._database.read(people.find, text, administrators=administrators, blocked=blocked, page=page)

    async def mails(self, state: str | None, page: Page) -> Slice[Queued]:
        """The queue, the newest first."""
        return await self._database.read(mails.listed, state, page)

    async def planned(self, text: str, when: When, page: Page) -> Slice[Planned]:
        """Scheduled meetings of everyone, as `meetings.planned` finds them."""
        return await self._database.read(plans.planned, text, when, utc_now(self._clock), page)

    async def invitations(self, meeting_id: str) -> list[Invitation]:
        """Who is invited to one. Raises NotFound."""
        return await self._database.read(plans.invitations, meeting_id)

    async def usage(self, year: int, month: int) -> Usage:
        """A month in numbers."""
        begin, end = of_meetings.month(year, month)
        return await self._database.read(of_meetings.usage, begin, end, utc_now(self._clock))

    async def audit(self, search: Search, page: Page) -> Slice[Told]:
        """Entries of the audit log, the newest first. `search.person`: an id or an address."""
        if search.person is not None and _ID.fullmatch(search.person) is None:
            # Half an address, as it is being typed, is nobody's.
            found = await self._database.read(people.id_of, search.person.strip().lower())
            search = replace(search, person=found or _NOBODY)
        found_entries = await self._audit.search(search, page)
        return Slice(await self._database.read(_named, found_entries.items), found_entries.cursor)

    async def audit_file(self, origin: Origin, search: Search) -> list[Told]:
        """The same for a file: the newest MOST_IN_A_FILE. That somebody has taken it is written down."""
        await self._audit.record(Entry("audit.export", origin))
        told: list[Told] = []
        page = Page(limit=200, cursor=None)
        while len(told) < MOST_IN_A_FILE:
            found = await self.audit(search, page)
            told += found.items
            if found.cursor is None:
                break
            page = Page(limit=200, cursor=found.cursor)
        return told

    # -- people -------------------------------------------------------------------------------------------------------

    async def set_administrator(self, origin: Origin, id: str, value: bool) -> Account:
        """Give or take an administrator's rights. Raises NotFound, Conflict, LastAdministrator."""
        now = utc_now(self._clock)
        return await self._for_person(
            "person.administrator",
            origin,
            id,
            lambda transaction: people.set_administrator(transaction, id, value, now),
            {"administrator": {"from": not value, "to": value}},
        )

    async def block(self, origin: Origin, id: str) -> Account:
        """End someone's sessions and tokens and let them sign in no more. Raises NotFound, IsAdministrator."""
        now = utc_now(self._clock)

        def block(transaction: Connection) -> bool:
            revoke_all(transaction, id)
            return people.block(transaction, id, now)

        return await self._for_person("person.block", origin, id, block)

    async def unblock(self, origin: Origin, id: str) -> Account:
        """Let someone sign in again. Raises NotFound, Conflict."""
        return await self._for_person("person.unblock", origin, id, lambda tx: people.unblock(tx, id))

    async def sign_out(self, origin: Origin, id: str) -> Account:
        """End all sessions of someone. Raises NotFound."""

        def end(transaction: Connection) -> bool:
            people.account(transaction, id)
            return people.end_sessions(transaction, id) > 0

        return await self._for_person("person.sign_out", origin, id, end)

    async def export(self, origin: Origin, id: str) -> dict[str, Any]:
        """All that is known of someone. Raises NotFound."""
        row = self._audit.entry(Entry("person.export", origin, target_id=id))

        def gather(transaction: Connection) -> dict[str, Any]:
            found = people.account(transaction, id)
            everything = personal.export(transaction, id, found.email)
            log.write(transaction, row)
            return everything

        return await self._database.run(gather)

    async def erase(self, origin: Origin, id: str, confirmation: str) -> Account:
        """Forget someone: their meetings to come are cancelled, what is theirs is removed, the record names nobody.

        `confirmation`: their address. Raises NotFound, BadRequest, IsAdministrator.
        """
        found = await self._database.read(people.account, id)
        if found.erased_at is not None:
            raise Conflict("This account is erased already.")
        if confirmation.strip().lower() != found.email:
            raise BadRequest("body.email: write the address of the account that is to be erased.")
        # From now on nothing new comes to be; who is blocked and not yet erased can be erased again.
        await self.block(origin, id)
        owner = Person(found.id, found.email, found.name, "UTC", "en")
        await self._end_meetings(owner)
        now = utc_now(self._clock)

        def forget(transaction: Connection) -> bool:
            personal.erase(transaction, id, found.email, now)
            return True

        return await self._for_person("person.erase", origin, id, forget)

    async def _end_meetings(self, owner: Person) -> None:
        """Cancel what somebody has scheduled, end what they have open."""
        page: Page | None = Page(limit=MOST_OF_A_PAGE, cursor=None)
        done: set[str] = set()
        while page is not None:
            found = await self._meetings.of_person(owner, page, past=False)
            # A series is in the list with each of its meetings.
            mine = [each for each in found.items if each.owner.id == owner.id and each.code not in done]
            for each in {each.code: each for each in mine}.values():
                done.add(each.code)
                if each.kind is Kind.SCHEDULED:
                    await self._scheduling.cancel(owner, each.code)
                elif each.state is State.RUNNING:
                    await self._meetings.end(Caller(person=owner), each.code)
            page = Page(limit=MOST_OF_A_PAGE, cursor=found.cursor) if found.cursor is not None else None

    # -- servers, mails -----------------------------------------------------------------------------------------------

    async def drain(self, origin: Origin, kind: str, address: str, value: bool) -> None:
        """Give a server no new meetings, or again some. Raises NotFound."""
        details = {"kind": kind, "drained": {"from": not value, "to": value}}
        row = self._audit.entry(Entry("server.drain", origin, target_text=address, details=details))

        def write(transaction: Connection) -> None:
            servers.drain(transaction, kind, address, value)
            log.write(transaction, row)

        await self._database.run(write)

    async def retry_mail(self, origin: Origin, id: str) -> None:
        """Send a mail now. Raises NotFound, Conflict."""
        row = self._audit.entry(Entry("mail.retry", origin, target_id=id))
        now = utc_now(self._clock)

        def write(transaction: Connection) -> None:
            mails.retry(transaction, id, now)
            log.write(transaction, row)

        await self._database.run(write)
        self._wake_mail()

    async def drop_mail(self, origin: Origin, id: str) -> None:
        """Take a mail out of the queue. Raises NotFound, Conflict."""
        row = self._audit.entry(Entry("mail.drop", origin, target_id=id))

        def write(transaction: Connection) -> None:
            mails.drop(transaction, id)
            log.write(transaction, row)

        await self._database.run(write)

    async def _for_person(
        self,
        word: str,
        origin: Origin,
        id: str,
        change: Callable[[Connection], bool],
        details: Mapping[str, Any] | None = None,
    ) -> Account:
        """Change something about a person; what changed nothing is not written down."""
        row = self._audit.entry(Entry(word, origin, target_id=id, details=details or {}))

        def write(transaction: Connection) -> Account:
            if change(transaction):
                log.write(transaction, row)
            return people.account(transaction, id)

        return await self._database.run(write)


def _overview(transaction: Connection) -> Overview:
    return Overview(
        people.count_people(transaction),
        of_meetings.live(transaction),
        servers.registered(transaction),
        mails.counts(transaction),
    )


def _named(transaction: Connection, entries: Sequence[Written]) -> list[Told]:
    ids = {id for entry in entries for id in (entry.actor.id, entry.target_id) if id is not None}
    found = people_by_id(transaction, ids)
    return [Told(entry, found.get(entry.actor.id or ""), found.get(entry.target_id or "")) for entry in entries]


__all__ = ["Administration", "Overview", "Told"]
