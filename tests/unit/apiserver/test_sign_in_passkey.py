"""Signing in with a passkey, and every passkey that is not good here."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Row, select

from meeting.apiserver.accounts.passkeys import relying_party
from meeting.apiserver.audit.tables import audit_entry
from tests.support.authenticator import PRESENT, VERIFIED, Authenticator
from tests.support.hub import ORIGIN, Answer, Browser, Hub, MakeHub, sqlite_hub

ADA = "ada.lovelace@example.com"
BOB = "bob@example.com"


def creation(browser: Browser) -> dict[str, Any]:
    options: dict[str, Any] = browser.post("/api/v1/me/passkeys/options").json["options"]
    return options


def register(browser: Browser, device: Authenticator, name: str = "Laptop") -> Answer:
    body = {"name": name, "credential": device.create(creation(browser))}
    return browser.post("/api/v1/me/passkeys", body)


def challenge(browser: Browser) -> dict[str, Any]:
    options: dict[str, Any] = browser.post("/api/v1/sign-in/passkey/options").json["options"]
    return options


def sign_in(browser: Browser, device: Authenticator) -> Answer:
    return browser.post("/api/v1/sign-in/passkey", {"credential": device.get(challenge(browser))})


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(ORIGIN)


@pytest.fixture
def ada(hub: Hub, device: Authenticator) -> Browser:
    """Ada, who has registered her passkey."""
    browser = hub.sign_in(ADA)
    assert register(browser, device).status == 201
    return browser


def test_a_registration_sent_again_under_its_key_is_one_passkey(hub: Hub, device: Authenticator) -> None:
    browser = hub.sign_in(ADA)
    body = {"name": "Laptop", "credential": device.create(creation(browser))}
    first, again = (
        browser.request("POST", "/api/v1/me/passkeys", body, **{"Idempotency-Key": "one"}) for _ in range(2)
    )
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert len(browser.get("/api/v1/me/passkeys").json["passkeys"]) == 1


def test_a_passkey_signs_in_without_an_address(hub: Hub, ada: Browser, device: Authenticator) -> None:
    assert "passkey" in hub.browser().get("/api/v1/me").json["server"]["sign_in_methods"]
    browser = hub.browser()
    answer = sign_in(browser, device)
    assert answer.status == 200, answer.body
    assert answer.json["person"]["email"] == ADA
    assert browser.get("/api/v1/me").json["person"]["email"] == ADA
    (shown,) = ada.get("/api/v1/me/passkeys").json["passkeys"]
    assert (shown["name"], shown["synced"]) == ("Laptop", False)
    assert shown["used_at"] > shown["created_at"]
    assert sign_in(hub.browser(), device).status == 200, "and again"


def test_the_audit_log_says_who_signed_in_with_a_passkey(hub: Hub, ada: Browser, device: Authenticator) -> None:
    person = sign_in(hub.browser(source="198.51.100.9"), device).json["person"]

    def newest(transaction: Connection) -> Row[Any]:
        return transaction.execute(select(audit_entry).order_by(audit_entry.c.id.desc()).limit(1)).one()

    found = hub.sql(newest)
    assert (found.word, found.outcome, found.actor_kind) == ("session.open", "done", "person")
    assert found.actor_id == found.target_id == person["id"]
    assert found.source == "198.51.100.9" and found.request


def test_a_mail_tells_of_a_passkey_that_was_added(hub: Hub, ada: Browser, device: Authenticator) -> None:
    def told() -> list[str]:
        return [mail["text"] for mail in hub.mails() if mail["subject"] == "A passkey was added to your account"]

    assert len(told()) == 1 and "Laptop" in told()[0] and "https://meet.example.com/account" in told()[0]
    assert register(ada, device).problem == "passkey-known"
    assert len(told()) == 1


def test_a_passkey_is_to_be_discoverable_and_to_verify_its_person(ada: Browser, device: Authenticator) -> None:
    options = creation(ada)
    assert options["rp"]["id"] == "meet.example.com"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert [each["id"] for each in options["excludeCredentials"]] == [device.create(options)["id"]]
    assert challenge(ada)["userVerification"] == "required"
    assert challenge(ada)["allowCredentials"] == []


def test_a_challenge_is_good_once(hub: Hub, ada: Browser, device: Authenticator) -> None:
    body = {"credential": device.get(challenge(hub.browser()))}
    assert hub.browser().post("/api/v1/sign-in/passkey", body).status == 200
    assert hub.browser().post("/api/v1/sign-in/passkey", body).problem == "passkey-refused"
    made = {"name": "Again", "credential": Authenticator(ORIGIN).create(creation(ada))}
    assert ada.post("/api/v1/me/passkeys", made).status == 201
    assert ada.post("/api/v1/me/passkeys", made).problem == "passkey-refused"


def test_a_challenge_is_over_after_five_minutes(hub: Hub, ada: Browser, device: Authenticator) -> None:
    body = {"credential": device.get(challenge(hub.browser()))}
    made = {"name": "Late", "credential": Authenticator(ORIGIN).create(creation(ada))}
    hub.clock.advance(300)
    assert hub.browser().post("/api/v1/sign-in/passkey", body).problem == "passkey-refused"
    assert ada.post("/api/v1/me/passkeys", made).problem == "passkey-refused"


def test_a_challenge_is_for_the_person_and_the_purpose_it_was_made_for(
    hub: Hub, ada: Browser, device: Authenticator
) -> None:
    bob = hub.sign_in(BOB)
    for_ada = Authenticator(ORIGIN).create(creation(ada))
    assert bob.post("/api/v1/me/passkeys", {"name": "x", "credential": for_ada}).problem == "passkey-refused"
    to_register = creation(ada)
    answer = hub.browser().post("/api/v1/sign-in/passkey", {"credential": device.get(to_register)})
    assert answer.problem == "passkey-refused"
    made_up = device.get({"challenge": "AAAA"})
    assert hub.browser().post("/api/v1/sign-in/passkey", {"credential": made_up}).problem == "passkey-refused"


@pytest.mark.parametrize("wrong", ["origin", "rp_id", "not verified", "not present", "other key", "other person"])
def test_a_passkey_that_does_not_prove_its_person_is_refused(
    hub: Hub, ada: Browser, device: Authenticator, wrong: str
) -> None:
    match wrong:
        case "origin":
            device.origin = "https://meet.example.com.evil.example"
        case "rp_id":
            device.rp_id = "evil.example"
        case "not verified":
            device.flags = PRESENT
        case "not present":
            device.flags = VERIFIED
        case "other key":
            other = Authenticator(ORIGIN)
            other.credential_id, other.rp_id, other.user_handle = device.credential_id, device.rp_id, device.user_handle
            device = other
        case "other person":
            device.user_handle = bytes(16)
    browser = hub.browser()
    answer = sign_in(browser, device)
    assert (answer.status, answer.problem) == (401, "passkey-refused")
    assert browser.get("/api/v1/me").json["person"] is None


def test_a_count_that_does_not_rise_is_a_copys(hub: Hub, ada: Browser, device: Authenticator) -> None:
    device.count = 41
    assert sign_in(hub.browser(), device).status == 200
    device.count = 41
    assert sign_in(hub.browser(), device).problem == "passkey-refused"
    assert sign_in(hub.browser(), device).status == 200


def test_a_device_that_does_not_count_is_let_in(hub: Hub) -> None:
    device = Authenticator(ORIGIN, count=0)
    register(hub.sign_in(ADA), device)
    for _ in range(2):
        device.count = 0
        assert sign_in(hub.browser(), device).status == 200


def test_what_was_not_verified_at_registration_is_no_passkey(hub: Hub) -> None:
    browser = hub.sign_in(ADA)
    assert register(browser, Authenticator(ORIGIN, flags=PRESENT)).problem == "passkey-refused"
    assert register(browser, Authenticator("https://evil.example")).problem == "passkey-refused"


def test_a_passkey_is_registered_once(hub: Hub, ada: Browser, device: Authenticator) -> None:
    answer = register(hub.sign_in(BOB), device)
    assert (answer.status, answer.problem) == (409, "passkey-known")


def test_passkeys_are_renamed_and_deleted_by_their_person_alone(hub: Hub, ada: Browser, device: Authenticator) -> None:
    bob = hub.sign_in(BOB)
    path = f"/api/v1/me/passkeys/{ada.get('/api/v1/me/passkeys').json['passkeys'][0]['id']}"
    assert bob.patch(path, {"name": "Mine"}).status == 404
    assert bob.delete(path).status == 404
    assert hub.browser().delete(path).problem == "sign-in-needed"
    assert hub.browser().post("/api/v1/me/passkeys/options").problem == "sign-in-needed"
    assert ada.patch(path, {"name": " Ada's  key "}).json["name"] == "Ada's key"
    assert ada.patch(path, {"name": " "}).problem == "bad-request"
    assert ada.delete(path).status == 204
    assert ada.get("/api/v1/me/passkeys").json["passkeys"] == []
    assert sign_in(hub.browser(), device).problem == "passkey-refused"
    assert ada.delete("/api/v1/me/passkeys/x").status == 404


def test_a_person_has_at_most_ten(hub: Hub) -> None:
    browser = hub.sign_in(ADA)
    late = creation(browser)
    for number in range(10):
        assert register(browser, Authenticator(ORIGIN), f"Key {number}").status == 201
    assert browser.post("/api/v1/me/passkeys/options").problem == "too-many-passkeys"
    body = {"name": "Eleven", "credential": Authenticator(ORIGIN).create(late)}
    assert browser.post("/api/v1/me/passkeys", body).problem == "too-many-passkeys"


def test_tries_with_passkeys_are_limited_for_a_source(hub: Hub, ada: Browser, device: Authenticator) -> None:
    browser = hub.browser("198.51.100.7")
    made_up = {"credential": device.get({"challenge": "AAAA"})}
    answers = [browser.post("/api/v1/sign-in/passkey", made_up).status for _ in range(101)]
    assert answers == [401] * 100 + [429]
    assert sign_in(hub.browser(), device).status == 200


def test_a_domain_that_is_no_longer_allowed_signs_in_by_no_passkey(tmp_path: Any, device: Authenticator) -> None:
    hub = sqlite_hub(tmp_path).start()
    register(hub.sign_in(ADA), device)
    hub.stop()
    hub = sqlite_hub(tmp_path, "--allowedDomain", "example.org").start()
    assert sign_in(hub.browser(), device).problem == "passkey-refused"
    hub.stop()


@pytest.mark.parametrize(
    ("origin", "party"),
    [
        ("https://meet.example.com:8443", "meet.example.com"),
        ("http://localhost:8080", "localhost"),
        ("https://192.0.2.1", None),
        ("https://[2001:db8::1]", None),
        ("http://meet.example.com", None),
    ],
)
def test_there_are_passkeys_where_browsers_have_them(origin: str, party: str | None) -> None:
    found = relying_party(origin)
    assert (found and found.id) == party


def test_a_hub_without_a_name_offers_none(make_hub: MakeHub) -> None:
    hub = make_hub("--publicUrl", "https://192.0.2.1")
    browser = hub.browser()
    browser.origin = "https://192.0.2.1"
    assert browser.get("/api/v1/me").json["server"]["sign_in_methods"] == ["code"]
    assert browser.post("/api/v1/sign-in/passkey/options").status == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=40).map(lambda b: b.hex()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    hub = sqlite_hub(tmp_path_factory.mktemp("fuzzed")).start()
    yield hub, hub.sign_in(ADA)
    hub.stop()


@settings(max_examples=40, derandomize=True, deadline=None)
@given(data=st.data())
def test_whatever_claims_to_be_a_passkey_is_refused(fuzzed: tuple[Hub, Browser], data: st.DataObject) -> None:
    hub, ada = fuzzed
    hub.clock.advance(60)
    device = Authenticator(ORIGIN)
    for path, credential in (
        ("/api/v1/me/passkeys", device.create(creation(ada))),
        ("/api/v1/sign-in/passkey", device.get(challenge(ada))),
    ):
        part = data.draw(st.sampled_from(["id", "rawId", "type", *credential["response"]]))
        broken = data.draw(JSON)
        if part in credential["response"]:
            credential["response"][part] = broken
        else:
            credential[part] = broken
        body = {"name": "x", "credential": credential}
        if path.startswith("/api/v1/sign-in"):
            del body["name"]
        answer = ada.post(path, body)
        assert answer.status in (400, 401, 429), (answer.status, answer.body, credential)
