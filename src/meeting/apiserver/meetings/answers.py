"""How a meeting looks in the API."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, RootModel

from meeting.apiserver.accounts.use_cases import Caller
from meeting.apiserver.mail.rules import Trouble
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.models import Answer
from meeting.apiserver.pages import Listed

ReplyWord = Literal["none", "accepted", "tentative", "declined"]
StateWord = Literal["scheduled", "running", "ended", "cancelled"]
KindWord = Literal["instant", "scheduled"]


class OwnerAnswer(Answer):
    """Whose meeting it is."""

    id: str
    name: str


class OwnersName(Answer):
    """Whose meeting it is, for those who only have the link."""

    name: str


class DeliveryAnswer(Answer):
    """How it goes with a mail. `detail` is what the mail server said."""

    state: Literal["queued", "sent", "failed"]
    trouble: Trouble | None = Field(None, description="why it failed")
    detail: str = ""


class InviteeAnswer(Answer):
    """Someone invited."""

    email: str
    name: str
    reply: ReplyWord
    writes_minutes: bool
    delivery: DeliveryAnswer | None = Field(None, description="of the last mail to them; null when it is long ago")


class OptionsAnswer(Answer):
    """How a meeting is held."""

    guests_allowed: bool
    passcode: str | None = Field(description="for the owner only")
    lobby: bool
    presenters: Literal["everyone", "hosts"]
    minutes_writers: Literal["everyone", "hosts", "named"]
    max_minutes: int | None
    e2ee: bool
    reminders: bool


class SeriesAnswer(Answer):
    """How a meeting recurs."""

    title: str
    recurrence: str = Field(examples=["FREQ=WEEKLY;BYDAY=MO,WE;COUNT=20"], description="RFC 5545, without RRULE:")
    begin_at: datetime = Field(description="of the first occurrence, as the rule has it")
    end_at: datetime


class MeetingAnswer(Answer):
    """A meeting, for its owner and those invited; of a series: one occurrence."""

    id: str
    code: str
    kind: KindWord
    title: str
    begin_at: datetime | None
    end_at: datetime | None
    zone: str
    state: StateWord
    owner: OwnerAnswer
    is_owner: bool
    invitees: list[InviteeAnswer] | None = Field(description="for the owner only")
    reply: ReplyWord | None = Field(description="one's own; null: one is not invited")
    guests_allowed: bool
    options: OptionsAnswer
    series: SeriesAnswer | None = Field(description="null: it does not recur")
    occurrence: datetime | None = Field(description="which of the series, by when the rule has it begin")
    link: str
    created_at: datetime


class MeetingFace(Answer):
    """A meeting, for anyone who has its link."""

    code: str
    kind: KindWord
    title: str
    begin_at: datetime | None
    end_at: datetime | None
    zone: str
    state: StateWord
    owner: OwnersName
    guests_allowed: bool
    e2ee: bool = Field(description="end-to-end encrypted: a key is needed that the hub does not have")


class MeetingView(RootModel[MeetingAnswer | MeetingFace]):
    """A meeting, as far as the caller may see it."""


class MeetingList(Listed):
    """Meetings: those to come begin with the next, those past with the latest."""

    meetings: list[MeetingAnswer]


class ReplyAnswer(BaseModel):
    """What a link in an invitation is for, and what was answered."""

    title: str
    begin_at: datetime
    end_at: datetime
    zone: str
    state: StateWord
    owner: str
    recurrence: str | None = Field(description="null: one meeting is meant")
    email: str
    reply: ReplyWord
    link: str


def answer_of(of: Meeting, caller: Caller, link: str) -> MeetingAnswer:
    """A meeting for somebody who belongs to it."""
    person = caller.person
    owns = person is not None and person.id == of.owner.id
    options = OptionsAnswer.model_validate(of.options)
    if not owns:
        options.passcode = None
    series = None
    if of.series is not None:
        series = SeriesAnswer(
            title=of.series.title,
            recurrence=str(of.series.rule),
            begin_at=of.series.begin_at,
            end_at=of.series.end_at,
        )
    mine = next((each.reply for each in of.invitees if person is not None and each.email == person.email), None)
    return MeetingAnswer(
        id=of.id,
        code=of.code,
        kind=of.kind.value,
        title=of.title,
        begin_at=of.begin_at,
        end_at=of.end_at,
        zone=of.zone,
        state=of.state.value,
        owner=OwnerAnswer.model_validate(of.owner),
        is_owner=owns,
        invitees=[InviteeAnswer.model_validate(each) for each in of.invitees] if owns else None,
        reply=mine.value if mine is not None else None,
        guests_allowed=of.options.guests_allowed,
        options=options,
        series=series,
        occurrence=of.occurrence,
        link=link,
        created_at=of.created_at,
    )
