"""Two hubs over one MariaDB are one: whichever is asked, the answer is the same."""

from tests.support.hub import Browser, Hub, MakeHub

ADA = "ada@example.com"


def other(browser: Browser, hub: Hub) -> Browser:
    """The same browser, whose next requests reach another replica."""
    return Browser(hub, browser.source, browser.cookies)


def test_a_code_from_one_signs_in_at_another_and_the_session_holds_at_both(make_hub: MakeHub) -> None:
    one, two = make_hub(), make_hub()
    assert one.browser().post("/api/v1/sign-in/codes", {"email": ADA}).status == 202
    browser = two.browser()
    assert browser.post("/api/v1/sign-in", {"email": ADA, "code": one.code_for(ADA)}).status == 200
    assert other(browser, one).get("/api/v1/me").json["person"]["email"] == ADA
    other(browser, one).post("/api/v1/sign-out")
    assert browser.get("/api/v1/me").json["person"] is None


def test_tries_are_counted_over_all_replicas(make_hub: MakeHub) -> None:
    hubs = [make_hub(), make_hub()]
    hubs[0].browser().post("/api/v1/sign-in/codes", {"email": ADA})
    code = hubs[0].code_for(ADA)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    statuses = [hubs[n % 2].browser().post("/api/v1/sign-in", {"email": ADA, "code": wrong}).status for n in range(6)]
    assert statuses == [401] * 5 + [429]


def test_a_server_registered_at_one_serves_meetings_opened_at_another(make_hub: MakeHub) -> None:
    one, two = make_hub(), make_hub()
    one.beat("sfu", "1.sfu.example.com:443")
    ada = one.sign_in(ADA)
    meeting = other(ada, two).instant()
    assert ada.instant() == meeting
    path = f"/api/v1/meetings/{meeting['code']}"
    assert other(ada, two).post(f"{path}/join", {"device": "abcd1234"}).json["url"] == "wss://1.sfu.example.com:443"
    two.beat("sfu", "2.sfu.example.com:443")
    assert ada.post(f"{path}/join", {"device": "efgh5678"}).json["url"] == "wss://1.sfu.example.com:443"
    assert ada.post(f"{path}/chat", {"id": "1" * 32, "text": "Hello"}).status == 201
    assert other(ada, two).post(f"{path}/chat", {"id": "1" * 32, "text": "Hello"}).status == 200
    assert len(other(ada, two).get(f"{path}/chat").json["messages"]) == 1
