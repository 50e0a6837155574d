"""Signing in by somebody else's OpenID Connect provider, as processes: oidc-provider-mock with Authlib in it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlencode, urlsplit

import pytest

from tests.integration.minutes.hubs import Hub
from tests.support.processes import free_port, page

ADA = {"sub": "ada", "email": "ada@example.com", "email_verified": True, "name": "Ada L", "groups": ["chiefs"]}


@pytest.fixture
def issuer() -> Iterator[str]:
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "oidc-provider-mock"),
        "-p",
        str(port),
        "--user-claims",
        json.dumps(ADA),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as provider:
        url = f"http://127.0.0.1:{port}"
        end = monotonic() + 60
        while page(f"{url}/.well-known/openid-configuration")[0] != 200:
            assert monotonic() < end and provider.poll() is None
            sleep(0.1)
        yield url
        provider.terminate()


def go(url: str, cookie: str, form: dict[str, str] | None = None) -> tuple[str, list[str]]:
    """Where a page sends the browser, and the cookies it sets."""
    parts = urlsplit(url)
    connection = HTTPConnection("127.0.0.1", parts.port or 80, timeout=20)
    headers = {"Cookie": cookie, "Host": parts.netloc, "Content-Type": "application/x-www-form-urlencoded"}
    body = None if form is None else urlencode(form)
    connection.request("GET" if form is None else "POST", f"{parts.path}?{parts.query}", body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status in (302, 303), answer.status
    cookies = [line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie") or ()]
    return answer.headers["Location"], cookies


def test_a_real_provider_signs_in(tmp_path: Path, issuer: str) -> None:
    hub = Hub(tmp_path, oidcIssuer=issuer, oidcClientId="meeting", oidcClientSecret="a secret of the client")
    hub.start()
    try:
        there, (bound,) = go(f"{hub.origin}/api/v1/sign-in/oidc?next=/account", "")
        back, _ = go(there, "", {"sub": "ada"})
        onward, cookies = go(back, bound)
        assert onward == "/account"
        session = next(each for each in cookies if each.startswith("meeting_session="))
        _, me, _ = hub.request("GET", "/api/v1/me", cookie=session)
        assert (me["person"]["email"], me["person"]["name"]) == ("ada@example.com", "Ada L")
        assert go(back, bound)[0] == "/sign-in?problem=state", "good once"
    finally:
        hub.kill()
