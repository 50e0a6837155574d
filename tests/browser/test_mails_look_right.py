"""Each mail in each language, narrow and wide, light and dark: nothing hangs over, all can be read, nothing is fetched.

The pictures stay in `tests/browser/pictures` to be looked at.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Playwright

from meeting.apiserver.database import Database
from meeting.apiserver.mail.use_cases import Brand, Mail
from meeting.apiserver.settings.rules import CONTRAST, contrast
from tests.browser.browsers import CHROMIUM, FLAGS
from tests.browser.scenario import png

PICTURES = Path(__file__).parent / "pictures"
NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
LINK = "https://meetings.a-rather-long-department.example.com/m/abc-defg-hij"

#: The longest that people can write, with nowhere to break it.
TITLE = "Quarterly review of the northern sales team " + "Donaudampfschifffahrtsgesellschaft" * 4
MEETING: dict[str, Any] = {
    "title": TITLE,
    "owner": "Katherine Johnson-Featherstonehaugh of the Department of Trajectories",
    "begin_at": NOW,
    "end_at": NOW + timedelta(days=1),
    "link": LINK,
    "passcode": "0123456789abcdefghijklmnopqrstuv",
    "guests_allowed": True,
    "e2ee": True,
    "repeats": "every week on Monday, Tuesday, Wednesday, Thursday and Friday, until 24 February 2027",
    "replies": {reply: f"{LINK}?answer={reply}#{'x' * 90}" for reply in ("accepted", "tentative", "declined")},
    "uninvited": False,
    "has_account": True,
}
NOTICE: dict[str, Any] = {"name": TITLE[:100], "at": NOW}
MAILS: dict[str, tuple[str, dict[str, Any]]] = {
    "invitation": ("invitation", MEETING),
    "update": ("update", MEETING),
    "cancellation": ("cancellation", MEETING),
    "reminder": ("reminder", MEETING),
    "code": ("sign_in_code", {"code": "123456", "minutes": 10}),
    "passkey": ("security_notice", {**NOTICE, "what": "passkey", "scopes": ""}),
    "token": ("security_notice", {**NOTICE, "what": "token", "scopes": "meetings:read, meetings:write, minutes:read"}),
}

#: The plainest brand there is, and one whose colours just pass as administrators may choose them.
BRANDS = {
    "ours": Brand(),
    "theirs": Brand(
        "Acme " + "Meetings" * 6,
        "#767676",
        "#8a8a8a",
        "Acme Ltd, 1 Street, Town\nRegistered in England 01234567",
        "https://acme.example/imprint",
        "https://acme.example/privacy",
        "ab" * 32,
    ),
}

#: Their logo, larger than it is shown, in place of the part of the mail that has it.
LOGO = "data:image/png;base64," + b64encode(png(red=24, green=60, blue=120, side=300)).decode()

#: Each piece of text that is shown: its words, its colour, and the first opaque colour behind it.
SHOWN = """
() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const words = walker.currentNode.textContent.replace(/[\\s\\u200b]+/g, " ").trim();
    if (words === "" || !element.checkVisibility()) continue;
    let behind = element;
    const color = () => (behind === null ? "none" : getComputedStyle(behind).backgroundColor);
    while (color() === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    found.push([words, getComputedStyle(element).color, color()]);
  }
  return found;
}
"""

#: What reaches beyond the right edge of the page, if anything does.
BEYOND = """
() => [...document.body.querySelectorAll("*")]
  .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 0.5)
  .map((element) => element.outerHTML.slice(0, 120))
"""


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
    yield browser
    browser.close()


def html_of(template: str, values: dict[str, Any], language: str, brand: Brand) -> str:
    # Composing asks no database.
    mail = Mail(cast(Database, None), lambda: None, public_url=LINK[:58], keep=False, brand=lambda: brand)
    html = mail.compose(template, "bob@example.com", NOW, language=language, zone="Europe/Berlin", **values).html
    assert html is not None
    return html if brand.logo_id is None else html.replace(f"cid:{brand.logo_id}", LOGO)


def hexadecimal(color: str) -> str:
    """`rgb(1, 2, 3)` as `#010203`; anything half transparent is an error here."""
    found = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", color)
    assert found, f"no opaque colour: {color}"
    return "#" + "".join(f"{int(channel):02x}" for channel in found.groups())


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_mails_fit_and_can_be_read_and_fetch_nothing(chromium: Browser, language: str, scheme: Any) -> None:
    PICTURES.mkdir(exist_ok=True)
    context = chromium.new_context(color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for (name, (template, values)), (brand_name, brand) in product(MAILS.items(), BRANDS.items()):
        page.set_content(html_of(template, values, language, brand))
        for width_name, width in (("phone", 320), ("desktop", 900)):
            page.set_viewport_size({"width": width, "height": 700})
            where = f"{name}-{brand_name}-{language}-{width_name}-{scheme}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, where
            assert page.evaluate(BEYOND) == [], where
            if brand_name == "theirs":
                page.screenshot(path=PICTURES / f"mail-{name}-{language}-{width_name}-{scheme}.png", full_page=True)
        shown = page.evaluate(SHOWN)
        assert len(shown) >= 5, where
        for words, color, behind in shown:
            found = contrast(hexadecimal(color), hexadecimal(behind))
            assert found >= CONTRAST, f"{where}: {words!r} has a contrast of {found:.2f} ({color} on {behind})"
    assert [address for address in asked if address != LOGO] == []
    context.close()
