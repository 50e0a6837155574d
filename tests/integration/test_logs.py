"""What the five write down and show while people use them: no secret, code, cookie, token, signature or password."""

import base64
import json
import re
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from livekit.protocol.rtc import LeaveRequest

from meeting.daemon.secret import Secret
from tests.integration.sfuserver.sockets import connect
from tests.support.deadlines import deadline
from tests.support.mailbox import Mailbox
from tests.support.processes import SECRET, Daemon
from tests.unit.fsserver.file_server import png

PICTURE = png(3, 2)
EMAIL = "ada@example.com"


def ask(method: str, url: str, body: Any = None, **headers: str) -> tuple[int, Any, bytes]:
    """Status, headers, body; `body` as JSON unless it is bytes."""
    parts = urlsplit(url)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body)
    kind = {"Content-Type": "application/json"} if isinstance(data, str) else {}
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.request(
        method,
        f"{parts.path}?{parts.query}" if parts.query else parts.path,
        data,
        {"Origin": f"http://{parts.netloc}", **kind, **headers},
    )
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def cookie_in(headers: Any) -> str:
    return str(headers["Set-Cookie"]).partition(";")[0]


def sign_in(hub: str, mailbox: Mailbox, secrets: dict[str, str]) -> str:
    """The session's cookie; on the way a wrong code is tried."""
    assert ask("POST", f"{hub}/api/v1/sign-in/codes", {"email": EMAIL})[0] == 202
    secrets["code"] = code = mailbox.code_for(EMAIL)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    assert ask("POST", f"{hub}/api/v1/sign-in", {"email": EMAIL, "code": wrong})[0] == 401
    status, headers, _ = ask("POST", f"{hub}/api/v1/sign-in", {"email": EMAIL, "code": code})
    assert status == 200
    secrets["cookie"] = cookie_in(headers).partition("=")[2]
    return cookie_in(headers)


def join(hub: str, code: str, cookie: str, body: dict[str, str]) -> tuple[dict[str, str], Any]:
    """The answer to a join, and its headers."""
    status, headers, content = ask("POST", f"{hub}/api/v1/meetings/{code}/join", body, Cookie=cookie)
    assert status == 200, content
    return json.loads(content), headers


def upload(hub: str, code: str, cookie: str, secrets: dict[str, str]) -> None:
    """A picture, sent and read again; then read with a link that was changed."""
    about = {"name": "plan.png", "type": "image/png", "size": len(PICTURE)}
    status, _, content = ask("POST", f"{hub}/api/v1/meetings/{code}/files", about, Cookie=cookie)
    assert status == 201, content
    announced = json.loads(content)
    permit = announced["upload"]["url"]
    secrets["permit"] = parse_qs(urlsplit(permit).query)["signature"][0]
    assert ask("PUT", permit, PICTURE)[0] == 201
    link = ask("GET", hub + announced["href"], Cookie=cookie)[1]["Location"]
    secrets["link"] = parse_qs(urlsplit(link).query)["signature"][0]
    assert ask("GET", link)[0] == 200
    assert ask("GET", link.replace("name=", "name=x"))[0] == 403


@deadline(240)
async def test_nothing_secret_is_written_down(daemons: dict[str, Daemon], mailbox: Mailbox, tmp_path: Path) -> None:
    for daemon in daemons.values():
        daemon.wait_until_ready()
        if daemon.name != "apiserver":
            daemon.wait_for("registered with the hub")
    secret = Secret(SECRET)
    secrets = {"secret": SECRET, "LiveKit secret": secret.token_key, "mail password": "the password of the mail server"}
    for purpose in ("daemon-request", "turn-credential", "file-link", "sign-in-code"):
        secrets[purpose] = secret.key(purpose).hex()
    hub = next(line for line in (tmp_path / "fsserver.toml").read_text().splitlines() if line.startswith("apiserver"))
    hub = json.loads(hub.partition(" = ")[2])

    cookie = sign_in(hub, mailbox, secrets)
    code = json.loads(ask("POST", f"{hub}/api/v1/meetings", {"kind": "instant"}, Cookie=cookie)[2])["code"]
    host, _ = join(hub, code, cookie, {"device": "abcdefgh"})
    guest, headers = join(hub, code, "", {"device": "hgfedcba", "name": "Grace"})
    secrets |= {"host's token": host["token"], "guest's token": guest["token"]}
    secrets["guest's cookie"] = cookie_in(headers).partition("=")[2]

    address = host["url"].removeprefix("ws://")
    socket = await connect(address, f"/rtc?access_token={host['token']}")
    ice = (await socket.first("join")).ice_servers
    secrets["turn password"] = next(server.credential for server in ice if server.credential)
    socket.ask(leave=LeaveRequest())
    await socket.until(lambda: socket.closed is not None)
    assert ask("GET", f"http://{address}/rtc/validate?access_token={guest['token']}")[0] == 200
    assert ask("GET", f"http://{address}/rtc/validate", Authorization=f"Bearer {guest['token']}x")[0] == 401
    upload(hub, code, cookie, secrets)
    assert mailbox.passwords == {secrets["mail password"]}

    pages = {
        f"{path} of {name}": daemon.page(path)[1]
        for name, daemon in daemons.items()
        for path in ("/state", "/metrics", "/readyz")
    }
    for name in reversed(daemons):
        daemons[name].terminate()
        daemons[name].wait()
    logs = {f"log of {name}": daemon.text for name, daemon in daemons.items()}
    for place, text in logs.items():
        for line in text.splitlines():
            assert isinstance(json.loads(line), dict), f"{place}: not JSON: {line}"
    assert "/rtc/validate" in logs["log of sfuserver"] and "/api/v1/sign-in" in logs["log of apiserver"]
    assert "/objects/" in logs["log of fsserver"] and "/allocate" in logs["log of allocateserver"]
    for what, value in secrets.items():
        # Also not in base64, in which user names and passwords travel. The code's six digits stand for themselves:
        # within a longer number they are chance.
        for form in (value, base64.b64encode(value.encode()).decode().rstrip("=")):
            alone = re.compile(rf"(?<![\w.-]){re.escape(form)}(?![\w.])" if what == "code" else re.escape(form))
            holders = [place for place, text in (logs | pages).items() if alone.search(text)]
            assert holders == [], f"{what} is in {holders}"
