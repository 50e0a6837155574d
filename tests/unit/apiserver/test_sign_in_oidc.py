"""Signing in by the enterprise's own service, and every word of it that is not believed."""

import json
from base64 import b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.python import usage

from meeting.apiserver.accounts import rules
from meeting.apiserver.accounts.oidc import OidcFailed, check_claims, has_claim, is_safe
from tests.support.hub import Browser, Hub, MakeHub
from tests.support.oidc import ARGUMENTS, CLIENT, ISSUER, FakeProvider, key_of

ADA = "ada@example.com"


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    return make_hub(*ARGUMENTS)


@pytest.fixture
def provider(hub: Hub) -> FakeProvider:
    return FakeProvider(hub)


def who(browser: Browser) -> Any:
    return browser.get("/api/v1/me").json["person"]


def refused(browser: Browser, location: str, reason: str) -> None:
    assert location == f"/sign-in?problem={reason}"
    assert who(browser) is None


def test_the_provider_is_offered_and_signs_in(hub: Hub, provider: FakeProvider) -> None:
    browser = hub.browser()
    server = browser.get("/api/v1/me").json["server"]
    assert (server["sign_in_methods"], server["oidc_name"]) == (["code", "passkey", "oidc"], "single sign-on")
    asked = provider.begin(browser, "/m/abc-defg-hij")
    assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", CLIENT, "openid email profile")
    assert asked["redirect_uri"] == "https://meet.example.com/api/v1/sign-in/oidc/callback"
    location = provider.end(browser, asked, provider.token(provider.claims(asked)))
    assert location == "/m/abc-defg-hij"
    assert (who(browser)["email"], who(browser)["name"]) == (ADA, "Ada L")
    assert "meeting_single_sign_on" not in browser.cookies


def test_the_code_is_exchanged_with_our_secret_and_the_proof_that_we_asked(hub: Hub, provider: FakeProvider) -> None:
    browser = hub.browser()
    asked = provider.begin(browser)
    provider.end(browser, asked, provider.token(provider.claims(asked)))
    (exchange,) = [each for each in hub.agent.diary if each.url == f"{ISSUER}/token"]
    form = {name: values[0] for name, values in parse_qs(exchange.body.decode()).items()}
    assert (form["grant_type"], form["code"]) == ("authorization_code", "c1")
    digest = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
    assert (asked["code_challenge"], asked["code_challenge_method"]) == (digest, "S256")
    scheme, _, pair = (exchange.headers.getRawHeaders("Authorization") or [""])[0].partition(" ")
    assert (scheme, b64decode(pair)) == ("Basic", b"meeting:a+client+secret%2Fwith%2Bsigns")


def test_somebody_known_by_mail_is_the_same_person(hub: Hub, provider: FakeProvider) -> None:
    before = who(hub.sign_in(ADA))
    browser = hub.browser()
    provider.sign_in(browser)
    assert who(browser) == before


def test_an_address_that_changes_there_changes_here_unless_somebody_has_it(hub: Hub, provider: FakeProvider) -> None:
    first, second, third = hub.browser(), hub.browser(), hub.browser()
    provider.sign_in(first)
    provider.sign_in(second, email="ada.king@example.com")
    assert who(second)["id"] == who(first)["id"]
    assert who(second)["email"] == "ada.king@example.com"
    hub.sign_in("bob@example.com")
    provider.sign_in(third, email="bob@example.com")
    assert (who(third)["id"], who(third)["email"]) == (who(first)["id"], "ada.king@example.com")


CLAIMS_THAT_LIE: list[tuple[dict[str, Any], str]] = [
    ({"nonce": "another"}, "token"),
    ({"nonce": None}, "token"),
    ({"aud": "another"}, "token"),
    ({"aud": [CLIENT, "another"]}, "token"),
    ({"aud": [CLIENT, "another"], "azp": "another"}, "token"),
    ({"azp": "another"}, "token"),
    ({"iss": "https://evil.example"}, "token"),
    ({"exp": 1}, "token"),
    ({"exp": "soon"}, "token"),
    ({"exp": None}, "token"),
    ({"nbf": 4_000_000_000}, "token"),
    ({"sub": ""}, "token"),
    ({"sub": None}, "token"),
    ({"email_verified": False}, "email-unverified"),
    ({"email_verified": None}, "email-unverified"),
    ({"email": "nobody"}, "email"),
]


@pytest.mark.parametrize(("lie", "reason"), CLAIMS_THAT_LIE, ids=[str(lie) for lie, _ in CLAIMS_THAT_LIE])
def test_a_token_that_is_not_for_us_now_is_not_believed(
    hub: Hub, provider: FakeProvider, lie: dict[str, Any], reason: str
) -> None:
    provider.serve(f"{ISSUER}/userinfo", {"sub": "u1"})
    browser = hub.browser()
    refused(browser, provider.sign_in(browser, **lie), reason)


def test_a_token_for_several_that_names_us_is_believed(hub: Hub, provider: FakeProvider) -> None:
    browser = hub.browser()
    assert provider.sign_in(browser, aud=[CLIENT, "another"], azp=CLIENT) == "/"


