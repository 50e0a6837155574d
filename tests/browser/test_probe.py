"""`meeting probe`: two of them in one meeting find all well, and what is amiss is told in one line."""

from __future__ import annotations

import json
import re
import subprocess
from http.cookiejar import CookieJar
from typing import Any
from urllib.request import HTTPCookieProcessor, Request, build_opener

from tests.support.processes import MEETING, free_port, page

STAY = 8
PATIENCE = 120


class Owner:
    """Somebody who opens and ends meetings by the API."""

    def __init__(self, url: str, email: str) -> None:
        self._url = url
        self._open = build_opener(HTTPCookieProcessor(CookieJar())).open
        self.call("POST", "/api/v1/sign-in/codes", {"email": email})
        mails = json.loads(page(f"{url}/api/v1/demo/mails")[1])
        mail = next(mail for mail in mails["mails"] if mail["to"] == email)
        code = re.search(r"\d{6}", mail["text"])
        assert code is not None, mail
        self.call("POST", "/api/v1/sign-in", {"email": email, "code": code[0]})

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json", "Origin": self._url}
        data = None if body is None else json.dumps(body).encode()
        with self._open(Request(self._url + path, data, headers, method=method), timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def probe(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([MEETING, "probe", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def complaint(*arguments: str) -> tuple[int, str]:
    """Exit status and the one line of a probe that cannot join."""
    running = probe(*arguments)
    output, errors = running.communicate(timeout=PATIENCE)
    assert output == ""
    (line,) = errors.splitlines()
    return running.returncode, line


def test_two_probes_see_and_hear_one_another(demo: str) -> None:
    meeting = Owner(demo, "probes@example.com").call("POST", "/api/v1/meetings", {"kind": "instant"})
    probes = [probe(meeting["link"], "--seconds", str(STAY), "--json", "--name", name) for name in ("Pia", "Pit")]
    for each in probes:
        output, errors = each.communicate(timeout=PATIENCE)
        assert each.returncode == 0, errors + output
        report = json.loads(output)
        assert report["good"] is True and report["trouble"] == []
        assert re.match(r"udp \w+ 10\.90\.0\.1 -> 10\.90\.0\.1:\d+$", report["path"]), report["path"]
        assert {track["kind"] for track in report["received"]} == {"audio", "video"}
        for track in report["received"]:
            assert track["first_frame_ms"] is not None and track["frames"] > 10 and track["lost"] == 0, report
            assert (track["loudest"] or 0) > 1000 or (track["brightness"] or 0) > 50, report
        assert set(report["lost_upstream"].values()) <= {0}, report


def test_a_meeting_that_is_over_and_a_code_that_leads_nowhere_are_told(demo: str) -> None:
    owner = Owner(demo, "over@example.com")
    times = {"begin_at": "2030-01-01T10:00:00Z", "end_at": "2030-01-01T11:00:00Z", "zone": "UTC"}
    meeting = owner.call("POST", "/api/v1/meetings", {"kind": "scheduled", "title": "Never", "invitees": [], **times})
    owner.call("DELETE", f"/api/v1/meetings/{meeting['code']}")
    status, line = complaint(meeting["link"])
    assert status == 1 and line.startswith("meeting probe: the hub answered 410: ")
    status, line = complaint(f"{demo}/m/aaa-aaaa-aaa")
    assert status == 1 and line.startswith("meeting probe: the hub answered 404: ")


def test_a_server_that_is_not_there_is_told() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    status, line = complaint(f"{url}/m/abc-defg-hij")
    assert status == 1 and line.startswith(f"meeting probe: {url} cannot be reached: ")


def test_a_link_that_is_none_is_wrong_usage() -> None:
    done = subprocess.run([MEETING, "probe", "http://localhost/"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert done.stderr.startswith("meeting probe: not a meeting's link: http://localhost/ ")
