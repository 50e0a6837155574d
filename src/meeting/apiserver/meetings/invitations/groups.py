"""Groups of addresses: somebody's own lists, by name, to be put among the invited of a meeting.

Who is in a group counts when the invitations go out: a later change of the group changes no meeting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.rules import clean_name, normal_email
from meeting.apiserver.accounts.use_cases import Person
from meeting.apiserver.database import Database, insert_if_absent, insert_new
from meeting.apiserver.meetings import rules
from meeting.apiserver.meetings.tables import contact, contact_group
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import BadRequest, Conflict, NotFound

#: Of one person.
MOST_GROUPS = 100


@dataclass(frozen=True)
class Group:
    """A list of addresses."""

    id: str
    name: str
    emails: tuple[str, ...]


class Groups:
    """The groups of people, each seen by its owner only."""

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock

    async def of(self, owner: Person) -> list[Group]:
        """All of somebody's, by name."""
        return await self._database.read(_groups, owner.id)

    async def make(self, owner: Person, name: str, emails: Sequence[str], group_id: str | None = None) -> Group:
        """A new group. One of theirs that is there under `group_id` was made by a call whose answer was lost.

        Raises BadRequest, Conflict for a name that is taken.
        """
        group = Group(group_id or new_id(utc_now(self._clock)), clean_name(name), _clean(emails))
        return await self._database.run(_make, owner, group)

    async def change(self, owner: Person, group_id: str, name: str | None, emails: Sequence[str] | None) -> Group:
        """Another name, other addresses. Raises NotFound, BadRequest, Conflict."""
        cleaned = None if emails is None else _clean(emails)
        return await self._database.run(_change, owner, group_id, name and clean_name(name), cleaned)

    async def remove(self, owner: Person, group_id: str) -> None:
        """Forget a group. Raises NotFound."""
        await self._database.run(_remove, owner, group_id)


def members(transaction: Connection, owner: Person, group_ids: Sequence[str]) -> list[str]:
    """The addresses in some groups of their owner, in order. Raises BadRequest where one is not theirs."""
    if not group_ids:
        return []
    found = {group.id: group for group in _groups(transaction, owner.id)}
    strange = [group_id for group_id in group_ids if group_id not in found]
    if strange:
        raise BadRequest(f"groups: there is no group {strange[0][:32]} of yours.")
    return [email for group_id in group_ids for email in found[group_id].emails]


def _groups(transaction: Connection, owner_id: str) -> list[Group]:
    groups = transaction.execute(
        select(contact_group).where(contact_group.c.owner_id == owner_id).order_by(contact_group.c.name)
    ).all()
    emails: dict[str, list[str]] = {}
    mine = select(contact_group.c.id).where(contact_group.c.owner_id == owner_id)
    rows = select(contact).where(contact.c.group_id.in_(mine)).order_by(contact.c.group_id, contact.c.position)
    for row in transaction.execute(rows):
        emails.setdefault(row.group_id, []).append(row.email)
    return [Group(row.id, row.name, tuple(emails.get(row.id, ()))) for row in groups]


def _one(transaction: Connection, owner: Person, group_id: str) -> Group:
    found = next((group for group in _groups(transaction, owner.id) if group.id == group_id), None)
    if found is None:
        raise NotFound("There is no such group.")
    return found


def _make(transaction: Connection, owner: Person, group: Group) -> Group:
    mine = select(func.count()).select_from(contact_group).where(contact_group.c.owner_id == owner.id)
    if transaction.execute(mine).scalar_one() >= MOST_GROUPS:
        raise BadRequest(f"At most {MOST_GROUPS} groups; remove one first.")
    if not insert_if_absent(transaction, contact_group, id=group.id, owner_id=owner.id, name=group.name):
        if any(each.id == group.id for each in _groups(transaction, owner.id)):
            return group  # done again after a commit whose answer was lost
        raise Conflict(f"There is a group {group.name!r} already.")
    _fill(transaction, group.id, group.emails)
    return group


def _change(
    transaction: Connection, owner: Person, group_id: str, name: str | None, emails: Sequence[str] | None
) -> Group:
    before = _one(transaction, owner, group_id)
    if name is not None and name != before.name:
        taken = select(contact_group.c.id).where(contact_group.c.owner_id == owner.id, contact_group.c.name == name)
        if transaction.execute(taken).first() is not None:
            raise Conflict(f"There is a group {name!r} already.")
        transaction.execute(update(contact_group).where(contact_group.c.id == group_id).values(name=name))
    if emails is not None:
        transaction.execute(delete(contact).where(contact.c.group_id == group_id))
        _fill(transaction, group_id, emails)
    return _one(transaction, owner, group_id)


def _remove(transaction: Connection, owner: Person, group_id: str) -> None:
    _one(transaction, owner, group_id)
    transaction.execute(delete(contact).where(contact.c.group_id == group_id))
    transaction.execute(delete(contact_group).where(contact_group.c.id == group_id))


def _fill(transaction: Connection, group_id: str, emails: Sequence[str]) -> None:
    rows = [{"group_id": group_id, "email": email, "position": place} for place, email in enumerate(emails)]
    insert_new(transaction, contact, rows)


def _clean(emails: Sequence[str]) -> tuple[str, ...]:
    once = tuple(dict.fromkeys(normal_email(text) for text in emails))
    if not once or len(once) > rules.MOST_INVITEES:
        raise BadRequest(f"A group has 1 to {rules.MOST_INVITEES} addresses.")
    return once
