"""A passkey in a real browser: made after the first code, then all it takes to sign in.

The device is Chromium's virtual authenticator (https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/), which
answers as a laptop with a fingerprint reader. `localhost` is a secure context.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import CDPSession, Playwright, expect

from tests.browser.browsers import eventually
from tests.browser.conftest import demo_mails, people_of
from tests.browser.person import Person

LAPTOP = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def ana(demo: str, playwright: Playwright, tmp_path: Path) -> Iterator[tuple[Person]]:
    with people_of(playwright, tmp_path, demo, demo_mails(demo), ("ana",)) as (ana,):
        yield (ana,)


def with_laptop(person: Person) -> tuple[CDPSession, str]:
    """The browser's session, and the id of the authenticator that it has from now on."""
    session = person.page.context.new_cdp_session(person.page)
    session.send("WebAuthn.enable")
    return session, session.send("WebAuthn.addVirtualAuthenticator", {"options": LAPTOP})["authenticatorId"]


def test_a_passkey_is_made_and_signs_in_without_a_code(ana: tuple[Person]) -> None:
    (person,) = ana
    page = person.page
    page.set_default_timeout(30_000)
    # The page of signing in suggests passkeys by itself, and this laptop would take what is suggested; this is about
    # the button.
    page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
    session, laptop = with_laptop(person)
    person.sign_in()
    page.goto(f"{person.url}/account")
    passkeys = page.get_by_role("region", name="Passkeys")
    passkeys.get_by_role("button", name="Add a passkey").click()
    naming = page.get_by_role("dialog")
    naming.get_by_label("Name").fill("My laptop")
    naming.get_by_role("button", name="Save").click()
    expect(passkeys.get_by_role("button", name="Delete My laptop")).to_be_visible()
    (kept,) = session.send("WebAuthn.getCredentials", {"authenticatorId": laptop})["credentials"]
    assert kept["isResidentCredential"] and kept["rpId"] == "localhost"

    def told() -> list[str]:
        return [each for each in person._mails(person.email) if "passkey" in each]

    mails = eventually("a mail about it", told, page=page)
    assert f"{person.url}/account" in mails[0]

    page.get_by_role("button", name=re.compile("^Account")).click()
    page.get_by_role("menuitem", name="Sign out").click()
    codes = len(person._mails(person.email))
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="My meetings")).to_be_visible()
    assert len(person._mails(person.email)) == codes, "no code was asked for"

    page.goto(f"{person.url}/account")
    passkeys.get_by_role("button", name="Delete My laptop").click()
    expect(passkeys.get_by_role("button", name="Delete My laptop")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Account")).click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("heading", name="My meetings")).to_have_count(0)