@pytest.mark.parametrize("how", ["none", "hmac with the public key", "hmac with the secret", "another key", "garbage"])
def test_a_token_that_the_provider_did_not_sign_is_not_believed(hub: Hub, provider: FakeProvider, how: str) -> None:
    browser = hub.browser()
    asked = provider.begin(browser)
    claims = provider.claims(asked)
    parts = [urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode()
             for each in ({"alg": "HS256", "kid": provider.kid}, claims)]  # fmt: skip
    tokens = {
        "none": jwt.encode(claims, "", "none", {"kid": provider.kid}),
        "hmac with the public key": ".".join([*parts, "AAAA"]),
        "hmac with the secret": jwt.encode(
            claims, "a client secret/with+signs and more", "HS256", {"kid": provider.kid}
        ),
        "another key": jwt.encode(claims, key_of("another"), "RS256", {"kid": provider.kid}),
        "garbage": "x.y.z",
    }
    refused(browser, provider.end(browser, asked, tokens[how]), "token")


def test_keys_that_change_are_fetched_anew(hub: Hub, provider: FakeProvider) -> None:
    provider.sign_in(hub.browser())
    provider.key, provider.kid = key_of("second"), "second"
    browser = hub.browser()
    refused(browser, provider.sign_in(browser), "token")  # it publishes the first one still
    provider.publish()
    hub.clock.advance(31)
    assert provider.sign_in(browser) == "/"


def test_an_unknown_key_does_not_make_us_ask_again_and_again(hub: Hub, provider: FakeProvider) -> None:
    provider.sign_in(hub.browser())
    hub.clock.advance(60)
    provider.kid = "nobody's"
    for _ in range(5):
        provider.sign_in(hub.browser())
    assert len([each for each in hub.agent.diary if each.url == f"{ISSUER}/keys"]) == 2


def test_an_attempt_is_good_once_and_not_for_long(hub: Hub, provider: FakeProvider) -> None:
    browser = hub.browser()
    asked = provider.begin(browser)
    kept = dict(browser.cookies)
    token = provider.token(provider.claims(asked))
    assert provider.end(browser, asked, token) == "/"
    again = Browser(hub, cookies=kept)
    refused(again, provider.end(again, asked, token), "state")
    late = hub.browser()
    asked = provider.begin(late)
    hub.clock.advance(900)
    refused(late, provider.end(late, asked, provider.token(provider.claims(asked))), "state")


def test_an_attempt_ends_in_the_browser_in_which_it_began(hub: Hub, provider: FakeProvider) -> None:
    attacker, victim = hub.browser(), hub.browser()
    asked = provider.begin(attacker)
    provider.begin(victim)
    refused(victim, provider.end(victim, asked, provider.token(provider.claims(asked))), "state")
    nobody = hub.browser()
    refused(nobody, nobody.get("/api/v1/sign-in/oidc/callback?state=made-up&code=c").headers["Location"], "state")
    refused(nobody, nobody.get("/api/v1/sign-in/oidc/callback").headers["Location"], "state")


def test_what_the_token_leaves_out_the_userinfo_says_of_the_same_subject(hub: Hub, provider: FakeProvider) -> None:
    browser = hub.browser()
    provider.serve(f"{ISSUER}/userinfo", {"sub": "u1", "email": ADA, "email_verified": True})
    assert provider.sign_in(browser, email=None, email_verified=None) == "/"
    assert who(browser)["email"] == ADA
    provider.serve(f"{ISSUER}/userinfo", {"sub": "u2", "email": "eve@example.com", "email_verified": True})
    other = hub.browser()
    refused(other, provider.sign_in(other, email=None, email_verified=None), "token")


def test_who_says_no_there_is_told_so_here(hub: Hub, provider: FakeProvider) -> None:
    browser = hub.browser()
    asked = provider.begin(browser)
    for error, reason in (("access_denied", "denied"), ("server_error", "provider")):
        answer = browser.get(f"/api/v1/sign-in/oidc/callback?state={asked['state']}&error={error}&session_state=x")
        refused(browser, answer.headers["Location"], reason)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"issuer": "https://evil.example"}, "provider"),
        ({"token_endpoint": "http://sso.example.com/token"}, "provider"),
        ({"jwks_uri": None}, "provider"),
        ({"userinfo_endpoint": "ftp://x"}, "provider"),
    ],
)
def test_a_provider_that_is_another_or_not_safe_is_not_used(
    hub: Hub, provider: FakeProvider, metadata: dict[str, Any], reason: str
) -> None:
    provider.serve(f"{ISSUER}/.well-known/openid-configuration", {**provider.metadata, **metadata})
    assert hub.browser().get("/api/v1/sign-in/oidc").headers["Location"] == f"/sign-in?problem={reason}"


