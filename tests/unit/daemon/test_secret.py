"""Keys, access tokens, signed requests, TURN credentials and file links: what opens, and every way it must not."""

import hmac
from base64 import b64encode
from hashlib import sha1
from urllib.parse import parse_qsl

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.daemon.errors import BadSignature, ConfigurationError
from meeting.daemon.secret import (
    AccessClaims,
    BadLink,
    BadToken,
    LinkExpired,
    RequestVerifier,
    Secret,
    mint_access_token,
    sign_file_link,
    sign_request,
    turn_credential,
    turn_password,
    verify_access_token,
    verify_file_link,
)

NOW = 1_800_000_000.0
SECRET = Secret("correct horse battery staple")
OTHER = Secret("correct horse battery stable")
CLAIMS = AccessClaims(
    identity="p1:tab00001",
    name="Ada",
    room="0123456789abcdef0123456789abcdef",
    grants={"roomJoin": True, "canPublish": True},
    attributes={"role": "host"},
    metadata='{"a":1}',
    turn=("turn:1.2.3.4:3478?transport=udp",),
    code="abc-defg-hij",
    expires_at=int(NOW) + 3600,
    not_before=int(NOW),
)


# --- keys


def test_each_purpose_has_its_own_key() -> None:
    keys = [SECRET.key(p) for p in ("access-token", "daemon-request", "turn-credential", "file-link", "sign-in-code")]
    assert len({*keys}) == 5
    assert {len(key) for key in keys} == {32}


def test_keys_are_hkdf_sha256_as_written_down() -> None:
    """RFC 5869 by hand: extract with salt `meeting`, one block of expand."""
    prk = hmac.digest(b"meeting", b"correct horse battery staple", "sha256")
    assert SECRET.key("file-link") == hmac.digest(prk, b"meeting/v1/file-link\x01", "sha256")


def test_a_short_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="at least 16") as caught:
        Secret("hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_secret_does_not_show_itself() -> None:
    assert "horse" not in f"{SECRET!r} {SECRET}"


# --- access tokens


def test_a_token_comes_back_as_it_was_minted() -> None:
    assert verify_access_token(SECRET, mint_access_token(SECRET, CLAIMS), NOW) == CLAIMS


def test_a_token_of_livekits_own_library_is_equally_good() -> None:
    from livekit import api

    token = (
        api.AccessToken("meeting", SECRET.token_key)
        .with_identity("robot")
        .with_grants(api.VideoGrants(room_join=True, room="r1"))
        .to_jwt()
    )
    claims = verify_access_token(SECRET, token, jwt.decode(token, options={"verify_signature": False})["nbf"])
    assert (claims.identity, claims.room, claims.grants["roomJoin"]) == ("robot", "r1", True)
    assert claims.turn == ()


def test_livekits_own_library_accepts_our_token() -> None:
    from livekit import api

    far = CLAIMS.model_copy(update={"not_before": 0, "expires_at": 4_000_000_000})
    claims = api.TokenVerifier("meeting", SECRET.token_key).verify(mint_access_token(SECRET, far))
    assert claims.identity == CLAIMS.identity
    assert claims.video is not None and claims.video.room == CLAIMS.room


def test_a_token_made_with_another_secret_is_refused() -> None:
    with pytest.raises(BadToken, match="this server's key"):
        verify_access_token(SECRET, mint_access_token(OTHER, CLAIMS), NOW)


@pytest.mark.parametrize(("now", "says"), [(NOW + 3611, "expired"), (NOW - 11, "not valid yet")])
def test_a_token_out_of_its_time_is_refused(now: float, says: str) -> None:
    with pytest.raises(BadToken, match=says):
        verify_access_token(SECRET, mint_access_token(SECRET, CLAIMS), now)


@pytest.mark.parametrize("now", [NOW + 3609, NOW - 9])
def test_ten_seconds_of_skew_are_allowed(now: float) -> None:
    assert verify_access_token(SECRET, mint_access_token(SECRET, CLAIMS), now)


def test_an_unsigned_token_is_refused() -> None:
    token = jwt.encode({"iss": "meeting", "sub": "x", "exp": NOW + 60}, "", algorithm="none")
    with pytest.raises(BadToken):
        verify_access_token(SECRET, token, NOW)


def test_another_issuer_is_refused() -> None:
    token = jwt.encode({"iss": "devkey", "sub": "x", "exp": int(NOW) + 60}, SECRET.token_key, algorithm="HS256")
    with pytest.raises(BadToken):
        verify_access_token(SECRET, token, NOW)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 4e9, "video": [1]},
        {"exp": 4e9, "video": "all"},
        {"exp": "soon"},
        {"exp": None},
        {},
        {"exp": 4e9, "sub": 7},
        {"exp": 4e9, "sub": "x" * 600},
        {"exp": 4e9, "attributes": {"a": 1}},
        {"exp": 4e9, "meeting": ["turn"]},
        {"exp": 4e9, "meeting": {"turn": 5}},
        {"exp": 4e9, "meeting": {"turn": "1.2.3.4:3478"}},
        {"exp": 4e9, "nbf": "early"},
    ],
)
def test_claims_of_the_wrong_shape_are_refused(claims: dict[str, object]) -> None:
    token = jwt.encode({"iss": "meeting", **claims}, SECRET.token_key, algorithm="HS256")
    with pytest.raises(BadToken):
        verify_access_token(SECRET, token, NOW)


