"""People: who administers the hub."""

from pathlib import Path

import pytest
from twisted.python import usage

from tests.support.hub import Browser, Hub, MakeHub, sqlite_hub

ADA = "ada.lovelace@example.com"
BOB = "bob@example.com"


def is_administrator(browser: Browser) -> bool:
    answer: bool = browser.get("/api/v1/me").json["person"]["administrator"]
    return answer


def test_who_is_named_administers_from_the_first_sign_in_on(make_hub: MakeHub) -> None:
    hub = make_hub("--administrator", f" {ADA.upper()}", "--administrator", "carol@example.com")
    assert is_administrator(hub.sign_in(ADA))
    assert not is_administrator(hub.sign_in(BOB))


def test_who_has_an_account_is_made_one_at_the_start_and_stays_one_when_no_longer_named(tmp_path: Path) -> None:
    hub = sqlite_hub(tmp_path).start()
    browser = hub.sign_in(ADA)
    assert not is_administrator(browser)
    hub.stop()
    for arguments in (["--administrator", ADA], []):
        hub = sqlite_hub(tmp_path, *arguments).start()
        assert is_administrator(Browser(hub, cookies=browser.cookies))
        hub.stop()


def test_an_administrator_that_is_no_address_is_refused_at_the_start() -> None:
    with pytest.raises(usage.UsageError, match="--administrator: 'ada': write an address"):
        Hub(["--demo", "--administrator", "ada"])
