"""A hub and an allocateserver as processes; the machines are sfuservers that the allocateserver starts beside them."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support.processes import SECRET, Daemon, free_port

UNUSED = 600
MACHINES = """
[instant]
scheme = "on-demand"
addresses = ["127.0.0.1:{first}", "127.0.0.1:{second}"]
unused = "{unused}s"
[machines]
provisioner = "local"
look = "1s"
settle = "3s"
reconcile = "2s"
watch = "2s"
[machines.sfuserver]
plainHttp = "127.0.0.1:{{port}}"
publicUrl = "http://127.0.0.1:{{port}}"
mediaPort = "{{port}}"
mediaAddress = ["127.0.0.1"]
"""


class Person:
    """Somebody with a session at the hub."""

    def __init__(self, hub: str, email: str) -> None:
        self._hub = hub
        self._cookie = ""
        assert self.ask("POST", "/api/v1/sign-in/codes", {"email": email})[0] == 202
        mails = self.ask("GET", "/api/v1/demo/mails")[1]["mails"]
        text = next(mail["text"] for mail in mails if mail["to"] == email)
        code = re.search(r"^ +(\d{6})$", text, re.MULTILINE)
        assert code is not None
        assert self.ask("POST", "/api/v1/sign-in", {"email": email, "code": code[1]})[0] == 200
        self.code = self.ask("POST", "/api/v1/meetings", {"kind": "instant"})[1]["code"]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Origin": self._hub, "Cookie": self._cookie, "Content-Type": "application/json"}
        try:
            with urlopen(Request(self._hub + path, data, headers, method=method), timeout=20) as answer:
                self._cookie = (answer.headers["Set-Cookie"] or self._cookie).partition(";")[0]
                return answer.status, json.loads(answer.read() or b"null")
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def join(self) -> tuple[int, Any]:
        """Once."""
        return self.ask("POST", f"/api/v1/meetings/{self.code}/join", {"device": "abcdefgh"})


def until(what: str, found: Callable[[], Any], daemon: Daemon, within: float = 90.0) -> Any:
    """What `found` gives as soon as it is something."""
    end = monotonic() + within
    while not (result := found()):
        assert monotonic() < end, f"{what} did not come\n{daemon.tail()}"
        sleep(0.2)
    return result


def sfuservers(directory: Path) -> list[int]:
    """The processes that the allocateserver has started here."""
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode() if entry.name.isdecimal() else ""
        except OSError:
            continue
        if "sfuserver" in line and str(directory / "state" / "machines") in line:
            pids.append(int(entry.name))
    return sorted(pids)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[str, Daemon]]:
    """The hub's address, and its allocateserver; both run."""
    (tmp_path / "secret").write_text(SECRET)
    ports = [free_port() for _ in range(4)]
    hub_url = f"http://localhost:{ports[0]}"
    shared = {"logLevel": "debug"}
    hub = Daemon(
        "apiserver",
        tmp_path,
        {
            **shared,
            "demo": True,
            "domainaddress": f"localhost:{ports[0]}",
            "publicUrl": hub_url,
            "plainHttp": f"127.0.0.1:{ports[0]}",
            "stateDirectory": str(tmp_path / "hub"),
            "allocateserver": f"http://127.0.0.1:{ports[1]}/allocate",
        },
    )
    allocate = Daemon(
        "allocateserver",
        tmp_path,
        {
            **shared,
            "plainHttp": f"127.0.0.1:{ports[1]}",
            "apiserver": hub_url,
            "stateDirectory": str(tmp_path / "state"),
        },
        MACHINES.format(first=ports[2], second=ports[3], unused=UNUSED),
    )
    daemons = (hub, allocate)
    try:
        for daemon in daemons:
            daemon.start()
        for daemon in daemons:
            daemon.wait_until_ready()
        yield hub_url, allocate
    finally:
        for daemon in daemons:
            daemon.kill()
        for pid in sfuservers(tmp_path):
            os.kill(pid, signal.SIGKILL)


def test_a_machine_comes_when_it_is_asked_for_and_goes_when_nobody_needs_it(
    pair: tuple[str, Daemon], tmp_path: Path
) -> None:
    hub, allocate = pair
    ada = Person(hub, "ada@example.com")
    status, waits = ada.join()
    assert (status, waits["type"], waits["reason"]) == (503, "urn:meeting:problem:please-wait", "refused")

    def joined(person: Person) -> Any:
        status, answer = person.join()
        return answer if status == 200 else None

    first = until("Ada's machine", lambda: joined(ada), allocate)
    (machine,) = sfuservers(tmp_path)
    (written,) = (tmp_path / "state/machines").glob("*/sfuserver.toml")
    assert SECRET not in written.read_text() and written.stat().st_mode & 0o77 == 0
    validate = first["url"].replace("ws://", "http://") + "/rtc/validate"
    with urlopen(Request(validate, headers={"Authorization": f"Bearer {first['token']}"}), timeout=5) as answer:
        assert answer.status == 200

    # Killed while a second one is being made: it is found again, or made once more, and none is lost.
    bob = Person(hub, "bob@example.com")
    bob.join()
    allocate.kill()
    assert machine in sfuservers(tmp_path), "calls go on without the allocateserver"
    allocate.start()
    allocate.wait_until_ready()
    second = until("Bob's machine", lambda: joined(bob), allocate)
    assert second["url"] != first["url"]
    assert len(sfuservers(tmp_path)) == 2 and machine in sfuservers(tmp_path)
    assert joined(ada)["url"] == first["url"]

    # With a time that is soon over, both are unused.
    allocate.kill()
    file = tmp_path / "allocateserver.toml"
    file.write_text(file.read_text().replace(f'"{UNUSED}s"', '"5s"'))
    allocate.start()
    until("the end of both", lambda: not sfuservers(tmp_path), allocate)
    place = tmp_path / "state" / "machines"
    until("an empty place", lambda: [each.name for each in place.iterdir()] == ["secret"], allocate)