def test_a_provider_that_does_not_answer_is_given_up_and_others_go_on(hub: Hub) -> None:
    browser = hub.browser()
    answer = hub.begin("GET", "/api/v1/sign-in/oidc", b"", {"Host": "meet.example.com"})
    hub.clock.advance(10)
    assert answer().headers["Location"] == "/sign-in?problem=unreachable"
    assert browser.get("/api/v1/me").status == 200


def test_a_provider_that_says_too_much_or_fails_is_told_as_such(hub: Hub, provider: FakeProvider) -> None:
    browser = hub.browser()
    asked = provider.begin(browser)
    refused(browser, provider.end(browser, asked, "x" * 300_000), "unreachable")
    asked = provider.begin(browser)
    provider.serve(f"{ISSUER}/token", {"error": "invalid_grant"}, 400)
    answer = browser.get(f"/api/v1/sign-in/oidc/callback?state={asked['state']}&code=c")
    refused(browser, answer.headers["Location"], "provider")


def test_domains_count_here_too(make_hub: MakeHub) -> None:
    hub = make_hub(*ARGUMENTS, "--allowedDomain", "example.org")
    browser = hub.browser()
    refused(browser, FakeProvider(hub).sign_in(browser), "domain")


def test_an_address_is_believed_unverified_where_an_administrator_says_so(make_hub: MakeHub) -> None:
    hub = make_hub(*ARGUMENTS, "--oidcTrustEmail")
    browser = hub.browser()
    assert FakeProvider(hub).sign_in(browser, email_verified=None) == "/"


def test_a_claim_makes_an_administrator_and_takes_back_what_it_gave(make_hub: MakeHub) -> None:
    hub = make_hub(*ARGUMENTS, "--oidcAdministratorClaim", "groups=chiefs", "--administrator", "bob@example.com")
    provider = FakeProvider(hub)
    provider.serve(f"{ISSUER}/userinfo", {"sub": "u1"})
    browser, bob = hub.browser(), hub.browser()
    provider.sign_in(browser, groups=["staff", "chiefs"])
    assert who(browser)["administrator"]
    provider.sign_in(browser, groups=["staff"])
    assert not who(browser)["administrator"]
    provider.sign_in(bob, sub="u2", email="bob@example.com", groups=[])
    assert who(bob)["administrator"], "the flag gave it"


def test_alone_it_switches_codes_and_passkeys_off(make_hub: MakeHub) -> None:
    hub = make_hub(*ARGUMENTS, "--oidcOnly")
    browser = hub.browser()
    assert browser.get("/api/v1/me").json["server"]["sign_in_methods"] == ["oidc"]
    assert browser.post("/api/v1/sign-in/codes", {"email": ADA}).problem == "no-codes"
    assert browser.post("/api/v1/sign-in", {"email": ADA, "code": "123456"}).problem == "no-codes"
    assert browser.post("/api/v1/sign-in/passkey/options").status == 404
    assert FakeProvider(hub).sign_in(browser) == "/"


@pytest.mark.parametrize(
    "next", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "", "/%0d%0aX:", "/a%20b"]
)
def test_nobody_is_sent_elsewhere_afterwards(hub: Hub, provider: FakeProvider, next: str) -> None:
    browser = hub.browser()
    asked = provider.begin(browser, next)
    assert provider.end(browser, asked, provider.token(provider.claims(asked))) == "/"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--oidcIssuer", ISSUER], "belong together"),
        (["--oidcOnly"], "need --oidcIssuer"),
        (["--oidcIssuer", "http://sso.example.com", "--oidcClientId", "x"], "https"),
        ([*ARGUMENTS, "--oidcScopes", "email"], "openid is needed"),
        ([*ARGUMENTS, "--oidcAdministratorClaim", "groups"], "write claim=value"),
    ],
)
def test_options_that_do_not_fit_are_told_at_the_start(arguments: list[str], complaint: str) -> None:
    with pytest.raises(usage.UsageError, match=complaint):
        Hub(["--demo", *arguments])


def test_claims_are_found_in_lists_and_within_objects() -> None:
    claims = {"groups": ["a", "b"], "realm": {"roles": ["chief"]}, "admin": True, "a.b": "c"}
    assert has_claim(claims, "groups", "b")
    assert has_claim(claims, "realm.roles", "chief")
    assert has_claim(claims, "admin", "true")
    assert has_claim(claims, "a.b", "c")
    assert not has_claim(claims, "groups", "c")
    assert not has_claim(claims, "nothing.here", "None")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(("iss", "aud", "sub", "exp"), JSON), optional={"azp": JSON, "nbf": JSON}))
def test_whatever_claims_are_made_up_none_are_believed(claims: dict[str, Any]) -> None:
    with pytest.raises(OidcFailed):
        check_claims({**claims, "nonce": "wrong"}, ISSUER, CLIENT, "right", 1e9)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text(max_size=80), JSON)
def test_any_address_and_path_is_judged(text: str, value: Any) -> None:
    is_safe(text)
    is_safe(value)
    has_claim({"a": value}, text, "x")
    path = rules.safe_next(text)
    assert path.startswith("/") and not path.startswith(("//", "/\\"))