def test_a_token_whose_header_nests_deeply_is_refused() -> None:
    header = b64encode(b"[" * 11_000).rstrip(b"=").decode()
    with pytest.raises(BadToken):
        verify_access_token(SECRET, f"{header}.e30.AAAA", NOW)


@given(st.text(max_size=400) | st.binary(max_size=200).map(lambda b: b64encode(b).decode() + ".e30.AA"))
def test_any_text_is_either_a_token_or_refused(text: str) -> None:
    with pytest.raises(BadToken):
        verify_access_token(SECRET, text, NOW)


# --- signed requests

REQUEST = ("POST", "/api/v1/daemons/heartbeat?x=1", b'{"kind":"sfu"}')


def test_a_signed_request_tells_the_kind_of_daemon() -> None:
    header = sign_request(SECRET, "sfu", *REQUEST, NOW)
    assert RequestVerifier(SECRET).verify(header, *REQUEST, NOW + 1) == "sfu"


def test_a_replayed_request_is_refused() -> None:
    verifier = RequestVerifier(SECRET)
    header = sign_request(SECRET, "sfu", *REQUEST, NOW)
    verifier.verify(header, *REQUEST, NOW)
    with pytest.raises(BadSignature, match="received before"):
        verifier.verify(header, *REQUEST, NOW + 59)


def test_a_request_signed_with_another_secret_is_refused() -> None:
    with pytest.raises(BadSignature, match="does not fit"):
        RequestVerifier(SECRET).verify(sign_request(OTHER, "sfu", *REQUEST, NOW), *REQUEST, NOW)


@pytest.mark.parametrize("skew", [-61, 61, 86_400])
def test_a_request_from_a_clock_that_is_off_is_refused(skew: float) -> None:
    with pytest.raises(BadSignature, match="clock"):
        RequestVerifier(SECRET).verify(sign_request(SECRET, "sfu", *REQUEST, NOW), *REQUEST, NOW + skew)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", REQUEST[1], REQUEST[2]),
        ("POST", "/api/v1/daemons/heartbeat?x=2", REQUEST[2]),
        ("POST", "/api/v1/daemons", REQUEST[2]),
        ("POST", REQUEST[1], b'{"kind":"fs"}'),
        ("POST", REQUEST[1], b""),
    ],
)
def test_a_request_that_was_changed_on_its_way_is_refused(method: str, path: str, body: bytes) -> None:
    header = sign_request(SECRET, "sfu", *REQUEST, NOW)
    with pytest.raises(BadSignature, match="does not fit"):
        RequestVerifier(SECRET).verify(header, method, path, body, NOW)


def test_a_kind_that_was_changed_is_refused() -> None:
    header = sign_request(SECRET, "sfu", *REQUEST, NOW).replace(" sfu ", " api ")
    with pytest.raises(BadSignature, match="does not fit"):
        RequestVerifier(SECRET).verify(header, *REQUEST, NOW)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer x", "Meeting v1", "Meeting v2 sfu 1 a b", "Meeting v1 " + "x" * 9999]
)
def test_a_missing_or_malformed_header_is_refused(header: str | None) -> None:
    with pytest.raises(BadSignature):
        RequestVerifier(SECRET).verify(header, *REQUEST, NOW)


