"""/api/v1/meetings/<code>/chat."""

from datetime import datetime

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.callers import Callers
from meeting.apiserver.chat.rules import LONGEST_TEXT
from meeting.apiserver.chat.use_cases import Chat, Message
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.pages import Listed, Page, next_link
from meeting.daemon.errors import Conflict, Forbidden, NotFound, SignInNeeded
from meeting.daemon.web import Api, Call, Reply, Who


class ChatRequest(BaseModel):
    """A message to keep."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$", description="made by the client; the same goes over the data channel")
    text: str = Field(max_length=LONGEST_TEXT + 1000)


class AuthorAnswer(BaseModel):
    """Who wrote it."""

    id: str
    name: str


class ChatMessage(BaseModel):
    """A message of the chat."""

    id: str
    author: AuthorAnswer
    text: str
    sent_at: datetime


class ChatList(Listed):
    """The newest messages, oldest first; `next` leads to older ones."""

    messages: list[ChatMessage]


class After(Page):
    """From where on, and which page."""

    after: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="the id of the last message one has")


def add_routes(api: Api, chat: Chat, meetings: Meetings, callers: Callers) -> None:
    """Declare the routes of the chat."""
    tags = ("chat",)
    errors = (SignInNeeded, Forbidden, NotFound)

    def answer(message: Message) -> ChatMessage:
        author = AuthorAnswer(id=message.author_id, name=message.author_name)
        return ChatMessage(id=message.id, author=author, text=message.text, sent_at=message.sent_at)

    @api.route(
        "GET",
        "/api/v1/meetings/<code>/chat",
        callers=Who.INSIDER,
        scope="chat:read",
        query=After,
        answer=ChatList,
        summary="The chat of a meeting.",
        errors=errors,
        tags=tags,
    )
    async def list_chat(call: Call, query: After, code: str) -> ChatList:
        visit = await meetings.visit(await callers.caller(call), code, call.client_address)
        found = await chat.messages(visit, query.after, query)
        return ChatList(messages=[answer(message) for message in found.items], next=next_link(call, found))

    @api.route(
        "POST",
        "/api/v1/meetings/<code>/chat",
        callers=Who.INSIDER,
        scope="chat:write",
        idempotent=True,
        body=ChatRequest,
        answer=ChatMessage,
        status=201,
        also=(200,),
        summary="Keep a message; the same id again changes nothing (200).",
        errors=(*errors, Conflict),
        tags=tags,
    )
    async def keep_message(call: Call, body: ChatRequest, code: str) -> Reply:
        visit = await meetings.visit(await callers.caller(call), code, call.client_address)
        message, new = await chat.keep(visit, body.id, body.text)
        return Reply(201 if new else 200, answer(message))
