"""Signing in with a mailed code, sessions, and everybody who is not let in."""

import pytest

from tests.support.hub import HOST, Browser, Hub, MakeHub

ADA = "ada.lovelace@example.com"


def test_a_code_signs_in_and_a_new_address_becomes_a_person(hub: Hub) -> None:
    browser = hub.browser()
    answer = browser.post("/api/v1/sign-in/codes", {"email": f"  {ADA.upper()} "})
    assert (answer.status, answer.json) == (202, {"expires_in": 600})
    answer = browser.post("/api/v1/sign-in", {"email": ADA, "code": hub.code_for(ADA)})
    assert answer.status == 200
    person = answer.json["person"]
    assert (person["email"], person["name"], person["zone"]) == (ADA, "Ada Lovelace", "UTC")
    me = browser.get("/api/v1/me").json
    assert me["person"] == person
    assert me["guest"] is None
    assert me["server"]["demo"] is True


def test_the_same_address_is_the_same_person(hub: Hub) -> None:
    first = hub.sign_in(ADA).get("/api/v1/me").json["person"]
    assert hub.sign_in(ADA).get("/api/v1/me").json["person"] == first


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(hub: Hub) -> None:
    browser = hub.browser()
    browser.post("/api/v1/sign-in/codes", {"email": ADA})
    answer = browser.post("/api/v1/sign-in", {"email": ADA, "code": hub.code_for(ADA)})
    cookie = answer.headers["Set-Cookie"].lower()
    assert cookie.startswith("meeting_session=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" in cookie, "a proxy takes TLS off, but people come by https"
    assert "path=/" in cookie


def test_neither_code_nor_cookie_is_in_the_database(hub: Hub) -> None:
    browser = hub.browser()
    browser.post("/api/v1/sign-in/codes", {"email": ADA})
    code = hub.code_for(ADA)

    def everything(transaction: object) -> str:
        from meeting.apiserver.accounts.tables import session, sign_in_code

        rows = [transaction.execute(table.select()).all() for table in (session, sign_in_code)]  # type: ignore[attr-defined]
        return repr(rows)

    assert code.encode().hex() not in hub.sql(everything)
    assert code not in hub.sql(everything)
    browser.post("/api/v1/sign-in", {"email": ADA, "code": code})
    assert browser.cookies["meeting_session"] not in hub.sql(everything)


def test_a_code_is_good_once(hub: Hub) -> None:
    hub.sign_in(ADA)
    answer = hub.browser().post("/api/v1/sign-in", {"email": ADA, "code": hub.code_for(ADA)})
    assert (answer.status, answer.problem) == (401, "wrong-code")


def test_a_code_is_for_its_own_address(hub: Hub) -> None:
    browser = hub.browser()
    browser.post("/api/v1/sign-in/codes", {"email": ADA})
    browser.post("/api/v1/sign-in/codes", {"email": "bob@example.com"})
    answer = browser.post("/api/v1/sign-in", {"email": "bob@example.com", "code": hub.code_for(ADA)})
    assert answer.problem == "wrong-code"


def test_a_newer_code_replaces_the_older(hub: Hub) -> None:
    browser = hub.browser()
    browser.post("/api/v1/sign-in/codes", {"email": ADA})
    old = hub.code_for(ADA)
    hub.clock.advance(1)
    browser.post("/api/v1/sign-in/codes", {"email": ADA})
    assert browser.post("/api/v1/sign-in", {"email": ADA, "code": old}).status == 401
    assert browser.post("/api/v1/sign-in", {"email": ADA, "code": hub.code_for(ADA)}).status == 200


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_after_five_wrong_codes_the_right_one_is_refused_too(hub: Hub) -> None:
    browser = hub.browser()
    browser.post("/api/v1/sign-in/codes", {"email": ADA})
    code = hub.code_for(ADA)
    left = []
    for _ in range(5):
        answer = browser.post("/api/v1/sign-in", {"email": ADA, "code": wrong(code)})
        assert (answer.status, answer.problem) == (401, "wrong-code")
        left.append(answer.json["attempts_left"])
    assert left == [4, 3, 2, 1, 0]
    answer = browser.post("/api/v1/sign-in", {"email": ADA, "code": code})
    assert (answer.status, answer.problem) == (429, "too-many-requests")
    assert 0 < int(answer.headers["Retry-After"]) <= 601
    assert browser.get("/api/v1/me").json["person"] is None


def test_a_code_is_over_after_ten_minutes(hub: Hub) -> None:
    browser = hub.browser()
    browser.post("/api/v1/sign-in/codes", {"email": ADA})
    code = hub.code_for(ADA)
    hub.clock.advance(600)
    answer = browser.post("/api/v1/sign-in", {"email": ADA, "code": code})
    assert (answer.status, answer.problem) == (401, "wrong-code")


def test_codes_for_an_address_are_limited_wherever_they_are_asked_for(hub: Hub) -> None:
    for number in range(5):
        answer = hub.browser(f"192.0.2.{number}").post("/api/v1/sign-in/codes", {"email": ADA})
        assert answer.status == 202
    answer = hub.browser("192.0.2.99").post("/api/v1/sign-in/codes", {"email": ADA})
    assert (answer.status, answer.problem) == (429, "too-many-requests")
    assert len(hub.mails()) == 5
    hub.clock.advance(float(answer.headers["Retry-After"]))
    assert hub.browser().post("/api/v1/sign-in/codes", {"email": ADA}).status == 202


def test_codes_from_a_source_are_limited_for_whatever_address(hub: Hub) -> None:
    browser = hub.browser()
    for number in range(30):
        assert browser.post("/api/v1/sign-in/codes", {"email": f"p{number}@example.com"}).status == 202
    assert browser.post("/api/v1/sign-in/codes", {"email": ADA}).status == 429
    # A source that is over its limit does not use up the address's.
    assert hub.browser("198.51.100.7").post("/api/v1/sign-in/codes", {"email": ADA}).status == 202


def test_guessing_is_limited_over_many_codes(hub: Hub) -> None:
    answers = []
    for round_ in range(5):
        hub.clock.advance(200)  # within the limit of codes per address
        browser = hub.browser(f"192.0.2.{round_}")
        assert browser.post("/api/v1/sign-in/codes", {"email": ADA}).status == 202
        code = wrong(hub.code_for(ADA))
        answers += [browser.post("/api/v1/sign-in", {"email": ADA, "code": code}).status for _ in range(5)]
    assert answers == [401] * 20 + [429] * 5


def test_known_unknown_and_unwanted_addresses_are_answered_alike(make_hub: MakeHub) -> None:
    hub = make_hub("--allowedDomain", "example.com")
    hub.sign_in(ADA)
    answers = []
    for email in (ADA, "new@example.com", "stranger@elsewhere.example"):
        answer = hub.browser().post("/api/v1/sign-in/codes", {"email": email})
        # What is left of the limit of an address goes down with each request, whomever it is about.
        changing = ("x-request-id", "date", "ratelimit")
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in changing}
        answers.append((answer.status, answer.body, headers))
    assert answers[0] == answers[1] == answers[2]
    assert "stranger@elsewhere.example" not in [mail["to"] for mail in hub.mails()]


