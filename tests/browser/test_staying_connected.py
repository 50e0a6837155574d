"""What a call survives without anybody noticing a leave: a lost signalling socket, and another network."""

from __future__ import annotations

import json
from time import monotonic
from typing import Any

import pytest

from tests.browser.apart import Apart
from tests.browser.browsers import eventually
from tests.browser.deployment import Deployment
from tests.browser.person import Person

CUT = 12.0
"""Seconds; the sfuserver waits for 30."""

#: Remembers how few pictures of others the page ever showed from now on.
WATCH = """
() => {
  const others = () => document.querySelectorAll('video[data-source="camera"]:not([aria-label$="(you)"])').length;
  window.fewest = others();
  setInterval(() => { window.fewest = Math.min(window.fewest, others()); }, 50);
}
"""


@pytest.fixture
def in_a_call(apart: Apart) -> tuple[Person, Person]:
    """Ana and Ben, each in a network of their own, seeing each other."""
    ana, ben = apart.people()
    ana.sign_in()
    link = ana.open_instant_meeting()
    ana.join(link)
    ben.join(link, name="Ben")
    for person in (ana, ben):
        person.sees(within=60)
        person.page.evaluate(WATCH)
    return ana, ben


def sessions(deployed: Deployment) -> dict[str, Any]:
    """Of the people in the sfuserver's only room: what it knows of each, by SID."""
    rooms = json.loads(deployed.processes["sfuserver"].page("/state")[1])["rooms"]
    return {person["sid"]: person for room in rooms.values() for person in room["participants"].values()}


def test_while_the_signalling_is_cut_media_flows_on_and_afterwards_everything_does(
    apart: Apart, in_a_call: tuple[Person, Person]
) -> None:
    ana, ben = in_a_call
    before = sessions(apart.deployed)
    uplink = apart.networks[0].uplink
    socket = ana.signalling[-1]
    uplink.refuse(f"tcp dport {apart.deployed.signalling_port}", "tcp reset")
    eventually("Ana's socket is lost", socket.is_closed, page=ana.page)
    end = monotonic() + CUT
    while monotonic() < end:
        for person in (ana, ben):
            person.sees(within=3)
    uplink.pass_all()
    ana.page.get_by_role("button", name="Mute microphone").click()
    eventually(
        "what Ana does arrives again",
        lambda: any(t["muted"] for each in sessions(apart.deployed).values() for t in each["tracks"].values()),
        page=ana.page,
    )
    for person in (ana, ben):
        person.sees(within=3)
        assert person.page.evaluate("window.fewest") == 1
    assert sessions(apart.deployed).keys() == before.keys()


def test_who_walks_out_of_the_wlan_stays_in_the_call_by_phone(apart: Apart, in_a_call: tuple[Person, Person]) -> None:
    ana, ben = in_a_call
    before = sessions(apart.deployed)
    network = apart.networks[0]
    phone = network.another_uplink("wan1")
    network.uplink.pull()
    phone.open()
    for person in (ana, ben):
        person.sees(within=20)
    for person in (ana, ben):
        person.hears()
        assert person.page.evaluate("window.fewest") == 1
    assert sessions(apart.deployed).keys() == before.keys()
