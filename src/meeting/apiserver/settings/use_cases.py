"""The settings as every replica knows them: at most a few seconds old.

`current` asks no database: it is read at every sign-in and every page. The replica that changes something knows it at
once, the others within INTERVAL.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, select
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from meeting.apiserver.database import Database, insert_if_absent, insert_new
from meeting.apiserver.schema import utc_now
from meeting.apiserver.settings import rules
from meeting.apiserver.settings.rules import Values
from meeting.apiserver.settings.tables import brand_image, settings_version
from meeting.daemon.errors import BadRequest, Conflict, NotFound, TooLarge
from meeting.daemon.images import picture_in

__all__ = ["INTERVAL", "ChangedMeanwhile", "Image", "Locked", "Settings", "Values"]

#: Seconds between two looks for what another replica changed.
INTERVAL = 3.0

#: What else is written when settings change, in the same transaction: the values before and after.
Also = Callable[[Connection, Values, Values], None]


class Locked(Conflict):
    """A flag of the command line or the configuration file has decided this."""

    problem = "locked"
    title = "This is decided by a flag of the server."


class ChangedMeanwhile(Conflict):
    """The settings are not those that this change was made to."""

    problem = "changed-meanwhile"
    title = "Somebody else has changed the settings meanwhile."


@dataclass(frozen=True)
class Image:
    """A picture of the brand."""

    type: str
    data: bytes


class Settings:
    """What administrators have decided."""

    log = Logger()

    def __init__(self, database: Database, clock: IReactorTime, locked: Mapping[str, Any]) -> None:
        """`locked`: values that flags give; they hold whatever the database says."""
        self._database = database
        self._clock = clock
        self.locked = dict(locked)
        self.version = 0
        self.current = rules.overlaid(Values(), self.locked)

    async def load(self, database: Database) -> None:
        """Read them for the first time, before anything else is let in."""
        self._take(await database.transact(_newest))

    async def refresh(self) -> None:
        """Look for what another replica changed."""
        self._take(await self._database.read(_newest))

    async def change(self, changes: Mapping[str, Any], version: int, by: str | None, also: Also) -> Values:
        """Change what is named; the rest stays. `version`: the one that the change was made to.

        Raises BadRequest, Locked, ChangedMeanwhile.
        """
        for name in changes:
            if name in self.locked:
                raise Locked(f"{name} is given by a flag; take the flag away to decide it here.")
        now = utc_now(self._clock)
        taken = await self._database.run(_change, dict(changes), version, by, now, also)
        self._take(taken)
        return self.current

    async def set_logo(self, data: bytes, version: int, by: str | None, also: Also) -> Values:
        """Make a picture (PNG, JPEG or WebP) the logo. Raises BadRequest, TooLarge, ChangedMeanwhile."""
        if len(data) > rules.LOGO_SIZE:
            raise TooLarge(f"A logo has at most {rules.LOGO_SIZE // 1024} KiB.")
        picture = picture_in(data)
        if picture is None or picture.type not in rules.LOGO_TYPES:
            raise BadRequest("A logo is a picture in PNG, JPEG or WebP.")
        if max(picture.width, picture.height) > rules.LOGO_SIDE:
            raise TooLarge(f"A logo has at most {rules.LOGO_SIDE} points on each side.")
        digest = sha256(data)
        now = utc_now(self._clock)
        row = {"digest": digest.digest(), "type": picture.type, "data": data, "created_at": now}

        def with_image(transaction: Connection, before: Values, after: Values) -> None:
            insert_new(transaction, brand_image, [row])
            also(transaction, before, after)

        return await self.change({"logo": digest.hexdigest()}, version, by, with_image)

    async def image(self, digest: str) -> Image:
        """The picture with this SHA-256 (hex). Raises NotFound."""
        try:
            wanted = bytes.fromhex(digest)
        except ValueError:
            raise NotFound() from None
        found = await self._database.read(_image, wanted)
        if found is None:
            raise NotFound()
        return found

    def _take(self, newest: tuple[int, str]) -> None:
        version, document = newest
        if version > self.version:
            self.version = version
            self.current = rules.overlaid(_parsed(document), self.locked)


def _newest(transaction: Connection) -> tuple[int, str]:
    row = transaction.execute(
        select(settings_version.c.version, settings_version.c.document)
        .order_by(settings_version.c.version.desc())
        .limit(1)
    ).first()
    return (0, "{}") if row is None else (row.version, row.document)


def _change(
    transaction: Connection, changes: dict[str, Any], version: int, by: str | None, now: datetime, also: Also
) -> tuple[int, str]:
    newest, document = _newest(transaction)
    if newest != version:
        raise ChangedMeanwhile("Load them again, and make the change to those.", extra={"version": newest})
    before = _parsed(document)
    try:
        after = Values.model_validate({**before.model_dump(), **changes})
    except ValidationError as error:
        errors = [
            {
                "where": ".".join(map(str, ("body.values", *each["loc"]))),
                "what": each["msg"].removeprefix("Value error, "),
            }
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise BadRequest(f"{errors[0]['where']}: {errors[0]['what']}", extra={"errors": errors}) from None
    kept = json.dumps(after.model_dump(exclude_defaults=True), ensure_ascii=False)
    fresh = {"version": version + 1, "document": kept, "changed_at": now, "changed_by": by}
    if not insert_if_absent(transaction, settings_version, **fresh):
        raise ChangedMeanwhile("Load them again, and make the change to those.", extra={"version": version + 1})
    also(transaction, before, after)
    return version + 1, kept


def _parsed(document: str) -> Values:
    """The values of a document. What a newer or older version of this software wrote and this one does not know or
    take is left at its default: a replica that cannot read one setting must not stop for it.
    """
    given = json.loads(document)
    known = {name: value for name, value in given.items() if name in Values.model_fields}
    try:
        return Values.model_validate(known)
    except ValidationError as error:
        bad = {str(each["loc"][0]) for each in error.errors()}
        Settings.log.warn("settings that cannot be used: {names}", names=sorted(bad))
        return Values.model_validate({name: value for name, value in known.items() if name not in bad})


def _image(transaction: Connection, digest: bytes) -> Image | None:
    row = transaction.execute(select(brand_image).where(brand_image.c.digest == digest)).first()
    return None if row is None else Image(row.type, row.data)
