"""Servers register; meetings get servers, from the hub's own choice or the enterprise's allocateserver."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from meeting.daemon.secret import RequestVerifier, Secret
from tests.support.hub import Browser, Hub, MakeHub

ADA, BOB = "ada@example.com", "bob@example.com"
BEAT = "/api/v1/daemons/heartbeat"
ALLOCATE = "https://allocate.example.com/which"
DEVICE = {"device": "abcd1234"}
OTHER_INSTANCE = "f" * 32


def join(browser: Browser, meeting: dict[str, Any]) -> Any:
    return browser.post(f"/api/v1/meetings/{meeting['code']}/join", DEVICE)


# -- registration


def test_a_heartbeat_is_answered_with_the_interval(hub: Hub) -> None:
    answer = hub.beat("sfu", "1.sfu.example.com:443")
    assert (answer.status, answer.json) == (200, {"interval": 1.0, "peers": []})


def test_a_turnserver_hears_the_media_addresses_of_the_sfuservers_that_are_alive(hub: Hub) -> None:
    hub.beat("sfu", "1.sfu.example.com:443", media=["10.0.0.1:40000", "[2001:db8::1]:40000"])
    hub.beat("sfu", "2.sfu.example.com:443", media=["10.0.0.2:40000"])
    answer = hub.beat("turn", "198.51.100.1:3478")
    assert answer.json["peers"] == ["10.0.0.1:40000", "10.0.0.2:40000", "[2001:db8::1]:40000"]
    hub.clock.advance(8)
    hub.beat("sfu", "2.sfu.example.com:443", media=["10.0.0.2:40000"])
    hub.clock.advance(8)
    assert hub.beat("turn", "198.51.100.1:3478").json["peers"] == ["10.0.0.2:40000"]


def test_an_unsigned_heartbeat_is_refused(hub: Hub) -> None:
    body = {
        "kind": "sfu",
        "address": "evil.example.com:443",
        "url": "https://evil",
        "instance": "0" * 32,
        "version": "1",
    }
    answer = hub.request("POST", BEAT, json_body=body)
    assert (answer.status, answer.problem) == (401, "signature")
    assert join(hub.sign_in(ADA), hub.sign_in(ADA).instant()).problem == "please-wait"


def test_a_heartbeat_signed_with_another_secret_or_kind_or_time_or_twice_is_refused(hub: Hub) -> None:
    body = {"kind": "sfu", "address": "a.example.com:443", "url": "https://a", "instance": "0" * 32, "version": "1"}
    assert hub.daemon("POST", BEAT, body, secret=Secret("another secret, long enough")).problem == "signature"
    assert hub.daemon("POST", BEAT, body, kind="turn").problem == "signature"
    assert hub.daemon("DELETE", BEAT, {**body, "kind": "turn"}).problem == "bad-request"
    from meeting.daemon.secret import sign_request

    data = b'{"kind":"sfu","address":"a.example.com:443","url":"https://a","instance":"%s","version":"1"}' % (b"0" * 32)
    headers = {"Content-Type": "application/json"}
    late = {**headers, "Authorization": sign_request(hub.secret, "sfu", "POST", BEAT, data, hub.clock.seconds() - 100)}
    assert hub.request("POST", BEAT, body=data, headers=late).problem == "signature"
    good = {**headers, "Authorization": sign_request(hub.secret, "sfu", "POST", BEAT, data, hub.clock.seconds())}
    assert hub.request("POST", BEAT, body=data, headers=good).status == 200
    assert hub.request("POST", BEAT, body=data, headers=good).problem == "signature"
    other = data.replace(b"a.example", b"b.example")
    fresh = {**headers, "Authorization": sign_request(hub.secret, "sfu", "POST", BEAT, data, hub.clock.seconds())}
    assert hub.request("POST", BEAT, body=other, headers=fresh).problem == "signature"


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "no port"},
        {"address": "a.example.com:0"},
        {"address": "a.example.com:99999"},
        {"media": ["10.0.0.1"]},
        {"load": 7},
        {"kind": "hub"},
        {"instance": "short"},
        {"state": "dancing"},
    ],
)
def test_a_heartbeat_that_makes_no_sense_is_refused(hub: Hub, wrong: dict[str, Any]) -> None:
    beat: dict[str, Any] = {"kind": "sfu", "address": "a.example.com:443", "url": "https://a", "instance": "0" * 32}
    answer = hub.daemon("POST", BEAT, {**beat, "version": "1", **wrong})
    assert (answer.status, answer.problem) == (400, "bad-request")


def test_an_address_belongs_to_the_instance_that_is_alive(hub: Hub) -> None:
    hub.beat("sfu", "1.sfu.example.com:443")
    answer = hub.beat("sfu", "1.sfu.example.com:443", instance=OTHER_INSTANCE)
    assert (answer.status, answer.problem) == (409, "address-taken")
    hub.clock.advance(4)
    assert hub.beat("sfu", "1.sfu.example.com:443", instance=OTHER_INSTANCE).status == 200
    assert hub.beat("sfu", "1.sfu.example.com:443").problem == "address-taken"


def test_a_server_that_says_good_bye_is_gone_at_once(hub: Hub) -> None:
    hub.beat("sfu", "1.sfu.example.com:443")
    gone = {"kind": "sfu", "address": "1.sfu.example.com:443", "instance": OTHER_INSTANCE}
    ada = hub.sign_in(ADA)
    assert hub.daemon("DELETE", BEAT, gone).status == 204
    assert join(ada, ada.instant()).status == 200, "another instance's good-bye is nobody's"
    bob = hub.sign_in(BOB)
    assert hub.daemon("DELETE", BEAT, {**gone, "instance": "0123456789abcdef" * 2}).status == 204
    assert join(bob, bob.instant()).problem == "please-wait"
    assert hub.beat("sfu", "1.sfu.example.com:443", instance=OTHER_INSTANCE).status == 200


# -- the hub's own choice


def test_the_least_loaded_server_that_is_ready_is_chosen(hub: Hub) -> None:
    hub.beat("sfu", "1.sfu.example.com:443", load=0.5)
    hub.beat("sfu", "2.sfu.example.com:443", load=0.2)
    hub.beat("sfu", "3.sfu.example.com:443", load=0.0, state="draining")
    hub.beat("sfu", "4.sfu.example.com:443", load=0.0, state="starting")
    ada = hub.sign_in(ADA)
    assert join(ada, ada.instant()).json["url"] == "wss://2.sfu.example.com:443"


def test_a_plain_server_behind_a_proxy_or_of_a_demo_is_reached_as_it_registered(hub: Hub) -> None:
    hub.beat("sfu", "localhost:8080", url="http://localhost:8080")
    ada = hub.sign_in(ADA)
    assert join(ada, ada.instant()).json["url"] == "ws://localhost:8080"


def test_a_meeting_moves_when_its_server_has_been_gone_for_more_than_ten_seconds(hub: Hub) -> None:
    hub.beat("sfu", "1.sfu.example.com:443")
    ada = hub.sign_in(ADA)
    meeting = ada.instant()
    assert join(ada, meeting).json["url"] == "wss://1.sfu.example.com:443"
    hub.clock.advance(9)
    hub.beat("sfu", "2.sfu.example.com:443")
    assert join(ada, meeting).json["url"] == "wss://1.sfu.example.com:443", "it may be starting again"
    hub.clock.advance(2)
    hub.beat("sfu", "2.sfu.example.com:443")
    assert join(ada, meeting).json["url"] == "wss://2.sfu.example.com:443"
    hub.clock.advance(1)
    hub.beat("sfu", "1.sfu.example.com:443")
    hub.beat("sfu", "2.sfu.example.com:443")
    assert join(ada, meeting).json["url"] == "wss://2.sfu.example.com:443", "everyone is there by now"


def test_a_turnserver_that_is_gone_is_replaced_and_nobody_moves(hub: Hub) -> None:
    from meeting.daemon.secret import verify_access_token

    hub.beat("sfu", "1.sfu.example.com:443")
    hub.beat("turn", "198.51.100.1:3478")
    ada = hub.sign_in(ADA)
    meeting = ada.instant()
    join(ada, meeting)
    hub.clock.advance(11)
    hub.beat("sfu", "1.sfu.example.com:443")
    hub.beat("turn", "198.51.100.2:3478")
    answer = join(ada, meeting).json
    assert answer["url"] == "wss://1.sfu.example.com:443"
    assert verify_access_token(hub.secret, answer["token"], hub.clock.seconds()).turn == ("198.51.100.2:3478",)


# -- the enterprise's allocateserver


@pytest.fixture
def allocated(make_hub: MakeHub) -> Hub:
    return make_hub("--allocateserver", f"{ALLOCATE}?site=north%20wing")


def test_the_allocateserver_is_asked_as_the_contract_says(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443", "turn": "203.0.113.7:3478"}')
    ada = hub.sign_in(ADA)
    answer = join(ada, ada.instant()).json
    assert answer["url"] == "wss://7.sfu.example.com:443"
    asked = hub.agent.diary[-1]
    parts = urlsplit(asked.url)
    expected = {"site": ["north wing"], "Kind": ["SFUTURN"], "Email": [ADA], "BeginAt": ["0"], "EndAt": ["0"]}
    assert (asked.method, parse_qs(parts.query)) == ("GET", expected)
    header = (asked.headers.getRawHeaders("Authorization") or [""])[0]
    verified = RequestVerifier(hub.secret).verify(
        header, "GET", f"{parts.path}?{parts.query}", b"", hub.clock.seconds()
    )
    assert verified == "api"


def test_a_scheduled_meetings_servers_are_asked_for_when_it_is_made_and_when_it_moves(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443"}')
    ada = hub.sign_in(ADA)
    meeting = ada.schedule()
    query = parse_qs(urlsplit(hub.agent.diary[-1].url).query)
    assert (query["BeginAt"], query["EndAt"]) == (["1795442400"], ["1795446000"])
    ada.patch(f"/api/v1/meetings/{meeting['code']}", {"title": "Other plans"})
    assert len(hub.agent.diary) == 1
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "8.sfu.example.com:443"}')
    ada.patch(f"/api/v1/meetings/{meeting['code']}", {"end_at": "2026-11-23T16:00:00Z"})
    assert parse_qs(urlsplit(hub.agent.diary[-1].url).query)["EndAt"] == ["1795449600"]
    hub.beat("sfu", "8.sfu.example.com:443")
    assert join(ada, meeting).json["url"] == "wss://8.sfu.example.com:443"
    assert len(hub.agent.diary) == 2, "its server is alive: nobody is asked again"


def test_a_refusal_at_the_making_refuses_no_meeting(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (503, b"")
    ada = hub.sign_in(ADA)
    meeting = ada.schedule()
    assert join(ada, meeting).problem == "please-wait"
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443"}')
    assert join(ada, meeting).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        (404, b'{"sfu": "7.sfu.example.com:443"}'),
        (302, b""),
        (200, b""),
        (200, b"not JSON"),
        (200, b"[" * 60_000),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"turn": "203.0.113.7:3478"}'),
        (200, b'{"sfu": "7.sfu.example.com"}'),
        (200, b'{"sfu": "7.sfu.example.com:443", "turn": "203.0.113.7"}'),
        (200, b'{"sfu": "7.sfu.example.com:443/evil"}'),
        (200, b'{"sfu": "user@7.sfu.example.com:443"}'),
        (200, b'{"sfu": 443}'),
        (200, b'{"sfu": "7.sfu.example.com:443", "x": "' + b"x" * 70_000 + b'"}'),
    ],
)
def test_an_answer_that_cannot_be_used_is_please_wait(allocated: Hub, answer: tuple[int, bytes]) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = answer
    ada = hub.sign_in(ADA)
    refused = join(ada, ada.instant())
    assert (refused.status, refused.problem, refused.headers["Retry-After"]) == (503, "please-wait", "2")


@pytest.mark.parametrize(
    ("said", "passed_on"), [("7", "7"), ("900", "60"), ("0", "1"), ("soon", "2"), ("9" * 40, "60")]
)
def test_the_allocateservers_own_wait_is_passed_on_within_bounds(allocated: Hub, said: str, passed_on: str) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (503, b"", {"Retry-After": said})
    ada = hub.sign_in(ADA)
    assert join(ada, ada.instant()).headers["Retry-After"] == passed_on


def test_an_allocateserver_that_does_not_answer_is_given_up_after_ten_seconds(allocated: Hub) -> None:
    hub = allocated
    ada = hub.sign_in(ADA)
    code = ada.instant()["code"]
    cookie = f"meeting_session={ada.cookies['meeting_session']}"
    headers = {"Host": "meet.example.com", "Origin": "https://meet.example.com", "Content-Type": "application/json"}
    answer = hub.begin(
        "POST", f"/api/v1/meetings/{code}/join", b'{"device": "abcd1234"}', {**headers, "Cookie": cookie}
    )
    hub.clock.advance(9.9)
    with pytest.raises(AssertionError):
        answer()
    hub.clock.advance(0.2)
    assert answer().problem == "please-wait"


def test_two_replicas_that_allocate_at_once_give_everyone_the_same_server(allocated: Hub) -> None:
    """Both have asked before either has written: the second finds the first's answer and takes it."""
    hub = allocated
    ada = hub.sign_in(ADA)
    code = ada.instant()["code"]
    headers = {"Host": "meet.example.com", "Origin": "https://meet.example.com", "Content-Type": "application/json"}
    body = b'{"device": "abcd1234", "name": "Grace"}'
    answers = [hub.begin("POST", f"/api/v1/meetings/{code}/join", body, headers) for _ in range(2)]
    one, other = hub.agent.open
    one.answer(200, b'{"sfu": "1.sfu.example.com:443"}')
    other.answer(200, b'{"sfu": "2.sfu.example.com:443"}')
    assert [answer().json["url"] for answer in answers] == ["wss://1.sfu.example.com:443"] * 2