@given(st.text(max_size=200))
def test_any_other_header_is_refused(header: str) -> None:
    with pytest.raises(BadSignature):
        RequestVerifier(SECRET).verify(f"Meeting v1 {header}", *REQUEST, NOW)


def test_a_stranger_cannot_fill_the_memory_of_nonces() -> None:
    verifier = RequestVerifier(SECRET, most_nonces=2)
    header = sign_request(SECRET, "sfu", *REQUEST, NOW)
    verifier.verify(header, *REQUEST, NOW)
    for _ in range(5):
        with pytest.raises(BadSignature):
            verifier.verify(sign_request(OTHER, "sfu", *REQUEST, NOW), *REQUEST, NOW)
    with pytest.raises(BadSignature, match="received before"):
        verifier.verify(header, *REQUEST, NOW)


def test_the_memory_of_nonces_is_bounded_and_forgets_what_time_refuses_anyway() -> None:
    verifier = RequestVerifier(SECRET, most_nonces=10)
    for second in range(1000):
        verifier.verify(sign_request(SECRET, "fs", *REQUEST, NOW + second), *REQUEST, NOW + second)
    assert len(verifier._seen) == 10


# --- TURN


def test_a_turn_password_is_the_hmac_of_its_user_name() -> None:
    username, password = turn_credential(SECRET, "room1", "a:b:c", 1_800_003_600)
    assert username == "1800003600:room1:a:b:c"
    key = SECRET.key("turn-credential")
    assert password == b64encode(hmac.new(key, username.encode(), sha1).digest()).decode()
    assert turn_password(key, username) == password
    assert turn_password(key, username.replace("1800", "1900")) != password


# --- links to files

PATH = "/objects/0123456789abcdef0123456789abcdef"


def link(method: str = "GET", **members: object) -> dict[str, str]:
    query = sign_file_link(SECRET, method, PATH, "room1", int(NOW) + 300, **members)  # type: ignore[arg-type]
    return dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))


def test_a_link_to_download_carries_the_name() -> None:
    found = verify_file_link(SECRET, "GET", PATH, link(name="Plan für 50 % & mehr.png"), NOW)
    assert (found.meeting, found.size, found.name) == ("room1", None, "Plan für 50 % & mehr.png")


def test_a_link_to_upload_carries_the_size() -> None:
    found = verify_file_link(SECRET, "PUT", PATH, link("PUT", size=48213), NOW)
    assert (found.size, found.name, found.expires) == (48213, None, int(NOW) + 300)


def test_get_covers_head() -> None:
    assert verify_file_link(SECRET, "HEAD", PATH, link(), NOW)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("meeting", "room2"),
        ("expires", str(int(NOW) + 9999)),
        ("size", "1"),
        ("name", "other.png"),
        ("signature", "A" * 43),
        ("signature", ""),
        ("signature", "\udce4"),
        ("meeting", ""),
        ("meeting", "room1\n"),
        ("expires", "tomorrow"),
        ("expires", "²"),
        ("size", "-1"),
        ("name", "\ud800"),
    ],
)
def test_a_link_that_was_changed_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadLink):
        verify_file_link(SECRET, "GET", PATH, {**link(name="plan.png"), name: value}, NOW)


def test_a_link_opens_nothing_but_its_own_path_and_method() -> None:
    with pytest.raises(BadLink):
        verify_file_link(SECRET, "GET", PATH[:-1] + "0", link(), NOW)
    with pytest.raises(BadLink):
        verify_file_link(SECRET, "PUT", PATH, link(), NOW)
    with pytest.raises(BadLink):
        verify_file_link(OTHER, "GET", PATH, link(), NOW)
    with pytest.raises(BadLink):
        verify_file_link(SECRET, "GET", PATH, {}, NOW)


def test_a_link_that_is_over_says_so() -> None:
    with pytest.raises(LinkExpired):
        verify_file_link(SECRET, "GET", PATH, link(), NOW + 301)
