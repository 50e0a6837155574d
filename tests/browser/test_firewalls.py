"""Two people in networks that let only some things out: the call connects, and the page says by which way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.browser.deployment import Deployment
from tests.browser.person import Person

Close = Callable[[str], None]


@contextmanager
def closed(what: str) -> Iterator[None]:
    """Nothing of this kind (in words of `ip rule`) leaves a socket in the test's network; what was open breaks."""
    rule = ["pref", "5", *what.split(), "prohibit"]
    subprocess.run(["ip", "rule", "add", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "rule", "del", *rule], check=True)


@pytest.fixture
def firewall() -> Iterator[Close]:
    """Closes ways one by one; opens them all in the end. Local addresses are looked up after its rules, not before."""
    subprocess.run(["ip", "rule", "add", "pref", "10", "lookup", "local"], check=True)
    subprocess.run(["ip", "rule", "del", "pref", "0"], check=True)
    with ExitStack() as stack:
        stack.callback(subprocess.run, ["ip", "rule", "del", "pref", "10"], check=True)
        stack.callback(subprocess.run, ["ip", "rule", "add", "pref", "0", "lookup", "local"], check=True)
        yield lambda what: stack.enter_context(closed(what))


def meet(ana: Person, ben: Person) -> None:
    ana.sign_in()
    ben.sign_in()
    link = ana.open_instant_meeting()
    for person in (ana, ben):
        person.join(link)
    for person in (ana, ben):
        person.sees(within=60)
        person.hears(within=60)


def test_where_everything_is_open_people_are_connected_directly(ana_and_ben_in_the_demo: tuple[Person, Person]) -> None:
    meet(*ana_and_ben_in_the_demo)
    for person in ana_and_ben_in_the_demo:
        person.page.get_by_text("Connected directly").wait_for()


def test_where_no_udp_gets_out_people_are_connected_over_tcp(
    ana_and_ben_in_the_demo: tuple[Person, Person], firewall: Close
) -> None:
    firewall("ipproto udp")
    meet(*ana_and_ben_in_the_demo)
    for person in ana_and_ben_in_the_demo:
        person.page.get_by_text("Connected over TCP").wait_for()


def test_where_only_the_port_of_https_gets_out_media_takes_it_too(
    ana_and_ben_deployed: tuple[Person, Person], deployed: Deployment, firewall: Close
) -> None:
    firewall("ipproto udp")
    firewall(f"ipproto tcp dport {deployed.media_port}")
    meet(*ana_and_ben_deployed)
    for person in ana_and_ben_deployed:
        person.page.get_by_text("Connected over TCP").wait_for()
