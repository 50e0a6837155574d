"""LiveKit's own Python SDK and a browser in one meeting, on both forms of the protocol."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.browser.person import Person

PROGRAM = Path(__file__).with_name("python_sdk.py")
STAY = 30.0


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_the_python_sdk_and_a_browser_see_and_hear_each_other(
    version: str, ana_and_ben_in_the_demo: tuple[Person, Person]
) -> None:
    ana, _ = ana_and_ben_in_the_demo
    ana.sign_in()
    link = ana.open_instant_meeting()
    ana.join(link)
    place = _place_for_a_guest(ana.url, link.rpartition("/")[2])
    arguments = [sys.executable, str(PROGRAM), place["url"], place["token"], version, str(STAY)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as sdk:
        try:
            ana.sees(within=STAY)
            ana.hears()
        except AssertionError as unseen:
            sdk.kill()
            raise AssertionError(f"{unseen}; the SDK wrote: {sdk.communicate()}") from unseen
        output, errors = sdk.communicate(timeout=STAY + 60)
    assert sdk.returncode == 0, errors
    got = json.loads(output)
    assert got["video frames"] > 10
    assert got["loudest"] > 1000


def _place_for_a_guest(url: str, code: str) -> dict[str, Any]:
    body = json.dumps({"device": "pythonsd", "name": "Python"}).encode()
    headers = {"Content-Type": "application/json", "Origin": url}
    with urlopen(Request(f"{url}/api/v1/meetings/{code}/join", body, headers), timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
