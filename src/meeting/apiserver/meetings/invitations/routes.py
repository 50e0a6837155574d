"""Groups of addresses, replies to invitations, calendars to subscribe to, and reminders."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from meeting.apiserver.accounts.callers import Callers
from meeting.apiserver.meetings import rules
from meeting.apiserver.meetings.answers import MeetingAnswer, ReplyAnswer, answer_of
from meeting.apiserver.meetings.invitations.feed import Feeds
from meeting.apiserver.meetings.invitations.groups import MOST_GROUPS, Group, Groups
from meeting.apiserver.meetings.invitations.reminders import Reminders
from meeting.apiserver.meetings.invitations.replies import Asked, BadReplyLink, Replies
from meeting.apiserver.meetings.rules import MeetingOver
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.models import Answer, UtcMoment
from meeting.apiserver.schema import EMAIL_LENGTH
from meeting.daemon.errors import Conflict, Forbidden, NotFound, SignInNeeded, TooManyRequests
from meeting.daemon.web import Api, Call, Reply, Who

Emails = Annotated[
    list[Annotated[str, Field(max_length=EMAIL_LENGTH + 10)]], Field(min_length=1, max_length=rules.MOST_INVITEES)
]
GroupName = Annotated[str, Field(max_length=200)]


class GroupRequest(BaseModel):
    """A list of addresses to be kept."""

    name: GroupName
    emails: Emails


class GroupChanges(BaseModel):
    """What changes of a group; what is missing stays."""

    name: GroupName | None = None
    emails: Emails | None = None


class GroupAnswer(Answer):
    """A list of addresses."""

    id: str
    name: str
    emails: list[str]


class GroupList(BaseModel):
    """One's groups, by name."""

    groups: list[GroupAnswer] = Field(max_length=MOST_GROUPS)


class ReplyLook(BaseModel):
    """The part of a link after the #."""

    token: str = Field(max_length=600)


class ReplyByLink(ReplyLook):
    """An answer by link."""

    answer: Literal["accepted", "tentative", "declined"]


class ReplyRequest(BaseModel):
    """An answer."""

    answer: Literal["accepted", "tentative", "declined"]
    occurrence: UtcMoment | None = Field(None, description="of a series: to this one alone")


class CalendarAnswer(BaseModel):
    """What one has chosen for one's calendar."""

    reminder_minutes: int | None = Field(description="null: no reminders")
    feed: str | None = Field(description="the address to subscribe to, a secret; null: there is none")


class CalendarChanges(BaseModel):
    """Whether and when one is reminded."""

    reminder_minutes: Literal[5, 10, 15, 30, 60] | None


class FeedKey(BaseModel):
    """Which calendar."""

    key: str = Field(max_length=100)


def add_routes(
    api: Api,
    meetings: Meetings,
    groups: Groups,
    replies: Replies,
    feeds: Feeds,
    reminders: Reminders,
    callers: Callers,
) -> None:
    """Declare the routes of what stands around a calendar."""
    _add_groups(api, groups, callers)
    _add_replies(api, meetings, replies, callers)
    _add_calendar(api, feeds, reminders, callers)


def _add_groups(api: Api, groups: Groups, callers: Callers) -> None:
    tags = ("groups",)

    def answer(group: Group) -> GroupAnswer:
        return GroupAnswer(id=group.id, name=group.name, emails=list(group.emails))

    @api.route(
        "GET",
        "/api/v1/groups",
        callers=Who.PERSON,
        scope="meetings:read",
        answer=GroupList,
        summary="One's groups of addresses; at most a hundred.",
        errors=(SignInNeeded,),
        tags=tags,
    )
    async def list_groups(call: Call) -> GroupList:
        return GroupList(groups=[answer(each) for each in await groups.of(await callers.person(call))])

    @api.route(
        "POST",
        "/api/v1/groups",
        callers=Who.PERSON,
        scope="meetings:write",
        audit="group.create",
        idempotent=True,
        body=GroupRequest,
        answer=GroupAnswer,
        status=201,
        summary="Keep a list of addresses under a name.",
        errors=(SignInNeeded, Conflict),
        tags=tags,
    )
    async def create_group(call: Call, body: GroupRequest) -> Reply:
        return Reply(201, answer(await groups.make(await callers.person(call), body.name, body.emails, call.new_id)))

    @api.route(
        "PATCH",
        "/api/v1/groups/<id:group_id>",
        callers=Who.OWNER,
        scope="meetings:write",
        audit="group.change",
        body=GroupChanges,
        answer=GroupAnswer,
        summary="Change a group of one's own.",
        errors=(SignInNeeded, NotFound, Conflict),
        tags=tags,
    )
    async def change_group(call: Call, body: GroupChanges, group_id: str) -> GroupAnswer:
        return answer(await groups.change(await callers.person(call), group_id, body.name, body.emails))

    @api.route(
        "DELETE",
        "/api/v1/groups/<id:group_id>",
        callers=Who.OWNER,
        scope="meetings:write",
        audit="group.remove",
        status=204,
        summary="Forget a group of one's own.",
        errors=(SignInNeeded, NotFound),
        tags=tags,
    )
    async def remove_group(call: Call, group_id: str) -> Reply:
        await groups.remove(await callers.person(call), group_id)
        return Reply(204)


