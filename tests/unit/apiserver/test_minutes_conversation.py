"""The minutes and files of a meeting over HTTP: who may, who may not, and what comes back."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from meeting.apiserver.minutes.tables import minutes_update
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.secret import verify_file_link
from tests.support.hub import HOST, ORIGIN, Browser, Hub, MakeHub

ADA = "ada@example.com"
BOB = "bob@example.com"
EVE = "eve@example.com"
PICTURE = {"name": "plan.png", "type": "image/png", "size": 48_213}


def minutes_of(text: str) -> bytes:
    """An update with one paragraph."""
    doc: Doc[XmlFragment] = Doc()
    paragraph = doc.get("default", type=XmlFragment).children.append(XmlElement("paragraph"))
    paragraph.children.append(XmlText(text))
    return doc.get_update()


@pytest.fixture
def ada(hub: Hub) -> Browser:
    hub.beat("fs", "fs.example.com:443")
    return hub.sign_in(ADA)


@pytest.fixture
def code(ada: Browser) -> str:
    return str(ada.schedule(invitees=[BOB])["code"])


def write(hub: Hub, browser: Browser, code: str, text: str) -> None:
    meeting_id = browser.get(f"/api/v1/meetings/{code}").json["id"]
    now = utc_now(hub.clock)
    row = {"meeting_id": meeting_id, "id": new_id(now), "data": minutes_of(text), "written_at": now}
    hub.sql(lambda transaction: transaction.execute(minutes_update.insert().values(**row)))


def test_the_minutes_are_there_as_html_and_text(hub: Hub, ada: Browser, code: str) -> None:
    assert ada.get(f"/api/v1/meetings/{code}/minutes").json == {
        "text": "",
        "html": "",
        "updated_at": None,
        "may_write": True,
    }
    write(hub, ada, code, "a < b & c")
    answer = ada.get(f"/api/v1/meetings/{code}/minutes").json
    assert answer["text"] == "a < b & c"
    assert answer["html"] == "<p>a &lt; b &amp; c</p>"
    assert answer["updated_at"].startswith("2026-11-23T12:00:")


def test_strangers_see_neither_minutes_nor_files(hub: Hub, ada: Browser, code: str) -> None:
    file = ada.post(f"/api/v1/meetings/{code}/files", PICTURE).json
    for browser, status in ((hub.browser(), 401), (hub.sign_in(EVE), 403)):
        assert browser.get(f"/api/v1/meetings/{code}/minutes").status == status
        assert browser.post(f"/api/v1/meetings/{code}/files", PICTURE).status == status
        assert browser.get(file["href"]).status == status
    assert hub.sign_in(BOB).get(file["href"]).status == 302


def test_a_file_is_announced_and_found_again(hub: Hub, ada: Browser, code: str) -> None:
    answer = ada.post(f"/api/v1/meetings/{code}/files", {**PICTURE, "name": "C:\\temp\\Pl\u00e4n 1.png"})
    assert answer.status == 201
    file = answer.json
    assert file["href"] == f"/files/{file['id']}"
    assert file["upload"]["method"] == "PUT"
    meeting_id = ada.get(f"/api/v1/meetings/{code}").json["id"]
    permit = urlsplit(file["upload"]["url"])
    assert permit.netloc == "fs.example.com:443" and permit.path == f"/objects/{file['id']}"
    link = verify_file_link(hub.secret, "PUT", permit.path, dict(parse_qsl(permit.query)), hub.clock.seconds())
    assert (link.meeting, link.size, link.name) == (meeting_id, 48_213, None)

    answer = ada.get(file["href"])
    assert answer.status == 302
    assert answer.headers["Cache-Control"] == "private, max-age=240"
    location = urlsplit(answer.headers["Location"])
    link = verify_file_link(hub.secret, "GET", location.path, dict(parse_qsl(location.query)), hub.clock.seconds())
    assert (link.meeting, link.size, link.name) == (meeting_id, None, "Pl\u00e4n 1.png")
    assert link.expires == int(hub.clock.seconds()) + 300


def test_without_a_file_server_one_is_asked_to_wait(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    answer = ada.post(f"/api/v1/meetings/{ada.instant()['code']}/files", PICTURE)
    assert (answer.status, answer.problem) == (503, "please-wait")
    assert answer.headers["Retry-After"]


def test_files_are_limited_for_a_person_and_for_a_meeting(make_hub: MakeHub) -> None:
    hub = make_hub("--filesPerPerson", "2", "--filesPerMeeting", "3", "--maxFileSize", "1MB")
    hub.beat("fs", "fs.example.com:443")
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    code = ada.schedule(invitees=[BOB])["code"]
    small = {**PICTURE, "size": 10}

    def add(browser: Browser) -> int:
        return browser.post(f"/api/v1/meetings/{code}/files", small).status

    assert [add(ada), add(ada), add(ada)] == [201, 201, 409]
    assert [add(bob), add(bob)] == [201, 409]
    answer = ada.post(f"/api/v1/meetings/{code}/files", {**PICTURE, "size": 1_000_001})
    assert (answer.status, answer.problem, answer.json["limit"]) == (413, "too-large", 1_000_000)


def test_the_bytes_of_a_person_are_limited(make_hub: MakeHub) -> None:
    hub = make_hub("--fileBytesPerPerson", "50KB")
    hub.beat("fs", "fs.example.com:443")
    ada = hub.sign_in(ADA)
    code = ada.instant()["code"]
    assert ada.post(f"/api/v1/meetings/{code}/files", PICTURE).status == 201
    answer = ada.post(f"/api/v1/meetings/{code}/files", PICTURE)
    assert (answer.status, answer.problem) == (409, "too-many-files")


@pytest.mark.parametrize(
    "wrong",
    [{"size": -1}, {"size": "many"}, {"name": ""}, {"name": "..."}, {"name": "x" * 1001}, {"colour": "red"}],
)
def test_a_file_that_cannot_be_is_a_bad_request(ada: Browser, code: str, wrong: dict[str, object]) -> None:
    assert ada.post(f"/api/v1/meetings/{code}/files", {**PICTURE, **wrong}).status == 400


def test_unknown_files_are_not_found(ada: Browser) -> None:
    assert ada.get(f"/files/{'0' * 32}").status == 404
    assert ada.get("/files/plan.png").status == 404


def test_another_sites_page_announces_nothing(ada: Browser, code: str) -> None:
    ada.origin = "https://evil.example"
    answer = ada.post(f"/api/v1/meetings/{code}/files", PICTURE)
    assert (answer.status, answer.problem) == (403, "origin")


def test_a_cancelled_meeting_is_only_read(hub: Hub, ada: Browser, code: str) -> None:
    write(hub, ada, code, "kept")
    assert ada.delete(f"/api/v1/meetings/{code}").status == 204
    answer = ada.get(f"/api/v1/meetings/{code}/minutes")
    assert answer.json["text"] == "kept" and answer.json["may_write"] is False
    assert ada.post(f"/api/v1/meetings/{code}/files", PICTURE).status == 403


def upgrade(browser: Browser, code: str, **headers: str) -> int:
    """Ask for the WebSocket; the status of the answer."""
    lines = {
        "Host": HOST,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        "Origin": ORIGIN,
        "Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items()),
        **headers,
    }
    head = "\r\n".join(f"{name}: {value}" for name, value in lines.items() if value)
    path = f"/api/v1/meetings/{code}/minutes/sync/{code}"
    transport = browser.hub.send(f"GET {path} HTTP/1.1\r\n{head}\r\n\r\n".encode())
    return int(transport.value().split()[1])


def test_who_may_not_is_refused_before_the_upgrade(hub: Hub, ada: Browser, code: str) -> None:
    assert upgrade(hub.browser(), code) == 401
    assert upgrade(hub.sign_in(EVE), code) == 403
    assert upgrade(ada, code, Origin="https://evil.example") == 403
    assert upgrade(ada, code, Origin="") == 403
    assert upgrade(ada, "abc-defg-hij") == 404
    assert ada.get(f"/api/v1/meetings/{code}/minutes/sync/{code}").status == 426
