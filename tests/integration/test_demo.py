"""`meeting demo` as a person starts it: what it prints, what it serves behind one port, and that it ends."""

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from meeting.daemon.converters import HostPort
from meeting.sfuserver.addresses import choose_addresses, interface_addresses
from meeting.stun import AttributeType, Class, Message, Method
from meeting.turnserver.check import check_tls
from tests.support.processes import MEETING, STARTING, Process, free_port


class Demo(Process):
    """A demo that is running."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        ports = ["--mediaPort", str(free_port()), "--turnPort", str(free_port())]
        super().__init__(
            ["demo", "--stateDirectory", directory / "state", *ports, *arguments],
            directory / "demo.log",
            {"MEETING_SECRET": "it is not for the demo"},
        )

    def wait_for(self, what: str, probe: Callable[[str], Any], seconds: float = STARTING) -> Any:
        """What `probe` finds in what was printed."""
        end = monotonic() + seconds
        while True:
            found = probe(self.text)
            if found:
                return found
            assert self.is_running, f"the demo has ended:\n{self.text}"
            assert monotonic() < end, f"{what} did not come:\n{self.text}"
            sleep(0.1)


@contextmanager
def running(directory: Path, *arguments: str) -> Iterator[Demo]:
    demo = Demo(directory, *arguments)
    demo.start()
    try:
        yield demo
    finally:
        demo.kill()


def ask(url: str, body: Any = None, cafile: str | None = None) -> tuple[int, str]:
    """A GET, or a POST of `body` from a page of the same origin: status and text; (0, "") when nobody listens."""
    origin = "/".join(url.split("/")[:3])
    request = Request(url, headers={"Origin": origin})
    if body is not None:
        request = Request(url, json.dumps(body).encode(), {"Origin": origin, "Content-Type": "application/json"})
    context = ssl.create_default_context(cafile=cafile) if cafile else None
    try:
        with urlopen(request, timeout=10, context=context) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except (URLError, OSError):
        return 0, ""


def test_the_demo_serves_all_five_behind_one_port_and_prints_the_code(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    with running(tmp_path, "--port", str(port)) as demo:
        demo.wait_for("the word that it runs", lambda printed: f"Open  {url}\n" in printed)
        assert f"{url}/mailbox" in demo.text

        assert ask(f"{url}/")[0] == 200
        assert json.loads(ask(f"{url}/api/v1/me")[1])["server"]["demo"] is True
        assert ask(f"{url}/rtc/v1/validate")[0] == 401
        assert ask(f"{url}/twirp/livekit.RoomService/ListRooms", {})[0] == 401
        assert ask(f"{url}/objects/0123456789abcdef0123456789abcdef")[0] == 403
        assert ask(f"{url}/allocate?Kind=FS&Email=a")[0] == 401, "the hub signs its questions, nobody else may ask"

        assert ask(f"{url}/api/v1/sign-in/codes", {"email": "ada@example.com"})[0] == 202
        code = demo.wait_for(
            "the code", lambda printed: re.search(r"Mail to ada@example\.com: .*?(\d{6})", printed), 20
        )
        assert ask(f"{url}/api/v1/sign-in", {"email": "ada@example.com", "code": code[1]})[0] == 200
        assert code[1] in ask(f"{url}/mailbox")[1]

        demo.terminate()
        assert demo.wait() == 0, demo.text
    assert "Traceback" not in demo.text


def test_the_demo_of_a_network_has_one_tls_port(tmp_path: Path) -> None:
    addresses = [address.bound for address in choose_addresses(interface_addresses())]
    if addresses[0] in ("127.0.0.1", "::1"):
        done = subprocess.run([MEETING, "demo", "--lan"], capture_output=True, text=True, timeout=60)
        assert (done.returncode, "no address but the loopback" in done.stderr) == (2, True)
        return
    port, turn_tls = free_port(), free_port()
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    url = f"https://{host}:{port}"
    with running(tmp_path, "--lan", "--port", str(port), "--turnTlsPort", str(turn_tls)) as demo:
        demo.wait_for("the word that it runs", lambda printed: f"Open  {url}\n" in printed)
        cafile = str(tmp_path / "state" / "self-signed.pem")
        assert ask(f"{url}/", cafile=cafile)[0] == 200
        assert ask(f"{url}/rtc/v1/validate", cafile=cafile)[0] == 401
        assert ask(f"{url}/api/v1/sign-in/codes", {"email": "ada@example.com"}, cafile)[0] == 202
        said: list[str] = []
        assert check_tls(HostPort(addresses[0], turn_tls), [Path(cafile)], said.append), said
        assert "answers" in said[0]
        with socket.create_connection((addresses[0], port), 5) as media:
            # The check of a call that nobody has (RFC 4571 framing) waits where media waits; as TLS it would be ended.
            check = Message(Class.REQUEST, Method.BINDING, bytes(12), [(AttributeType.USERNAME, b"none:none")]).build()
            media.sendall(len(check).to_bytes(2) + check)
            media.settimeout(1)
            with pytest.raises(TimeoutError):
                media.recv(100)
        with socket.create_connection((addresses[0], port), 5) as stranger:
            stranger.settimeout(5)
            stranger.sendall(bytes([0, 32, 255]) + bytes(31))
            # As TLS it is none: an alert, the end, or a reset.
            with suppress(ConnectionResetError):
                assert stranger.recv(100)[:1] in (b"", b"\x15")
        demo.terminate()
        assert demo.wait() == 0, demo.text


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        arguments = ["--port", str(number), "--stateDirectory", str(tmp_path)]
        done = subprocess.run([MEETING, "demo", *arguments], capture_output=True, text=True, timeout=90)
    assert done.returncode == 2, done.stderr
    assert f"cannot listen on 127.0.0.1:{number}" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--port", "x"], ["--secret", "x"], ["extra"]])
def test_wrong_options_end_with_status_2(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "meeting", "demo", *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("meeting demo: ")
