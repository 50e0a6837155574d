"""The allocateserver's GET: answers, refusals, and a restart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from twisted.internet.task import Clock
from twisted.python.usage import UsageError
from twisted.web.server import Site

from meeting.allocateserver.options import Options
from meeting.allocateserver.service import AllocateServer
from meeting.daemon.errors import ConfigurationError
from meeting.daemon.secret import Secret, sign_request
from meeting.daemon.web import site
from tests.support.http import Answer, exchange

NOW = 1_800_000_000
SECRET = "correct horse battery staple"
POOL = """
[[sfu]]
address = "1.sfu:443"
turn = "1.2.3.4:3478"
use = "scheduled"
[[sfu]]
address = "2.sfu:443"
use = "instant"
[[fs]]
address = "fs:443"
"""


class AtOnce:
    """Stands in for the ledger's thread: work is done when it is given, on a real file."""

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def callInThreadWithCallback(self, hear: Any, work: Any, *arguments: Any, **keywords: Any) -> None:
        hear(True, work(*arguments, **keywords))


class ThreadedClock(Clock):
    """A Clock that has the one method of a reactor that threads come back by."""

    def callFromThread(self, function: Any, *arguments: Any, **keywords: Any) -> None:
        function(*arguments, **keywords)


def options(tmp_path: Path, *arguments: str, pool: str = POOL) -> Options:
    config = tmp_path / "pool.toml"
    config.write_text(pool)
    options = Options()
    options.environment = {}  # type: ignore[misc]
    options.parseOptions(["--config", str(config), "--stateDirectory", str(tmp_path / "state"), *arguments])
    return options


class Running:
    """A started allocateserver and its site, in memory; the ledger is real."""

    def __init__(self, tmp_path: Path, *arguments: str, pool: str = POOL) -> None:
        self.clock = ThreadedClock()
        self.clock.advance(NOW)
        self.server = AllocateServer(options(tmp_path, *arguments, pool=pool), self.clock, AtOnce())
        self.site: Site = site(self.server.resource, self.clock, log_access=False)
        self.status: Site = site(self.server.status, self.clock, log_access=False)
        self.server.startService()

    def ask(self, path: str = "/allocate", headers: dict[str, str] | None = None, **query: Any) -> Answer:
        return exchange(self.site, "GET", f"{path}?{urlencode(query)}", headers=headers)

    def stop(self) -> None:
        self.server.stopService()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()


def meeting(begin: int = 0, end: int = 3600, email: str = "ada@x", **more: Any) -> dict[str, Any]:
    return {"Kind": "SFUTURN", "Email": email, "BeginAt": NOW + begin, "EndAt": NOW + end, **more}


INSTANT: dict[str, Any] = {"Kind": "SFUTURN", "Email": "ada@x", "BeginAt": 0, "EndAt": 0}


def test_a_scheduled_meeting_gets_an_sfuserver_and_its_turnserver(running: Running) -> None:
    answer = running.ask(**meeting())
    assert (answer.status, answer.json) == (200, {"sfu": "1.sfu:443", "turn": "1.2.3.4:3478"})
    assert answer.headers["Content-Type"] == "application/json"


def test_an_instant_meeting_without_a_turnserver_has_no_turn(running: Running) -> None:
    assert running.ask(**INSTANT).json == {"sfu": "2.sfu:443"}


def test_files_have_their_server(running: Running) -> None:
    assert running.ask(Kind="FS", Email="ada@x").json == {"fs": "fs:443"}


def test_the_root_answers_too_and_other_parameters_are_the_enterprises(running: Running) -> None:
    assert running.ask("/", **meeting(tenant="7")).status == 200


def test_an_address_is_one_person_however_it_is_written(running: Running) -> None:
    assert running.ask(**meeting(email="Ada@X")).json == running.ask(**meeting(email="ada@x")).json


