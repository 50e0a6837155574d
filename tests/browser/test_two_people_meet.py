"""The whole product, seen from two browsers: from a mailed code to a picture in the minutes."""

from __future__ import annotations

from tests.browser.person import Person
from tests.browser.scenario import meet_and_work_together


def test_two_people_meet_in_the_demo(ana_and_ben_in_the_demo: tuple[Person, Person]) -> None:
    ana, ben = ana_and_ben_in_the_demo
    meet_and_work_together(ana, ben)
    assert "relay" not in ana.ways() | ben.ways()
    assert all("GCM" in profile for profile in ana.srtp_profiles() | ben.srtp_profiles())
    ana.leave()
    ben.leave()


def test_two_people_meet_through_the_turnserver(ana_and_ben_in_the_demo: tuple[Person, Person]) -> None:
    ana, ben = ana_and_ben_in_the_demo
    meet_and_work_together(ana, ben, relay=True)
    assert ana.ways() == ben.ways() == {"relay"}


def test_two_people_meet_when_the_five_are_processes_on_mariadb(ana_and_ben_deployed: tuple[Person, Person]) -> None:
    ana, ben = ana_and_ben_deployed
    meet_and_work_together(ana, ben)
    assert "relay" not in ana.ways() | ben.ways()
