"""Three people: a host, somebody who signed in, and a guest in the lobby. What a host does is seen by the others."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.person import Person

WITHIN = 20_000


def button(page: Page, name: str | re.Pattern[str]) -> None:
    page.get_by_role("button", name=name).click()


def of(page: Page, name: str, item: str) -> None:
    """An item of the menu beside somebody in the list of participants."""
    button(page, f"More for {name}")
    page.get_by_role("menuitem", name=item, exact=True).click()


def test_a_host_lets_in_mutes_asks_shows_removes_and_ends(host_member_and_guest: tuple[Person, Person, Person]) -> None:
    host, member, guest = host_member_and_guest
    host.sign_in()
    link = host.open_instant_meeting()
    host.join(link)
    host.open_panel("Participants")
    host.page.get_by_role("switch", name="Lobby: guests wait to be let in").click()
    expect(host.page.get_by_text("Lobby on")).to_be_visible(timeout=WITHIN)

    # The lobby: a member who was not invited and a guest wait, and are let in; the room tells nothing before.
    member.sign_in()
    for person, name in ((member, None), (guest, "Grace")):
        person.page.goto(link)
        if name is not None:
            person.page.get_by_label("Your name").fill(name)
        button(person.page, "Join now")
        expect(person.page.get_by_text("You are in the lobby.")).to_be_visible(timeout=WITHIN)
    expect(guest.page.get_by_text("The host knows that you are here.")).to_be_visible(timeout=WITHIN)
    button(host.page, "Let in Ben")
    button(host.page, "Let in Grace")
    for person in (member, guest):
        person.page.get_by_role("button", name="Mute microphone").wait_for(timeout=WITHIN)
        person.sees()

    # Hands, in their order, and a reaction.
    button(guest.page, "Raise hand")
    guest.page.get_by_role("button", name="Lower hand").wait_for()
    button(member.page, "Raise hand")
    member.page.get_by_role("button", name="Lower hand").wait_for()
    people = host.page.get_by_role("list", name="Participants").get_by_role("listitem")
    expect(people.nth(0)).to_contain_text("Grace", timeout=WITHIN)
    expect(people.nth(1)).to_contain_text("Ben")
    button(member.page, "React")
    button(member.page, "Applause")
    expect(host.page.get_by_role("log", name="Reactions")).to_contain_text("Ben", timeout=WITHIN)
    member.page.keyboard.press("Escape")
    button(host.page, "Lower all hands")
    guest.page.get_by_role("button", name="Raise hand").wait_for(timeout=WITHIN)

    # Muted by the host; asked to speak, and decides to.
    of(host.page, "Ben", "Mute")
    member.page.get_by_role("button", name="Unmute microphone").wait_for(timeout=WITHIN)
    expect(member.page.get_by_text("A host has muted you.")).to_be_visible()
    of(host.page, "Ben", "Ask to speak")
    dialog = member.page.get_by_role("dialog", name="A host asks you to speak")
    dialog.get_by_role("button", name="Unmute").click(timeout=WITHIN)
    member.page.get_by_role("button", name="Mute microphone").wait_for(timeout=WITHIN)

    # Nobody may speak: the switch is off for those who do not lead, and comes back.
    host.page.get_by_role("switch", name="Everybody may speak").click()
    expect(guest.page.get_by_role("button", name="A host has muted everybody")).to_be_disabled(timeout=WITHIN)
    host.page.get_by_role("switch", name="Everybody may speak").click()
    expect(guest.page.get_by_role("button", name="Unmute microphone")).to_be_enabled(timeout=WITHIN)

    # The spotlight is the same for all; a co-host sees what hosts see.
    of(host.page, "Grace", "Show to everybody")
    for person in (host, member):
        expect(person.page.get_by_role("group", name=re.compile("Grace.*shown to everybody"))).to_be_visible(
            timeout=WITHIN
        )
    of(host.page, "Ben", "Make co-host")
    member.open_panel("Participants")
    member.page.get_by_role("button", name="Mute everybody else").wait_for(timeout=WITHIN)

    # Removed: out, and behind the door again. Ended: over for all.
    of(host.page, "Grace", "Remove")
    guest.page.get_by_role("heading", name="You were removed from the meeting").wait_for(timeout=WITHIN)
    guest.page.goto(link)
    button(guest.page, "Join now")
    expect(guest.page.get_by_text("You were removed from this meeting.")).to_be_visible(timeout=WITHIN)
    button(host.page, "Leave")
    host.page.get_by_role("menuitem", name="End it for everyone").click()
    member.page.get_by_role("heading", name="This meeting has ended").wait_for(timeout=WITHIN)
    expect(guest.page.get_by_text("This meeting is over.")).to_be_visible(timeout=WITHIN)

    host.page.goto(f"{link}/attendance")
    table = host.page.get_by_role("table", name="Attendance")
    for name in ("Ana", "Ben", "Grace"):
        expect(table).to_contain_text(name, timeout=WITHIN)
