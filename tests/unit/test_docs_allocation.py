"""What docs/operations/allocation.md shows works: its files are read, its example is run."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from meeting.allocateserver.configuration import configuration
from meeting.allocateserver.options import Options
from meeting.apiserver.allocation import rules
from tests.support.processes import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "operations" / "allocation.md").read_text()
FILES = re.findall(r"(?:^    # (scheduled[^\n]*)\n((?:    [^\n]*\n)+))", PAGE, re.MULTILINE)
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("schemes", "lines"), FILES, ids=[schemes for schemes, _ in FILES])
def test_each_file_that_the_page_shows_is_one_that_the_allocateserver_takes(
    tmp_path: Path, schemes: str, lines: str
) -> None:
    text = textwrap.dedent(lines).replace("/etc/meeting/secret", str(tmp_path / "secret"))
    (tmp_path / "secret").write_text("a secret of the tests, long enough")
    file = tmp_path / "allocateserver.toml"
    file.write_text(text)
    options = Options()
    options.environment = {}  # type: ignore[misc]
    options.parseOptions(["--config", str(file)])
    kinds = configuration(options).kinds
    shown = {
        "scheduled": "scheduled: on-demand" in schemes or "scheduled and instant: on-demand" in schemes,
        "instant": "instant: on-demand" in schemes,
    }
    assert {use: use in kinds for use in shown} == shown


def test_all_four_schemes_are_shown() -> None:
    assert len(FILES) == 4


def test_the_example_of_an_allocateserver_of_ones_own_answers_as_the_hub_wants_it(tmp_path: Path) -> None:
    assert len([line for line in PROGRAM.splitlines() if line.strip()]) <= 30
    port = free_port()
    program = tmp_path / "allocate.py"
    program.write_text(PROGRAM.replace("8085", str(port)).replace("FULL: set[int] = set()", "FULL = {2}"))
    running = subprocess.Popen([sys.executable, program], stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/allocate"
        meeting = "&BeginAt=1795442400&EndAt=1795446000"
        servers = rules.parse_servers(answer(f"{url}?Kind=SFUTURN&Email=ada@paris.example.com{meeting}")[1])
        assert servers == rules.Servers("sfu2.example.com:443", "203.0.113.2:3478")
        status, said = answer(f"{url}?Kind=SFUTURN&Email=ada@paris.example.com&BeginAt=0&EndAt=0")
        assert (status, said) == (503, {"detail": "Site 2 is full."})
        assert (
            rules.parse_file_server(answer(f"{url}?Kind=FS&Email=ada@berlin.example.com")[1]) == "fs1.example.com:443"
        )
    finally:
        running.kill()
        running.wait()


def answer(url: str) -> tuple[int, Any]:
    """Its answer, as soon as it listens."""
    for _ in range(200):
        try:
            with urlopen(url, timeout=5) as found:
                return found.status, json.loads(found.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())
        except URLError:
            subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError("it does not listen")
