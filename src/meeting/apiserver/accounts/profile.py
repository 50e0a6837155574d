"""What people say of themselves: name, zone, language, picture, and the personal link to their meeting."""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import IntegrityError
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts import rules
from meeting.apiserver.accounts.people import Person, person_of
from meeting.apiserver.accounts.tables import person, person_picture
from meeting.apiserver.accounts.use_cases import count
from meeting.apiserver.database import Database, upsert
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import Conflict, MeetingError, NotFound, TooLarge, TooManyRequests
from meeting.daemon.images import HEAD_SIZE, picture_in


class HandleTaken(Conflict):
    """Somebody else has this personal link."""

    problem = "handle-taken"
    title = "Somebody else has this link. Choose another one."


class NoPicture(MeetingError):
    """The bytes are no picture of a kind that every browser shows."""

    status = 415
    problem = "no-picture"
    title = "This is no picture that can be shown here."


@dataclass(frozen=True)
class Picture:
    """A picture as it was put there."""

    type: str
    data: bytes
    version: str


class Profiles:
    """What people say of themselves."""

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock

    async def change(
        self, who: Person, *, name: str | None, zone: str | None, language: str | None, handle: str | None
    ) -> Person:
        """The person, with what was given changed; an empty `handle` gives the link up. Raises HandleTaken."""
        changes = {
            "name": None if name is None else rules.clean_name(name),
            "zone": None if zone is None else rules.known_zone(zone),
            "language": language,
        }
        given: dict[str, str | None] = {key: value for key, value in changes.items() if value is not None}
        if handle is not None:
            given["handle"] = rules.clean_handle(handle) if handle.strip() else None
        try:
            return await self._database.run(_change, who.id, given)
        except IntegrityError:
            raise HandleTaken() from None

    async def by_handle(self, handle: str, source: str) -> Person:
        """Whose personal link ends with `handle`. Raises NotFound; TooManyRequests for a source that guesses."""

        found = await self._database.read(_by_handle, handle.lower())
        if found is None:
            now = utc_now(self._clock)
            wait = await self._database.run(count, rules.HANDLES_PER_SOURCE, source, now)
            if wait:
                raise TooManyRequests("Too many links that lead nowhere were tried.", retry_after=wait)
            raise NotFound("Nobody here has this link.")
        return found

    async def put_picture(self, who: Person, data: bytes) -> Person:
        """The person, with this picture. Raises TooLarge, NoPicture."""
        if len(data) > rules.PICTURE_SIZE:
            raise TooLarge(f"A picture has at most {rules.PICTURE_SIZE >> 10} KB.")
        found = picture_in(data[:HEAD_SIZE])
        if found is None or found.type not in rules.PICTURE_TYPES:
            raise NoPicture("Send a PNG, a JPEG or a WebP.")
        if max(found.width, found.height) > rules.PICTURE_SIDE:
            raise TooLarge(f"A picture has at most {rules.PICTURE_SIDE} points on each side.")
        version = sha256(data).hexdigest()[:16]
        return await self._database.run(_put_picture, who.id, found.type, data, version)

    async def delete_picture(self, who: Person) -> Person:
        """The person, without a picture."""
        return await self._database.run(_delete_picture, who.id)

    async def picture(self, person_id: str) -> Picture:
        """Somebody's picture. Raises NotFound."""
        if not rules.is_id(person_id):
            raise NotFound()
        found = await self._database.read(_picture, person_id)
        if found is None:
            raise NotFound()
        return found


def _change(transaction: Connection, person_id: str, given: dict[str, str | None]) -> Person:
    if given:
        transaction.execute(update(person).where(person.c.id == person_id).values(**given))
    return person_of(transaction.execute(select(person).where(person.c.id == person_id)).one())


def _by_handle(transaction: Connection, handle: str) -> Person | None:
    row = transaction.execute(select(person).where(person.c.handle == handle)).first()
    return None if row is None else person_of(row)


def _put_picture(transaction: Connection, person_id: str, type: str, data: bytes, version: str) -> Person:
    values = {"type": type, "data": data}
    upsert(transaction, person_picture, {"person_id": person_id, **values}, values)
    return _change(transaction, person_id, {"picture": version})


def _delete_picture(transaction: Connection, person_id: str) -> Person:
    transaction.execute(delete(person_picture).where(person_picture.c.person_id == person_id))
    return _change(transaction, person_id, {"picture": None})


def _picture(transaction: Connection, person_id: str) -> Picture | None:
    query = (
        select(person.c.picture, person_picture.c.type, person_picture.c.data)
        .join_from(person, person_picture, person_picture.c.person_id == person.c.id)
        .where(person.c.id == person_id)
    )
    row = transaction.execute(query).first()
    return None if row is None else Picture(row.type, row.data, row.picture or "")