def _add_replies(api: Api, meetings: Meetings, replies: Replies, callers: Callers) -> None:
    tags = ("replies",)

    def answer(asked: Asked) -> ReplyAnswer:
        of = asked.meeting
        assert of.begin_at is not None and of.end_at is not None, "an instant meeting invites nobody"
        return ReplyAnswer(
            title=of.title,
            begin_at=of.begin_at,
            end_at=of.end_at,
            zone=of.zone,
            state=of.state.value,
            owner=of.owner.name,
            recurrence=str(of.series.rule) if of.series is not None and not asked.only else None,
            email=asked.email,
            reply=asked.reply.value,
            link=meetings.link(of),
        )

    @api.route(
        "POST",
        "/api/v1/replies/look",
        callers=Who.PUBLIC,
        body=ReplyLook,
        answer=ReplyAnswer,
        summary="What the link in an invitation is for; changes nothing.",
        errors=(BadReplyLink, TooManyRequests),
        tags=tags,
    )
    async def look_at_reply(call: Call, body: ReplyLook) -> ReplyAnswer:
        return answer(await replies.look(body.token, call.client_address))

    @api.route(
        "POST",
        "/api/v1/replies",
        callers=Who.PUBLIC,
        audit="meeting.reply",
        body=ReplyByLink,
        answer=ReplyAnswer,
        summary="Answer an invitation by the link in it.",
        errors=(BadReplyLink, MeetingOver, TooManyRequests),
        tags=tags,
    )
    async def reply_by_link(call: Call, body: ReplyByLink) -> ReplyAnswer:
        return answer(await replies.answer_by_link(body.token, rules.Reply(body.answer), call.client_address))

    @api.route(
        "POST",
        "/api/v1/meetings/<code>/reply",
        callers=Who.PARTICIPANT | Who.COHOST,
        scope="meetings:write",
        audit="meeting.reply",
        body=ReplyRequest,
        answer=MeetingAnswer,
        summary="Answer an invitation.",
        errors=(SignInNeeded, Forbidden, NotFound, MeetingOver, TooManyRequests),
        tags=("meetings",),
    )
    async def reply_to_meeting(call: Call, body: ReplyRequest, code: str) -> MeetingAnswer:
        caller = await callers.caller(call)
        person = await callers.person(call)
        found = await meetings.find(code, call.client_address)
        asked = await replies.answer(person, found, rules.Reply(body.answer), body.occurrence)
        answered = answer_of(asked.meeting, caller, meetings.link(asked.meeting))
        return answered.model_copy(update={"reply": asked.reply.value})


def _add_calendar(api: Api, feeds: Feeds, reminders: Reminders, callers: Callers) -> None:
    tags = ("calendar",)

    @api.route(
        "GET",
        "/api/v1/me/calendar",
        callers=Who.PERSON,
        answer=CalendarAnswer,
        summary="One's reminders, and the address of one's calendar feed.",
        errors=(SignInNeeded,),
        tags=tags,
    )
    async def get_calendar(call: Call) -> CalendarAnswer:
        person = await callers.person(call)
        return CalendarAnswer(reminder_minutes=await reminders.chosen(person), feed=await feeds.address(person))

    @api.route(
        "PATCH",
        "/api/v1/me/calendar",
        callers=Who.PERSON,
        audit="calendar.change",
        body=CalendarChanges,
        answer=CalendarAnswer,
        summary="Choose when one is reminded of meetings; null: never.",
        errors=(SignInNeeded,),
        tags=tags,
    )
    async def change_calendar(call: Call, body: CalendarChanges) -> CalendarAnswer:
        person = await callers.person(call)
        await reminders.choose(person, body.reminder_minutes)
        return CalendarAnswer(reminder_minutes=body.reminder_minutes, feed=await feeds.address(person))

    @api.route(
        "POST",
        "/api/v1/me/calendar/feed",
        callers=Who.PERSON,
        audit="calendar.feed",
        idempotent=True,
        answer=CalendarAnswer,
        summary="A new address for one's calendar feed; the old one is good no more.",
        errors=(SignInNeeded,),
        tags=tags,
    )
    async def renew_feed(call: Call) -> CalendarAnswer:
        person = await callers.person(call)
        feed = await feeds.renew(person)
        return CalendarAnswer(reminder_minutes=await reminders.chosen(person), feed=feed)

    @api.route(
        "DELETE",
        "/api/v1/me/calendar/feed",
        callers=Who.PERSON,
        audit="calendar.revoke",
        status=204,
        summary="No calendar feed any more.",
        errors=(SignInNeeded,),
        tags=tags,
    )
    async def revoke_feed(call: Call) -> Reply:
        await feeds.revoke(await callers.person(call))
        return Reply(204)

    @api.route(
        "GET",
        "/api/v1/calendar.ics",
        callers=Who.PUBLIC,
        limit=30,
        query=FeedKey,
        summary="Somebody's meetings as iCalendar, for whoever has the address.",
        errors=(NotFound,),
        tags=tags,
    )
    async def get_feed(call: Call, query: FeedKey) -> Reply:
        headers = {"Content-Type": "text/calendar; charset=utf-8", "Cache-Control": "private, max-age=60"}
        return Reply(200, (await feeds.calendar(query.key)).encode(), headers)
