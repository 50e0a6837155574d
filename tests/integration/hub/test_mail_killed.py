"""kill -9 in the middle of a queue: every mail arrives; twice only those whose 250 was on its way."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from threading import Lock
from time import monotonic, sleep, time
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller

from tests.support.processes import SECRET, Daemon, free_port

MAILS = 200
AT_ONCE = 8
"""As many as a hub sends at the same time: more cannot be between the server's answer and the hub at a kill."""
WITHIN = 120.0


class Recorder:
    """Takes every mail and remembers its Message-ID."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self._lock = Lock()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        identity = str(message_from_bytes(envelope.content)["Message-ID"])
        with self._lock:
            self.taken[identity] += 1
        return "250 taken"

    @property
    def count(self) -> int:
        with self._lock:
            return len(self.taken)


@pytest.fixture
def recorder() -> Iterator[tuple[Recorder, int]]:
    """A mail server, and its port."""
    recorder = Recorder()
    controller = Controller(recorder, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield recorder, int(controller.port)
    controller.stop()


def test_all_arrive_and_none_twice_but_at_the_instant_of_the_kill(
    tmp_path: Path, recorder: tuple[Recorder, int], capsys: pytest.CaptureFixture[str]
) -> None:
    server, port = recorder
    (tmp_path / "secret").write_text(SECRET)
    settings: dict[str, object] = {
        "domainaddress": "localhost:443",
        "plainHttp": f"127.0.0.1:{free_port()}",
        "stateDirectory": str(tmp_path),
        "mailServer": ["127.0.0.1"],
        "mailPort": [port],
        "mailFrom": ["meet@example.com"],
    }
    hub = Daemon("apiserver", tmp_path, settings)
    hub.start()
    try:
        hub.wait_until_ready()
        queue(tmp_path / "apiserver.sqlite", MAILS)
        wait_for(hub, server, MAILS // 2)
        hub.kill()
        at_the_kill = server.count
        assert at_the_kill < MAILS, "killed in the middle"
        hub.start()
        end = monotonic() + WITHIN
        while left(tmp_path / "apiserver.sqlite"):
            assert hub.is_running and monotonic() < end, f"{server.count} mails arrived\n{hub.tail()}"
            sleep(0.2)
    finally:
        hub.kill()
    again = sum(server.taken.values()) - MAILS
    with capsys.disabled():
        print(f"\n{MAILS} mails, killed after {at_the_kill}: {server.count} arrived, {again} twice")  # noqa: T201  a figure
    assert server.count == MAILS
    assert max(server.taken.values()) <= 2
    assert again <= AT_ONCE


def queue(file: Path, count: int) -> None:
    """As if that many had been posted."""
    now = int(time() * 1_000_000)
    columns = "id, state, recipient, subject, text, wipe, created_at, due_at, expires_at, attempts"
    database = sqlite3.connect(file, timeout=20)
    with database:
        for number in range(count):
            row = (uuid4().bytes, "queued", f"p{number}@example.com", "S", "T", 0, now, now, now + 10**10, 0)
            database.execute(f"INSERT INTO mail ({columns}) VALUES ({', '.join('?' * len(row))})", row)
    database.close()


def left(file: Path) -> int:
    """How many are not written down as sent."""
    database = sqlite3.connect(file, timeout=20)
    (number,) = database.execute("SELECT count(*) FROM mail WHERE state != 'sent'").fetchone()
    database.close()
    return int(number)


def wait_for(hub: Daemon, server: Recorder, count: int) -> None:
    end = monotonic() + WITHIN
    while server.count < count:
        assert hub.is_running and monotonic() < end, f"{server.count} mails arrived\n{hub.tail()}"
        sleep(0.005)