def test_an_address_of_another_domain_gets_no_account_even_with_the_code(make_hub: MakeHub) -> None:
    hub = make_hub("--allowedDomain", "example.com")
    browser = hub.browser()
    assert browser.post("/api/v1/sign-in/codes", {"email": "stranger@elsewhere.example"}).status == 202

    def code(transaction: object) -> str:
        from meeting.apiserver.mail.tables import mail

        text: str = transaction.execute(mail.select()).one().text  # type: ignore[attr-defined]
        return text

    six = next(line.strip() for line in hub.sql(code).splitlines() if line.strip().isdigit())
    answer = browser.post("/api/v1/sign-in", {"email": "stranger@elsewhere.example", "code": six})
    assert answer.problem == "wrong-code"


@pytest.mark.parametrize("email", ["", "ada", "@example.com", "ada@", "a b@example.com", "ada@exa mple.com", "a@b@c.de",
                                   "ada@example..com", "ada\r\nBcc: eve@example.com", "<ada@example.com>",
                                   "x" * 65 + "@example.com", "ada@" + "x" * 260])  # fmt: skip
def test_what_is_no_address_is_refused(hub: Hub, email: str) -> None:
    answer = hub.browser().post("/api/v1/sign-in/codes", {"email": email})
    assert (answer.status, answer.problem) == (400, "bad-request")