def test_none_free_is_please_wait(running: Running) -> None:
    running.ask(**meeting())
    answer = running.ask(**meeting(email="bob@x"))
    assert (answer.status, answer.json["type"]) == (503, "urn:meeting:problem:please-wait")
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"Kind": "SFU", "Email": "a"},
        {"Kind": "FS"},
        {"Kind": "FS", "Email": ""},
        {"Kind": "FS", "Email": "a" * 321},
        meeting(begin=10, end=10),
        meeting(begin=10, end=5),
        meeting(end=32 * 86_400),
        meeting(begin=-7200, end=-3600),
        {**INSTANT, "EndAt": NOW},
        {**INSTANT, "BeginAt": "now"},
        {**INSTANT, "BeginAt": -5},
        {**INSTANT, "BeginAt": 2**60, "EndAt": 2**60 + 1},
    ],
)
def test_a_bad_question_is_told_what_is_wrong(running: Running, query: dict[str, Any]) -> None:
    answer = running.ask(**query)
    assert (answer.status, answer.json["type"]) == (400, "urn:meeting:problem:bad-request")
    assert answer.json["detail"]


def test_a_restart_changes_nobodys_server(tmp_path: Path) -> None:
    pool = POOL + '[[sfu]]\naddress = "5.sfu:443"\nuse = "scheduled"\n[[sfu]]\naddress = "6.sfu:443"\nuse = "instant"\n'
    before = Running(tmp_path, pool=pool)
    people = [f"{n}@x" for n in range(2)]
    scheduled = [before.ask(**meeting(email=email)).json for email in people]
    instant = [before.ask(**{**INSTANT, "Email": email}).json for email in people]
    assert scheduled[0] != scheduled[1] and instant[0] != instant[1]
    before.stop()
    after = Running(tmp_path, pool=pool)
    assert [after.ask(**meeting(email=email)).json for email in reversed(people)] == scheduled[::-1]
    assert [after.ask(**{**INSTANT, "Email": email}).json for email in reversed(people)] == instant[::-1]
    assert after.ask(**meeting(email="late@x")).status == 503
    after.stop()


def test_the_private_page_shows_who_has_what(running: Running) -> None:
    running.ask(**meeting())
    state = exchange(running.status, "GET", "/state").json
    assert [booking["sfu"] for booking in state["scheduled"]] == ["1.sfu:443"]
    metrics = exchange(running.status, "GET", "/metrics").body.decode()
    assert 'meeting_allocations_total{kind="SFUTURN",outcome="answered"} 1.0' in metrics
    assert exchange(running.status, "GET", "/readyz").status == 200


# --- with a secret


def test_with_a_secret_unsigned_and_replayed_questions_are_refused(tmp_path: Path) -> None:
    running = Running(tmp_path, "--secret", SECRET)
    assert running.ask(**INSTANT).status == 401
    uri = f"/allocate?{urlencode(INSTANT)}"
    for secret, status in ((SECRET + "!", 401), (SECRET, 200)):
        header = sign_request(Secret(secret), "api", "GET", uri, b"", NOW)
        assert running.ask(headers={"Authorization": header}, **INSTANT).status == status
    assert running.ask(headers={"Authorization": header}, **INSTANT).status == 401
    assert running.ask(headers={"Authorization": header}, **meeting()).status == 401
    running.stop()


# --- options


@pytest.mark.parametrize(
    ("arguments", "pool", "says"),
    [
        ([], "", "the pool is empty"),
        ([], "[[sfu]]\n", "address: write host:port"),
        ([], 'sfu = "a:1"', "write a [[sfu]] table"),
        ([], POOL + "[[turn]]\n", "unknown key 'turn'"),
        (["--apiserver", "hub:443"], POOL, "needs --secret"),
        (["--lead", "soon"], POOL, "--lead"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, arguments: list[str], pool: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        options(tmp_path, *arguments, pool=pool)
    assert says in str(caught.value)


def test_a_configuration_is_needed() -> None:
    empty = Options()
    empty.environment = {}  # type: ignore[misc]
    with pytest.raises(UsageError, match="--config is needed"):
        empty.parseOptions([])


def test_without_an_address_it_listens_on_loopback_only(tmp_path: Path) -> None:
    assert str(options(tmp_path)["plainHttp"]) == "127.0.0.1:8085"


def test_a_state_directory_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    server = AllocateServer(options(tmp_path), ThreadedClock())
    with pytest.raises(ConfigurationError, match="--stateDirectory"):
        server.startService()
