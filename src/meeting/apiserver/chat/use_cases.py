"""Keeping the chat of a meeting. It travels on the room's data channel; here it stays, each message once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.chat import rules
from meeting.apiserver.chat.tables import chat_message
from meeting.apiserver.database import Database, insert_if_absent
from meeting.apiserver.meetings.use_cases import Visit
from meeting.apiserver.pages import Order, Page, Slice
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import Conflict

_NEWEST = Order(chat_message.c.sent_at, chat_message.c.id, descending=True)


@dataclass(frozen=True)
class Message:
    """A message as it is kept."""

    id: str
    author_id: str
    author_name: str
    text: str
    sent_at: datetime


class Chat:
    """The chats of all meetings."""

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, visit: Visit, message_id: str, text: str) -> tuple[Message, bool]:
        """Keep a message under its client's id; also says whether it is new. The same again changes nothing.

        Raises Conflict when somebody else's message has this id.
        """
        message = Message(
            rules.check_id(message_id), visit.subject_id, visit.name, rules.clean_text(text), utc_now(self._clock)
        )
        kept, new = await self._database.run(_keep, visit.meeting.id, message)
        if kept.author_id != visit.subject_id:
            raise Conflict("Another message has this id.")
        return kept, new

    async def messages(self, visit: Visit, after: str | None, page: Page) -> Slice[Message]:
        """The newest messages, oldest first; pages that follow have older ones. `after`: only those after the message
        with this id.
        """
        after = None if after is None else rules.check_id(after)
        return await self._database.read(_list, visit.meeting.id, after, page)


def _message(row: Row[Any]) -> Message:
    return Message(row.id, row.author_id, row.author_name, row.text, row.sent_at)


def _keep(transaction: Connection, meeting_id: str, message: Message) -> tuple[Message, bool]:
    new = insert_if_absent(
        transaction,
        chat_message,
        meeting_id=meeting_id,
        id=message.id,
        author_id=message.author_id,
        author_name=message.author_name,
        text=message.text,
        sent_at=message.sent_at,
    )
    return _message(transaction.execute(_one(meeting_id, message.id)).one()), new


def _list(transaction: Connection, meeting_id: str, after: str | None, page: Page) -> Slice[Message]:
    query = select(chat_message).where(chat_message.c.meeting_id == meeting_id)
    if after is not None:
        last = transaction.execute(_one(meeting_id, after)).first()
        if last is not None:  # an id that is unknown: all of it
            later = and_(chat_message.c.sent_at == last.sent_at, chat_message.c.id > last.id)
            query = query.where(or_(chat_message.c.sent_at > last.sent_at, later))
    found = _NEWEST.cut(transaction.execute(_NEWEST.of_page(query, page)).all(), page)
    return Slice([_message(row) for row in reversed(found.items)], found.cursor)


def _one(meeting_id: str, message_id: str) -> Any:
    return select(chat_message).where(chat_message.c.meeting_id == meeting_id, chat_message.c.id == message_id)
