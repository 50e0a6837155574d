"""Two who have the key see, hear and read one another; whoever has another one gets packets and nothing else."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Request, expect

from tests.browser.browsers import eventually, peer_statistics
from tests.browser.person import Person

WITHIN = 30_000
#: Well formed, and of no meeting.
ANOTHER = "00000-00000-00000-00000-00000"


def received(person: Person) -> dict[str, int]:
    """Packets that came, and what was decoded of them: pictures, and samples of sound that were not made up."""
    rows: list[dict[str, Any]] = [row for row in peer_statistics(person.page) if row["type"] == "inbound-rtp"]
    return {
        "packets": sum(row["packetsReceived"] for row in rows),
        "pictures": sum(row.get("framesDecoded", 0) for row in rows),
        "samples": sum(row.get("totalSamplesReceived", 0) - row.get("concealedSamples", 0) for row in rows),
    }


def test_only_those_with_the_key_see_hear_and_read(host_member_and_guest: tuple[Person, Person, Person]) -> None:
    ana, ben, eve = host_member_and_guest
    sent: list[str] = []

    def note(request: Request) -> None:
        sent.extend((request.url, request.post_data or "", json.dumps(request.headers)))

    for person in (ana, ben, eve):
        person.page.on("request", note)
    ana.sign_in()
    ben.sign_in()
    key = ana.schedule("Salaries", invite=ben.email, encrypted=True)
    link = ben.link_in_mail()

    # Ana's browser has the key; Ben is asked for it, and a mistake is found before he joins.
    ana.join(link)
    ben.page.goto(link)
    ben.page.get_by_label("Key of the meeting").fill(key[:-1])
    ben.page.get_by_role("button", name="Join now").click()
    expect(ben.page.get_by_text("This is not a key.")).to_be_visible()
    ben.join(link, key=key.upper().replace("-", " "))
    for person in (ana, ben):
        person.sees()
        person.hears()
        expect(person.page.get_by_text("End-to-end encrypted", exact=True)).to_be_visible()
    ana.write_in_chat("The budget is 7000")
    ben.reads_in_chat("The budget is 7000")

    # Eve's link has another key: packets come, and nothing can be made of them. All three are told.
    eve.join(f"{link}#key={ANOTHER}", name="Eve")
    assert "#" not in eve.page.url
    expect(eve.page.get_by_text("You have another key than")).to_contain_text("Ana", timeout=WITHIN)
    for person in (ana, ben):
        expect(person.page.get_by_text("You have another key than Eve")).to_be_visible(timeout=WITHIN)
    eventually("some hundred packets", lambda: received(eve)["packets"] > 300, within=30, page=eve.page)
    assert received(eve) | {"packets": 0} == {"packets": 0, "pictures": 0, "samples": 0}
    assert eve.pictures_of_others().count() == 0
    eve.open_panel("Chat")
    expect(eve.page.get_by_role("log", name="Messages")).to_contain_text("Encrypted with another key", timeout=WITHIN)

    # With the right one she belongs to them, without joining anew.
    eve.page.get_by_role("button", name="Enter another key").click()
    eve.page.get_by_role("dialog").get_by_label("Key of the meeting").fill(f"{link}#key={key}")
    eve.page.get_by_role("button", name="Use this key").click()
    eve.sees()
    eve.reads_in_chat("The budget is 7000")
    for person in (ana, ben, eve):
        expect(person.page.get_by_text("You have another key than")).to_have_count(0, timeout=WITHIN)

    # The server keeps what it cannot read, and was told the key in no request.
    kept = ana.page.evaluate("code => fetch(`/api/v1/meetings/${code}/chat`).then(r => r.json())", link.rsplit("/")[-1])
    assert [message["text"][:6] for message in kept["messages"]] == ["e2ee1:"]
    for form in (key, key.replace("-", ""), key.upper(), ANOTHER):
        assert not any(form in text for text in sent)
