"""Where the demo is, and what it says of a machine on which browsers will get no media."""

from pathlib import Path

import pytest
from twisted.python.usage import UsageError

from meeting.demo import DemoOptions, welcome, where

ONLY_LOOPBACK = ["127.0.0.1", "::1"]


def demo_options(directory: Path, *arguments: str) -> DemoOptions:
    options = DemoOptions()
    options.parseOptions(["--stateDirectory", str(directory), *arguments])
    return options


@pytest.mark.parametrize("addresses", [ONLY_LOOPBACK, ["127.0.0.53"], ["::1", "fe80::1"], []])
def test_without_an_address_it_says_that_there_will_be_no_media(tmp_path: Path, addresses: list[str]) -> None:
    place = where(demo_options(tmp_path), addresses)
    assert (place.public_url, place.media) == ("http://localhost:8080", None)
    said = welcome(place, tmp_path)
    assert "no network address but the loopback" in said
    assert "Connect any network and start again" in said


@pytest.mark.parametrize("addresses", [[*ONLY_LOOPBACK, "192.0.2.2", "fd00::2"], ["::1", "fd00::2"]])
def test_with_one_it_says_nothing_of_it(tmp_path: Path, addresses: list[str]) -> None:
    place = where(demo_options(tmp_path, "--port", "8090"), addresses)
    assert place.media == next(each for each in addresses if each not in ONLY_LOOPBACK)
    said = welcome(place, tmp_path)
    assert "loopback" not in said and "http://localhost:8090" in said


def test_a_network_cannot_be_served_without_an_address(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no address but the loopback; connect it to a network"):
        where(demo_options(tmp_path, "--lan"), ONLY_LOOPBACK)


def test_a_network_is_served_under_the_machines_address(tmp_path: Path) -> None:
    place = where(demo_options(tmp_path, "--lan"), [*ONLY_LOOPBACK, "192.0.2.2"])
    assert place.public_url == "https://192.0.2.2:8443"
    assert place.inside_url.startswith("http://localhost:")
    assert "self-signed" in welcome(place, tmp_path)