def test_signing_out_ends_the_session_everywhere_the_cookie_is(hub: Hub) -> None:
    browser = hub.sign_in(ADA)
    copy = Browser(hub, cookies=dict(browser.cookies))
    assert browser.post("/api/v1/sign-out").status == 204
    assert browser.cookies == {}
    assert copy.get("/api/v1/me").json["person"] is None


def test_a_session_ends_thirty_days_after_it_was_last_used(hub: Hub) -> None:
    browser = hub.sign_in(ADA)
    day = 86_400
    hub.clock.advance(29 * day)
    assert browser.get("/api/v1/me").json["person"] is not None
    hub.clock.advance(29 * day)
    assert browser.get("/api/v1/me").json["person"] is not None
    hub.clock.advance(30 * day)
    assert browser.get("/api/v1/me").json["person"] is None


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43, "x" * 5000, 'a"b'])
def test_a_cookie_nobody_was_given_is_nobody(hub: Hub, cookie: str) -> None:
    browser = Browser(hub, cookies={"meeting_session": cookie})
    assert browser.get("/api/v1/me").json["person"] is None
    assert browser.get("/api/v1/meetings").problem == "sign-in-needed"


def test_people_change_their_name_zone_and_language(hub: Hub) -> None:
    browser = hub.sign_in(ADA)
    answer = browser.patch("/api/v1/me", {"name": "  Ada \u202e King ", "zone": "Europe/London", "language": "de"})
    assert answer.status == 200
    assert (answer.json["name"], answer.json["zone"], answer.json["language"]) == ("Ada King", "Europe/London", "de")
    assert browser.get("/api/v1/me").json["person"]["name"] == "Ada King"
    assert browser.patch("/api/v1/me", {}).json["name"] == "Ada King"


@pytest.mark.parametrize(
    "changes",
    [{"name": " \n "}, {"name": "x" * 101}, {"zone": "Mars/Olympus"}, {"zone": "../../etc/passwd"}, {"zone": ""},
     {"language": "<b>"}, {"email": "eve@example.com"}],
)  # fmt: skip
def test_a_profile_that_makes_no_sense_is_refused(hub: Hub, changes: dict[str, str]) -> None:
    assert hub.sign_in(ADA).patch("/api/v1/me", changes).problem == "bad-request"


def test_a_profile_needs_somebody_signed_in(hub: Hub) -> None:
    assert hub.browser().patch("/api/v1/me", {"name": "Eve"}).problem == "sign-in-needed"


def test_the_hourly_sweep_forgets_what_is_over(hub: Hub) -> None:
    hub.sign_in(ADA)
    hub.browser().post("/api/v1/sign-in/codes", {"email": "bob@example.com"})

    def rows(transaction: object) -> list[int]:
        from meeting.apiserver.accounts.tables import rate, session, sign_in_code

        return [len(transaction.execute(table.select()).all()) for table in (session, sign_in_code, rate)]  # type: ignore[attr-defined]

    before = hub.sql(rows)
    assert before[:2] == [1, 1]
    assert before[2] > 0
    hub.clock.advance(31 * 86_400)
    hub.clock.advance(3600)
    assert hub.sql(rows) == [0, 0, 0]


def test_a_cookie_of_a_plain_local_server_comes_back(hub: Hub) -> None:
    hub.sign_in(ADA)
    headers = {"Origin": "http://localhost:8080", "Host": "localhost:8080"}
    answer = hub.request("POST", "/api/v1/sign-out", headers=headers)
    assert "secure" not in answer.headers["Set-Cookie"].lower()


def test_the_host_that_was_asked_is_an_origin_of_ours(hub: Hub) -> None:
    headers = {"Origin": "https://other.example.com", "Host": HOST}
    assert hub.request("POST", "/api/v1/sign-out", headers=headers).problem == "origin"
    headers = {"Origin": "http://localhost:8080", "Host": "localhost:8080"}
    assert hub.request("POST", "/api/v1/sign-out", headers=headers).status == 204
