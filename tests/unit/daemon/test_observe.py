"""Logs without secrets, and the pages of the private port."""

import io
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.web.server import Site

from meeting.daemon.observe import Metrics, Readiness, configure_logging, redacted, status_resource
from meeting.daemon.secret import AccessClaims, Secret, mint_access_token, sign_file_link, sign_request
from meeting.daemon.web import site
from tests.support.http import exchange

SECRET = Secret("correct horse battery staple")


SIGNED = sign_request(SECRET, "sfu", "GET", "/", b"", 1)
LINK = sign_file_link(SECRET, "GET", "/objects/1", "r", 5)


def token() -> str:
    return mint_access_token(SECRET, AccessClaims(identity="a", room="r", expires_at=4_000_000_000))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"GET /rtc?access_token={token()}&sdk=js", token()),
        (f"refused {token()}", token()),
        (f"Authorization: Bearer {token()}", token()),
        (f"header {SIGNED}", SIGNED[-43:]),
        (f"GET /objects/1?{LINK}", LINK[-43:]),
        ("Cookie: meeting_session=s3cr3t; b=c", "s3cr3t"),
        ("{'password': 'hunter2', 'user': 'u'}", "hunter2"),
        ("mysql://u password=hunter2 host", "hunter2"),
        ("/rtc/v1?join_request=aGVsbG8&x=1", "aGVsbG8"),
    ],
    ids=("query", "words", "bearer", "signed request", "file link", "cookie", "dictionary", "address", "join request"),
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden(text: str, hidden: str) -> None:
    assert hidden in text
    assert hidden not in redacted(text)
    assert "[hidden]" in redacted(text)


@pytest.mark.parametrize("text", ["10.0.0.1 GET /rtc 200 5 B 1.0 ms [abc]", "a meeting has begun", "", "código"])
def test_ordinary_text_stays(text: str) -> None:
    assert redacted(text) == text


@given(st.text(max_size=300))
def test_redaction_takes_any_text(text: str) -> None:
    redacted(text)


def logged(format: str, level: str, code: str) -> list[str]:
    """What a process of its own writes; logging is set up once per process."""
    program = (
        "import sys; from twisted.logger import Logger; from twisted.python.failure import Failure\n"
        "from meeting.daemon.observe import configure_logging\n"
        f"configure_logging({format!r}, {level!r}, sys.stdout)\nlog = Logger('meeting.test')\n{code}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_lines_of_text() -> None:
    lines = logged("text", "info", "log.info('hello {who}', who='you'); log.debug('not me')")
    assert len(lines) == 1
    assert lines[0].endswith("info     meeting.test: hello you")


def test_lines_of_json_with_a_traceback() -> None:
    code = (
        "try:\n    raise ValueError('password=hunter2')\n"
        "except ValueError:\n    log.failure('oh {n}', n=3, path='/rtc?access_token=hunter3')"
    )
    lines = logged("json", "info", code)
    event: dict[str, Any] = json.loads(lines[0])
    assert (event["level"], event["message"], event["n"], event["logger"]) == ("critical", "oh 3", 3, "meeting.test")
    assert "ValueError" in event["traceback"]
    assert "hunter" not in "".join(lines)


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(Exception, match="loud"):
        configure_logging("text", "loud", io.StringIO())


# --- pages


class Daemon:
    def __init__(self) -> None:
        self.readiness = Readiness(True, {"database": "ok"})
        self.metrics = Metrics()
        self.metrics.counter("meeting_joins", "Joins.", ["kind"]).labels("guest").inc(3)
        self.metrics.gauge("meeting_rooms", "Rooms.").set(2)
        self.metrics.histogram("meeting_wait_seconds", "Waits.", buckets=[0.1, 1]).observe(0.5)
        resource = status_resource(self.metrics, lambda: self.readiness, lambda: {"rooms": ["r1"]})
        self.site: Site = site(resource, Clock(), log_access=False)


def test_health_and_readiness() -> None:
    daemon = Daemon()
    assert exchange(daemon.site, "GET", "/healthz").status == 200
    assert exchange(daemon.site, "GET", "/readyz").json == {"ready": True, "checks": {"database": "ok"}}
    daemon.readiness = Readiness(False, {"database": "gone"})
    answer = exchange(daemon.site, "GET", "/readyz")
    assert (answer.status, answer.json["checks"]) == (503, {"database": "gone"})
    assert exchange(daemon.site, "GET", "/healthz").status == 200


def test_metrics_of_two_daemons_in_one_process_do_not_mix() -> None:
    Daemon()
    text = exchange(Daemon().site, "GET", "/metrics").body.decode()
    assert 'meeting_joins_total{kind="guest"} 3.0' in text
    assert "meeting_rooms 2.0" in text
    assert "process_resident_memory_bytes" in text


def test_the_state_is_json_and_anything_else_is_not_found() -> None:
    daemon = Daemon()
    assert exchange(daemon.site, "GET", "/state").json == {"rooms": ["r1"]}
    assert exchange(daemon.site, "GET", "/other").status == 404
