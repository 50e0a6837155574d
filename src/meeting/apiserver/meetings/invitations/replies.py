"""What the invited answer: by a link in the mail, or on the page of their meetings.

The link is good without signing in. It holds meeting, occurrence and address, encrypted and authenticated by a key of
the secret (AES-SIV, RFC 5297), in the fragment of the address: it reaches no server, no log and no Referer; the page
shows what it is for and sends it when a button is pressed, so that a program that follows links answers nothing.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from sqlalchemy import Connection, select
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.rules import Limit
from meeting.apiserver.accounts.use_cases import Person, count
from meeting.apiserver.database import Database, upsert
from meeting.apiserver.meetings import queries
from meeting.apiserver.meetings.queries import EVERY, Meeting
from meeting.apiserver.meetings.rules import MeetingOver, Reply
from meeting.apiserver.meetings.tables import invitee, reply
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import BadRequest, Forbidden, Gone, TooManyRequests

#: Links that are none, per source.
_MISSES = Limit("reply links that are none", 60, timedelta(minutes=10))
_MICROSECOND = timedelta(microseconds=1)


class BadReplyLink(Gone):
    """It is not one of ours, or whom it was for is no longer invited."""

    problem = "reply-link"
    title = "This link is not good (any more)."


@dataclass(frozen=True)
class Asked:
    """What a link is for: a meeting (at one occurrence, if it recurs), who was asked, and what they answered."""

    meeting: Meeting
    email: str
    reply: Reply
    #: It is about this occurrence of a series alone.
    only: bool


class ReplyLinks:
    """Makes and reads the links."""

    def __init__(self, key: bytes, public_url: str) -> None:
        """`key` has 32 bytes."""
        self._siv = AESSIV(key)
        self._public_url = public_url

    def of(self, meeting_id: str, email: str, starts_at: datetime = EVERY) -> dict[str, str]:
        """The address for each answer."""
        token = self.token(meeting_id, email, starts_at)
        answers = (Reply.ACCEPTED, Reply.TENTATIVE, Reply.DECLINED)
        return {answer.value: f"{self._public_url}/r?answer={answer}#{token}" for answer in answers}

    def token(self, meeting_id: str, email: str, starts_at: datetime = EVERY) -> str:
        """What identifies the question."""
        when = (starts_at - EVERY) // _MICROSECOND
        sealed = self._siv.encrypt(bytes.fromhex(meeting_id) + when.to_bytes(8, "big") + email.encode(), None)
        return urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, token: str) -> tuple[str, str, datetime]:
        """Meeting, address and occurrence. Raises BadReplyLink."""
        try:
            data = self._siv.decrypt(urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)), None)
        except (ValueError, InvalidTag) as error:
            raise BadReplyLink("Take the link from the newest mail.") from error
        return data[:16].hex(), data[24:].decode(), EVERY + int.from_bytes(data[16:24], "big") * _MICROSECOND


class Replies:
    """Asks and writes down."""

    def __init__(self, database: Database, clock: IReactorTime, links: ReplyLinks) -> None:
        self._database = database
        self._clock = clock
        self._links = links

    async def look(self, token: str, source: str) -> Asked:
        """What a link is for. Raises BadReplyLink, TooManyRequests."""
        try:
            meeting_id, email, starts_at = self._links.read(token)
            return await self._database.read(_asked, meeting_id, email, starts_at, utc_now(self._clock))
        except BadReplyLink:
            wait = await self._database.run(count, _MISSES, source, utc_now(self._clock))
            if wait:
                raise TooManyRequests("Too many links that are none.", retry_after=int(wait) + 1) from None
            raise

    async def answer_by_link(self, token: str, answer: Reply, source: str) -> Asked:
        """The answer of whoever has the link. Raises also MeetingOver."""
        asked = await self.look(token, source)
        _, email, starts_at = self._links.read(token)
        now = utc_now(self._clock)
        return await self._database.run(_answer, asked.meeting.id, email, starts_at, answer, now)

    async def answer(self, who: Person, of: Meeting, answer: Reply, occurrence: datetime | None) -> Asked:
        """The answer of somebody signed in; to the whole of a series, or to one occurrence of it.

        Raises Forbidden for those not invited, BadRequest, MeetingOver.
        """
        if occurrence is not None and (of.series is None or of.series.find(occurrence) is None):
            raise BadRequest("occurrence: the series has no meeting at that time.")
        now = utc_now(self._clock)
        try:
            return await self._database.run(_answer, of.id, who.email, occurrence or EVERY, answer, now)
        except BadReplyLink as error:
            raise Forbidden("You are not invited to this meeting.") from error


def _asked(transaction: Connection, meeting_id: str, email: str, starts_at: datetime, now: datetime) -> Asked:
    found = queries.by_id(transaction, meeting_id, now)
    invited = select(invitee.c.email).where(invitee.c.meeting_id == meeting_id, invitee.c.email == email)
    if found is None or transaction.execute(invited).first() is None:
        raise BadReplyLink("You are no longer invited to this meeting.")
    only = starts_at != EVERY
    if only and found.series is not None:
        found = queries.at(found, starts_at)
    rows = transaction.execute(select(reply).where(reply.c.meeting_id == meeting_id, reply.c.email == email))
    answers = {row.starts_at: Reply(row.answer) for row in rows}
    return Asked(found, email, answers.get(starts_at) or answers.get(EVERY, Reply.NONE), only)


def _answer(
    transaction: Connection, meeting_id: str, email: str, starts_at: datetime, answer: Reply, now: datetime
) -> Asked:
    asked = _asked(transaction, meeting_id, email, starts_at, now)
    if asked.meeting.state.is_over:
        raise MeetingOver("There is nothing to answer any more.")
    values = {"answer": answer, "replied_at": now}
    key = {"meeting_id": meeting_id, "email": email, "starts_at": starts_at}
    upsert(transaction, reply, {**key, **values}, values)
    return _asked(transaction, meeting_id, email, starts_at, now)
