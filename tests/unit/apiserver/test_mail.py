"""The queue of mails: leases, failover, back-off, and what becomes of a mail in the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from meeting.apiserver.database import Database, sqlite_url
from meeting.apiserver.mail.journal import Journal
from meeting.apiserver.mail.rules import (
    LEASE,
    NO_SERVER,
    Outcome,
)
from meeting.apiserver.mail.sender import LONGEST, FindPicture, Outgoing, Report, Sender, Server
from meeting.apiserver.mail.tables import mail
from meeting.apiserver.mail.use_cases import Brand, Mail
from meeting.apiserver.migrations import migrate
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import NotFound, PleaseWait
from meeting.daemon.observe import Metrics
from tests.support.hub import InstantReactor, InstantThreads

BOB = "bob@example.com"
SENT, NOT_NOW, REFUSED = Report(Outcome.SENT), Report(Outcome.NOT_NOW, "421 later"), Report(Outcome.REFUSED, "550 no")


class FakeTransport:
    """A mail server that keeps a diary, and answers what it was told to: at once, or when `pending` is fired."""

    def __init__(self, *reports: Report) -> None:
        self.reports = list(reports)
        self.diary: list[Outgoing] = []
        self.pending: list[Deferred[Report]] = []

    async def __call__(self, letter: Outgoing) -> Report:
        self.diary.append(letter)
        if self.reports:
            return self.reports.pop(0)
        self.pending.append(Deferred())
        return await self.pending[-1]


class Post:
    """A database, a queue in it, and as many senders as a test wants."""

    def __init__(self, path: Path) -> None:
        self.reactor = InstantReactor()
        self.database = Database(
            sqlite_url(path), self.reactor, prepare=lambda it: migrate(it, self.reactor), threads=InstantThreads()
        )
        self.database.startService()
        self.senders: list[Sender] = []
        self.brand = Brand()
        self.mail = Mail(
            self.database,
            self.wake,
            public_url="https://meet.example.com",
            keep=False,
            brand=lambda: self.brand,
        )

    def wake(self) -> None:
        for sender in self.senders:
            sender.wake()

    def sender(
        self,
        *transports: FakeTransport,
        servers: Sequence[Server] = (),
        journal: Journal | None = None,
        find_picture: FindPicture | None = None,
    ) -> Sender:
        self.senders.append(Sender(self.database, self.reactor, transports, Metrics(), servers, journal, find_picture))
        self.senders[-1].startService()
        self.reactor.advance(0)
        return self.senders[-1]

    def post(self, recipient: str = BOB, **more: Any) -> None:
        begin_at = datetime(2026, 11, 23, 14, tzinfo=UTC)
        values: dict[str, Any] = {
            "title": "Plans",
            "owner": "Ada",
            "begin_at": begin_at,
            "end_at": begin_at + timedelta(hours=1),
        }
        values |= {"link": "https://meet.example.com/m/x", "guests_allowed": True}
        values |= {"repeats": None, "passcode": None, "e2ee": False, "replies": None, **more}
        if more.get("wipe"):
            values = {"code": "123456", "minutes": 10, **more}
        template = "sign_in_code" if more.get("wipe") else "invitation"
        letter = self.mail.compose(template, recipient, utc_now(self.reactor), **values)
        Deferred.fromCoroutine(self.database.run(self.mail.post, letter))
        self.mail.wake()
        self.reactor.advance(0)

    def rows(self) -> list[Any]:
        found: list[Any] = []

        def read(transaction: Connection) -> None:
            found.extend(transaction.execute(mail.select().order_by(mail.c.created_at, mail.c.recipient)))

        Deferred.fromCoroutine(self.database.read(read))
        return found

    def states(self) -> list[str]:
        return [row.state for row in self.rows()]


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    post = Post(tmp_path / "mail.sqlite")
    yield post
    for sender in post.senders:
        stopped = sender.stopService()
        assert stopped.called
    post.database.stopService()
    assert not post.reactor.getDelayedCalls()


def test_a_mail_is_sent_at_once_and_once(post: Post) -> None:
    server = FakeTransport(SENT)
    post.sender(server)
    post.post()
    assert [(letter.recipient, letter.subject) for letter in server.diary] == [
        (BOB, "Invitation: Plans, Mon, 23 Nov 2026, 14:00–15:00 (UTC)")
    ]
    assert post.states() == ["sent"]
    post.reactor.advance(3600)
    assert len(server.diary) == 1


def test_a_mail_whose_wake_up_was_lost_is_found_by_a_sender_that_has_long_been_idle(post: Post) -> None:
    server = FakeTransport(SENT)
    post.sender(server)
    post.reactor.advance(3600)
    post.senders, senders = [], post.senders
    post.post()
    assert server.diary == []
    post.reactor.advance(LONGEST)
    assert len(server.diary) == 1
    post.senders = senders


def test_a_code_is_forgotten_when_it_was_sent(post: Post) -> None:
    server = FakeTransport(SENT)
    post.post(wipe=True)
    assert "123456" in post.rows()[0].text
    post.sender(server)
    assert "123456" in server.diary[0].text
    assert post.rows()[0].text == ""


def test_a_code_that_was_refused_is_forgotten_too(post: Post) -> None:
    post.post(wipe=True)
    post.sender(FakeTransport(REFUSED))
    assert (post.rows()[0].state, post.rows()[0].text) == ("failed", "")


def test_the_second_server_is_asked_when_the_first_does_not_take_it(post: Post) -> None:
    first, second = FakeTransport(NOT_NOW), FakeTransport(SENT, SENT)
    post.sender(first, second)
    post.post()
    assert (len(first.diary), len(second.diary)) == (1, 1)
    assert post.states() == ["sent"]
    # The first one rests: the next mail goes to the second at once.
    post.post()
    assert (len(first.diary), len(second.diary)) == (1, 2)


def test_a_mail_that_nobody_takes_is_tried_again_later_and_later(post: Post) -> None:
    server = FakeTransport(*[NOT_NOW] * 4, SENT)
    post.sender(server)
    post.post()
    tried: list[int] = []
    for second in range(120):
        if len(server.diary) > len(tried):
            tried.append(second)
        post.reactor.advance(1)
    assert len(tried) == 5
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert waits == sorted(waits)
    assert waits[0] >= 5
    assert post.states() == ["sent"]
    assert post.rows()[0].attempts == 4


def test_a_refused_recipient_is_not_tried_elsewhere(post: Post) -> None:
    first, second = FakeTransport(REFUSED), FakeTransport()
    post.sender(first, second)
    post.post()
    assert second.diary == []
    row = post.rows()[0]
    assert (row.state, row.last_error) == ("failed", "550 no")


def test_a_mail_that_is_too_late_is_not_sent(post: Post) -> None:
    post.post(expires_at=utc_now(post.reactor) + timedelta(minutes=10))
    post.reactor.advance(600)
    server = FakeTransport()
    post.sender(server)
    assert server.diary == []
    assert post.states() == ["failed"]
    assert post.rows()[0].text == ""


def test_of_two_senders_one_sends(post: Post) -> None:
    one, other = FakeTransport(), FakeTransport()
    post.sender(one)
    post.sender(other)
    post.post()
    post.reactor.advance(5)
    assert len(one.diary) + len(other.diary) == 1
    (one.pending + other.pending)[0].callback(SENT)
    assert post.states() == ["sent"]


def test_the_mail_of_a_sender_that_died_is_sent_by_another_when_the_lease_is_over(post: Post) -> None:
    dying = FakeTransport()
    killed = post.sender(dying)
    post.post()
    assert len(dying.diary) == 1
    # kill -9: nothing of it runs any more.
    killed._renewing.stop()
    assert killed._rounds.stopService().called
    killed.running = False
    other = FakeTransport(SENT)
    post.sender(other)
    post.reactor.advance(LEASE.total_seconds() - 1)
    assert other.diary == []
    post.reactor.advance(1 + LONGEST)
    assert [letter.id for letter in other.diary] == [dying.diary[0].id]
    assert post.states() == ["sent"]
    dying.pending[0].callback(NOT_NOW)
    assert post.states() == ["sent"], "the dead one's last word changes nothing"


def test_what_was_taken_when_its_sender_was_killed_is_not_sent_again_by_the_one_started_after_it(
    post: Post, tmp_path: Path
) -> None:
    file = tmp_path / "mails-taken"
    server = FakeTransport()
    killed = post.sender(server, journal=Journal(file))
    post.post(wipe=True, minutes=60)
    run = post.database.run

    async def away(*_: Any) -> Any:
        raise PleaseWait(1.0)

    # It has read the 250, and nothing that it does afterwards reaches the database.
    post.database.run = away  # type: ignore[method-assign,assignment]
    server.pending[0].callback(SENT)
    killed._renewing.stop()
    assert killed._rounds.stopService().called
    killed.running = False
    post.database.run = run  # type: ignore[method-assign]
    assert post.states() == ["queued"]

    post.sender(server, journal=Journal(file))
    ((state, wiped),) = [(row.state, row.text) for row in post.rows()]
    assert (state, wiped) == ("sent", "")
    post.reactor.advance(2 * LEASE.total_seconds())
    assert len(server.diary) == 1
    assert file.read_text() == "", "the database knows of it now"


def test_a_journal_forgets_what_is_settled_and_reads_only_ids(tmp_path: Path) -> None:
    file = tmp_path / "mails-taken"
    file.write_bytes(b"0123456789abcdef0123456789abcdef\nhalf a li\xff\n")
    journal = Journal(file)
    assert journal.open() == ["0123456789abcdef0123456789abcdef"]
    journal.add("f" * 32)
    journal.remove("0123456789abcdef0123456789abcdef", "e" * 32)
    assert file.read_text() == "f" * 32 + "\n"
    journal.close()


def test_a_journal_that_cannot_be_written_stops_no_mail(post: Post, tmp_path: Path) -> None:
    server = FakeTransport(SENT)
    post.sender(server, journal=Journal(tmp_path / "missing" / "mails-taken"))
    post.post()
    assert post.states() == ["sent"]


def test_a_slow_server_does_not_make_another_sender_send_too(post: Post) -> None:
    slow, other = FakeTransport(), FakeTransport()
    post.sender(slow)
    post.post()
    post.sender(other)
    post.reactor.pump([1] * int(4 * LEASE.total_seconds()))
    assert (len(slow.diary), other.diary) == (1, [])
    slow.pending[0].callback(SENT)
    assert post.states() == ["sent"]


def test_a_slow_mail_does_not_hold_up_the_others(post: Post) -> None:
    server = FakeTransport()
    post.sender(server)
    post.post("slow@example.com")
    post.post("fast@example.com")
    assert len(server.pending) == 2
    server.pending.pop().callback(SENT)
    assert post.states() == ["sent", "queued"]
    server.reports = [SENT]
    post.post("faster@example.com")
    assert sorted(post.states()) == ["queued", "sent", "sent"]
    server.pending.pop().callback(SENT)


def test_each_domain_has_its_servers(post: Post) -> None:
    inside, outside = FakeTransport(SENT, SENT, SENT), FakeTransport(SENT)
    servers = [Server("inside", ("example.com", "*.example.com")), Server("outside", ("*",))]
    post.sender(inside, outside, servers=servers)
    for recipient in ("a@example.com", "b@sub.example.com", "c@elsewhere.org", "d@EXAMPLE.com"):
        post.post(recipient)
    assert [each.recipient for each in inside.diary] == ["a@example.com", "b@sub.example.com", "d@EXAMPLE.com"]
    assert [each.recipient for each in outside.diary] == ["c@elsewhere.org"]


def test_a_domain_that_no_server_is_for_fails_with_words(post: Post) -> None:
    server = FakeTransport()
    post.sender(server, servers=[Server("inside", ("example.com",))])
    post.post("a@elsewhere.org")
    row = post.rows()[0]
    assert (server.diary, row.state, row.last_error) == ([], "failed", NO_SERVER)


def test_a_mail_that_may_have_been_taken_is_not_given_to_another_server_at_once(post: Post) -> None:
    first, second = FakeTransport(Report(Outcome.UNKNOWN, "cut"), SENT), FakeTransport()
    post.sender(first, second)
    post.post()
    assert second.diary == []
    assert post.rows()[0].last_error == "cut"
    post.reactor.pump([1] * int(5 + LONGEST))
    assert post.states() == ["sent"], "rather twice than never"
    assert (len(first.diary), second.diary) == (2, [])


def test_a_mail_that_is_put_off_does_not_make_its_server_rest(post: Post) -> None:
    first, second = FakeTransport(Report(Outcome.DEFERRED, "451 greylisted"), SENT), FakeTransport(NOT_NOW)
    sender = post.sender(first, second)
    post.post()
    post.post()
    assert (len(first.diary), len(second.diary)) == (2, 1)
    assert [each["failures"] for each in sender.state()] == [0, 1]
    assert sender.state()[1]["trouble"] == "421 later"
    assert sender.state()[1]["resting_until"] == "2026-11-23T12:00:01+00:00"


def test_what_was_sent_while_the_database_was_away_is_written_down_later_and_not_sent_again(post: Post) -> None:
    server = FakeTransport()
    post.sender(server)
    post.post()
    run = post.database.run

    async def away(*_: Any) -> Any:
        raise PleaseWait(1.0)

    post.database.run = away  # type: ignore[method-assign,assignment]
    server.pending[0].callback(SENT)
    post.reactor.pump([1] * int(2 * LEASE.total_seconds()))
    post.database.run = run  # type: ignore[method-assign]
    post.reactor.advance(LONGEST)
    assert (post.states(), len(server.diary)) == (["sent"], 1)


def test_stopping_waits_until_what_was_sent_is_written_down(post: Post) -> None:
    server = FakeTransport()
    sender = post.sender(server)
    post.post()
    stopped = sender.stopService()
    assert not stopped.called
    server.pending[0].callback(SENT)
    assert stopped.called
    assert post.states() == ["sent"]


def test_many_mails_go_out_eight_at_a_time(post: Post) -> None:
    server = FakeTransport()
    for number in range(20):
        post.post(f"p{number:02}@example.com")
    post.sender(server)
    assert len(server.pending) == 8
    while server.pending:
        server.pending.pop(0).callback(SENT)
        post.reactor.advance(0)
    assert len(server.diary) == 20
    assert set(post.states()) == {"sent"}


def test_an_error_nobody_expected_is_logged_and_stops_nothing(post: Post, logged_failures: list[Failure]) -> None:
    server = FakeTransport()
    post.sender(server)
    post.post()
    server.pending[0].errback(RuntimeError("a bug"))
    assert [failure.type for failure in logged_failures] == [RuntimeError]
    logged_failures.clear()
    server.reports = [SENT]
    post.reactor.advance(LEASE.total_seconds() + 1)
    post.reactor.advance(1)
    assert post.states() == ["sent"]


def test_mails_speak_the_readers_language_and_escape_what_people_wrote(post: Post) -> None:
    begin = datetime(2026, 11, 23, 14, tzinfo=UTC)
    values: dict[str, Any] = {
        "title": "<b>Pläne",
        "owner": "Ada",
        "begin_at": begin,
        "end_at": begin + timedelta(hours=11),
    }
    values |= {"link": "https://m/x", "guests_allowed": True, "repeats": None, "passcode": "4711", "replies": None}
    values |= {"e2ee": True}
    letter = post.mail.compose("invitation", BOB, begin, language="de-AT", zone="Europe/Vienna", **values)
    assert (
        letter.subject == "Einladung: <b>Pläne, Mo., 23. Nov. 2026, 15:00 – Di., 24. Nov. 2026, 02:00 (Europe/Vienna)"
    )
    assert "Montag, 23. November 2026, 15:00 – Dienstag, 24. November 2026, 02:00" in letter.text
    assert "Kenncode: 4711" in letter.text
    assert "Ende-zu-Ende-verschlüsselt. Um die anderen" in letter.text
    assert letter.html is not None and "&lt;b&gt;Pläne" in letter.html and "<b>" not in letter.html
    assert post.mail.compose("invitation", BOB, begin, language="xx", **values).subject.startswith("Invitation:")


@dataclass(frozen=True)
class Logo:
    type: str
    data: bytes


def test_a_mail_brings_the_logo_that_was_there_when_it_was_written(post: Post) -> None:
    asked = []

    async def find(digest: str) -> Logo:
        asked.append(digest)
        return Logo("image/png", bytes.fromhex(digest))

    server = FakeTransport(SENT, SENT, SENT)
    post.sender(server, find_picture=find)
    post.brand = Brand(logo="ab" * 32)
    post.post("one@example.com")
    post.post("two@example.com")
    post.brand = Brand()
    post.post("three@example.com")
    assert [letter.picture and letter.picture.data for letter in server.diary] == [b"\xab" * 32, b"\xab" * 32, None]
    assert asked == ["ab" * 32], "it is asked for once, not for each mail"
    shows = [letter.html is not None and f"cid:{'ab' * 16}@picture" in letter.html for letter in server.diary]
    assert shows == [True, True, False]
    assert all("cid:" not in letter.text for letter in server.diary)


def test_a_mail_whose_logo_cannot_be_found_is_sent_without_it(post: Post) -> None:
    async def find(digest: str) -> Logo:
        raise NotFound()

    server = FakeTransport(SENT)
    post.sender(server, find_picture=find)
    post.brand = Brand(logo="ab" * 32)
    post.post()
    assert [letter.picture for letter in server.diary] == [None]
    assert post.states() == ["sent"]
