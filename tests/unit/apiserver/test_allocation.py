"""Servers register; meetings get servers, from the hub's own choice or the enterprise's allocateserver."""

import json
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from meeting.apiserver.allocation import reservations
from meeting.apiserver.schema import utc_now
from meeting.daemon.secret import RequestVerifier, Secret, sign_request, verify_access_token
from meeting.daemon.web import site
from tests.support import http
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
    assert (answer.status, answer.json) == (200, {"interval": 1.0, "over": [], "others": []})


def test_a_turnserver_hears_of_the_others_that_are_ready(hub: Hub) -> None:
    hub.beat("turn", "198.51.100.1:3478", load=0.5)
    hub.beat("turn", "198.51.100.2:3478")
    hub.beat("turn", "198.51.100.3:3478", state="draining")
    hub.beat("sfu", "1.sfu.example.com:443")
    answer = hub.beat("turn", "198.51.100.9:3478")
    assert answer.json["others"] == ["198.51.100.2:3478", "198.51.100.1:3478"]
    hub.clock.advance(4)
    hub.beat("turn", "198.51.100.1:3478")
    assert hub.beat("turn", "198.51.100.9:3478").json["others"] == ["198.51.100.1:3478"]


def test_a_turnserver_hears_which_of_its_meetings_are_over(hub: Hub) -> None:
    hub.beat("sfu", "1.sfu.example.com:443")
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    meetings = [person.instant() for person in (ada, bob)]
    going, ended = (
        verify_access_token(hub.secret, join(person, one).json["token"], hub.clock.seconds()).room
        for person, one in zip((ada, bob), meetings, strict=True)
    )
    assert bob.post(f"/api/v1/meetings/{meetings[1]['code']}/end").status == 204
    rooms = [going, ended, "0" * 32, "somebody's own room"]
    assert hub.beat("turn", "198.51.100.1:3478", rooms=rooms).json["over"] == [ended]
    assert hub.beat("sfu", "1.sfu.example.com:443", rooms=rooms).json["over"] == []
    assert hub.beat("turn", "198.51.100.1:3478", rooms=["r"] * 201).status == 400


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
    assert verify_access_token(hub.secret, answer["token"], hub.clock.seconds()).turn == (
        "turn:198.51.100.2:3478?transport=udp",
    )


# -- the enterprise's allocateserver


def fit(hub: Hub, *addresses: str) -> None:
    """These sfuservers are there, and take the hub's tokens."""
    for address in addresses:
        hub.beat("sfu", address)
        hub.agent.answers[f"https://{address}/rtc/validate"] = (200, b"success")


def asked(hub: Hub, method: str = "GET") -> list[dict[str, str]]:
    """The questions that the allocateserver has heard."""
    heard = [each for each in hub.agent.diary if each.url.startswith(ALLOCATE) and each.method == method]
    return [dict(parse_qsl(urlsplit(each.url).query)) for each in heard]


@pytest.fixture
def allocated(make_hub: MakeHub) -> Hub:
    return make_hub("--allocateserver", f"{ALLOCATE}?site=north%20wing")


def test_the_allocateserver_is_asked_as_the_contract_says(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443", "turn": "203.0.113.7:3478"}')
    fit(hub, "7.sfu.example.com:443")
    ada = hub.sign_in(ADA)
    answer = join(ada, ada.instant()).json
    assert answer["url"] == "wss://7.sfu.example.com:443"
    question = hub.agent.diary[0]
    parts = urlsplit(question.url)
    expected = {"site": ["north wing"], "Kind": ["SFUTURN"], "Email": [ADA], "BeginAt": ["0"], "EndAt": ["0"]}
    assert (question.method, parse_qs(parts.query)) == ("GET", expected)
    header = (question.headers.getRawHeaders("Authorization") or [""])[0]
    verified = RequestVerifier(hub.secret).verify(
        header, "GET", f"{parts.path}?{parts.query}", b"", hub.clock.seconds()
    )
    assert verified == "api"


def test_an_instant_meetings_servers_are_asked_for_when_it_is_opened(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443"}')
    fit(hub, "7.sfu.example.com:443")
    ada = hub.sign_in(ADA)
    meeting = ada.instant()
    assert len(asked(hub)) == 1
    assert join(ada, meeting).json["url"] == "wss://7.sfu.example.com:443"
    ada.instant()
    assert len(asked(hub)) == 1, "its server is there: nobody is asked again"


def test_a_scheduled_meetings_servers_are_asked_for_when_it_is_made_and_when_it_moves(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443"}')
    fit(hub, "7.sfu.example.com:443", "8.sfu.example.com:443")
    ada = hub.sign_in(ADA)
    meeting = ada.schedule()
    assert (asked(hub)[0]["BeginAt"], asked(hub)[0]["EndAt"]) == ("1795442400", "1795446000")
    ada.patch(f"/api/v1/meetings/{meeting['code']}", {"title": "Other plans"})
    assert len(asked(hub)) == 1
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "8.sfu.example.com:443"}')
    ada.patch(f"/api/v1/meetings/{meeting['code']}", {"end_at": "2026-11-23T16:00:00Z"})
    assert asked(hub)[1]["EndAt"] == "1795449600"
    assert join(ada, meeting).json["url"] == "wss://8.sfu.example.com:443", "the old answer is dropped"
    assert len(asked(hub)) == 2, "its server is alive: nobody is asked again"
    assert asked(hub, "DELETE") == [], "this allocateserver takes nothing back"


def test_what_is_not_needed_any_more_is_given_back_to_an_allocateserver_that_takes_it(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443"}', {"Allow": "GET, DELETE"})
    ada = hub.sign_in(ADA)
    path = f"/api/v1/meetings/{ada.schedule()['code']}"
    ada.patch(path, {"end_at": "2026-11-23T16:00:00Z"})
    assert [each["EndAt"] for each in asked(hub, "DELETE")] == ["1795446000"]
    assert [each.method for each in hub.agent.diary] == ["GET", "DELETE", "GET"], "free before it is asked for again"
    hub.agent.answers[ALLOCATE] = (502, b"")
    ada.delete(path)
    assert asked(hub, "DELETE")[1:] == [asked(hub)[1]]
    hub.agent.answers[ALLOCATE] = (204, b"")
    hub.clock.advance(6)
    hub.clock.advance(3600)
    assert asked(hub, "DELETE")[2:] == [asked(hub)[1]], "once more after the refusal, and then no more"


def test_a_meeting_that_is_made_longer_while_people_are_in_it_stays_where_it_is(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443"}', {"Allow": "GET, DELETE"})
    fit(hub, "7.sfu.example.com:443", "8.sfu.example.com:443")
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    meeting = ada.schedule(begin_at="2026-11-23T12:01:00Z", end_at="2026-11-23T12:31:00Z")
    assert join(ada, meeting).status == 200
    hub.clock.advance(60)
    fit(hub, "7.sfu.example.com:443", "8.sfu.example.com:443")
    enters(hub, meeting)
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "8.sfu.example.com:443"}', {"Allow": "GET, DELETE"})
    ada.patch(f"/api/v1/meetings/{meeting['code']}", {"end_at": "2026-11-23T13:30:00Z"})
    assert join(bob, meeting).json["url"] == "wss://7.sfu.example.com:443"
    assert asked(hub, "DELETE") == [], "not from under those who are there"
    hub.clock.advance(1830)
    assert len(asked(hub, "DELETE")) == 1


def enters(hub: Hub, meeting: dict[str, Any]) -> None:
    """The sfuserver reports somebody in the meeting's room."""
    event = {"event": "participant_joined", "room": {"name": meeting["id"]}, "created_at": int(hub.clock.seconds())}
    body = json.dumps({**event, "participant": {"sid": "PA_1", "identity": "x:abcd1234", "name": "Ada"}}).encode()
    digest = b64encode(sha256(body).digest()).decode()
    claims = {"iss": "meeting", "exp": int(hub.clock.seconds()) + 60, "sha256": digest}
    token = jwt.encode(claims, hub.secret.token_key, algorithm="HS256")
    assert hub.request("POST", "/api/v1/webhooks/sfu", body=body, headers={"Authorization": token}).status == 200


def test_a_refusal_at_the_making_refuses_no_meeting(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (503, b"")
    ada = hub.sign_in(ADA)
    meeting = ada.schedule()
    assert join(ada, meeting).problem == "please-wait"
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443"}')
    fit(hub, "7.sfu.example.com:443")
    assert join(ada, meeting).status == 200


def test_a_coming_meeting_is_asked_for_until_it_has_a_promise_and_ever_more_seldom(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (503, b"")
    ada = hub.sign_in(ADA)
    ada.schedule(begin_at="2026-11-24T14:00:00Z", end_at="2026-11-24T15:00:00Z")
    after = [len(asked(hub))]
    for _ in range(8):
        hub.clock.pump([5] * 120)
        after.append(len(asked(hub)))
    assert after == [1, 7, 8, 9, 10, 11, 12, 13, 14]
    hub.agent.answers[ALLOCATE] = (200, b'{"sfu": "7.sfu.example.com:443"}')
    hub.clock.pump([5] * 720)
    assert len(asked(hub)) == 15, "promised once is enough"


def test_what_one_replica_is_asking_for_no_other_asks_for_until_it_must_be_dead(allocated: Hub) -> None:
    hub = allocated
    hub.sign_in(ADA).schedule()
    hub.clock.pump([1] * 9)
    assert len(hub.agent.open) == 1, "it is being asked for: no round asks again"
    hub.clock.pump([1] * 8)
    assert len(asked(hub)) == 2, "it was given up after ten seconds and is asked for again after five"


def test_the_wish_of_a_replica_that_died_while_asking_is_seen_to_by_another(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (503, b"")
    hub.sign_in(ADA).schedule()
    hub.clock.advance(4.9)
    moment = utc_now(IReactorTime(hub.clock)) + timedelta(seconds=1)
    assert len(hub.sql(reservations._take, "another replica", moment)) == 1
    assert hub.sql(reservations._take, "a third one", moment) == []
    hub.clock.pump([5] * 11)
    assert len(asked(hub)) == 1, "the other one may still be asking"
    hub.clock.pump([5] * 3)
    assert len(asked(hub)) == 2


def test_a_meeting_that_is_over_is_not_asked_for_any_more(allocated: Hub) -> None:
    hub = allocated
    hub.agent.answers[ALLOCATE] = (503, b"")
    ada = hub.sign_in(ADA)
    ada.schedule(begin_at="2026-11-23T12:05:00Z", end_at="2026-11-23T12:30:00Z")
    ada.instant()
    hub.clock.pump([60] * 62)
    before = len(asked(hub))
    hub.clock.pump([60] * 100)
    assert len(asked(hub)) == before


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
    fit(hub, "7.sfu.example.com:443")
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
    fit(hub, "1.sfu.example.com:443", "2.sfu.example.com:443")
    ada = hub.sign_in(ADA)
    code = ada.instant()["code"]
    headers = {"Host": "meet.example.com", "Origin": "https://meet.example.com", "Content-Type": "application/json"}
    body = b'{"device": "abcd1234", "name": "Grace"}'
    answers = [hub.begin("POST", f"/api/v1/meetings/{code}/join", body, headers) for _ in range(2)]
    opening, one, other = hub.agent.open
    one.answer(200, b'{"sfu": "1.sfu.example.com:443"}')
    other.answer(200, b'{"sfu": "2.sfu.example.com:443"}')
    opening.answer(200, b'{"sfu": "2.sfu.example.com:443"}')
    assert [answer().json["url"] for answer in answers] == ["wss://1.sfu.example.com:443"] * 2
    assert join(ada, {"code": code}).json["url"] == "wss://1.sfu.example.com:443"


# -- an answer is checked

SEVEN = "7.sfu.example.com:443"
PROVE = f"https://{SEVEN}/rtc/validate"


def failing(hub: Hub) -> tuple[str, str]:
    """The word and the words that the host gets; everybody else hears only that it takes a moment."""
    ada, guest = hub.sign_in(ADA), hub.browser()
    meeting = ada.instant()
    told = join(ada, meeting)
    assert (told.status, told.problem) == (503, "please-wait")
    untold = guest.post(f"/api/v1/meetings/{meeting['code']}/join", {**DEVICE, "name": "Grace"})
    assert (untold.status, untold.problem) == (503, "please-wait")
    assert "reason" not in untold.json and SEVEN not in untold.body.decode()
    state = json.loads(http.exchange(site(hub.server.status, Clock(), log_access=False), "GET", "/state").body)
    assert state["meetings without servers"][meeting["id"]] in told.json["detail"]
    return told.json["reason"], told.json["detail"]


@pytest.fixture
def promising(allocated: Hub) -> Hub:
    allocated.agent.answers[ALLOCATE] = (200, b'{"sfu": "%s"}' % SEVEN.encode())
    return allocated


def test_a_server_that_has_not_registered_is_given_to_nobody(promising: Hub) -> None:
    reason, detail = failing(promising)
    assert reason == "unregistered" and f"{SEVEN} has never registered" in detail


def test_a_server_that_is_gone_is_given_to_nobody(promising: Hub) -> None:
    fit(promising, SEVEN)
    promising.clock.advance(20)
    reason, detail = failing(promising)
    assert reason == "unregistered" and "was last heard 20 s ago" in detail


def test_a_server_with_another_secret_is_given_to_nobody(promising: Hub) -> None:
    promising.beat("sfu", SEVEN)
    promising.agent.answers[PROVE] = (401, b"no")
    reason, detail = failing(promising)
    assert reason == "secret" and "is --secret the same there" in detail


def test_a_server_that_answers_like_none_is_given_to_nobody(promising: Hub) -> None:
    promising.beat("sfu", SEVEN)
    promising.agent.answers[PROVE] = (404, b"what?")
    reason, detail = failing(promising)
    assert reason == "unreachable" and "answers 404" in detail


def test_a_server_that_cannot_be_reached_is_given_to_nobody_and_asked_by_one_at_a_time(promising: Hub) -> None:
    hub = promising
    hub.beat("sfu", SEVEN)
    guest = {"Host": "meet.example.com", "Origin": "https://meet.example.com", "Content-Type": "application/json"}
    code = hub.sign_in(ADA).instant()["code"]
    body = b'{"device": "abcd1234", "name": "Grace"}'
    answers = [hub.begin("POST", f"/api/v1/meetings/{code}/join", body, guest) for _ in range(3)]
    assert [each.url for each in hub.agent.open] == [PROVE]
    hub.clock.advance(5.1)
    assert [answer().problem for answer in answers] == ["please-wait"] * 3
    assert failing(hub)[0] == "unreachable"
    fit(hub, SEVEN)
    ada = hub.sign_in(ADA)
    assert join(ada, ada.instant()).problem == "please-wait", "it was looked at a moment ago"
    hub.clock.advance(5)
    fit(hub, SEVEN)
    assert join(ada, ada.instant()).status == 200


def test_a_server_is_looked_at_once_until_it_starts_again(promising: Hub) -> None:
    hub = promising
    fit(hub, SEVEN)
    ada = hub.sign_in(ADA)
    for _ in range(3):
        assert join(ada, ada.instant()).status == 200
    proofs = [each for each in hub.agent.diary if each.url == PROVE]
    assert len(proofs) == 1
    bearer = (proofs[0].headers.getRawHeaders("Authorization") or [""])[0].removeprefix("Bearer ")
    claims = verify_access_token(hub.secret, bearer, hub.clock.seconds())
    assert (claims.room, claims.grants) == ("0" * 32, {"roomJoin": True})
    hub.clock.advance(4)
    hub.beat("sfu", SEVEN, instance=OTHER_INSTANCE)
    hub.agent.answers[PROVE] = (401, b"")
    assert join(ada, ada.instant()).json["reason"] == "secret"


def test_an_administrator_hears_why_anybody_has_to_wait(make_hub: MakeHub) -> None:
    hub = make_hub("--allocateserver", ALLOCATE, "--administrator", BOB)
    hub.agent.answers[ALLOCATE] = (503, b'{"detail": "The spending cap is reached."}', {"Retry-After": "30"})
    meeting = hub.sign_in(ADA).instant()
    answer = join(hub.sign_in(BOB), meeting)
    assert answer.json["reason"] == "refused" and "The spending cap is reached." in answer.json["detail"]
    assert answer.headers["Retry-After"] == "30"


# -- what the allocateserver may know


def test_an_allocateserver_sees_the_sfuservers_that_registered(hub: Hub) -> None:
    hub.beat("sfu", SEVEN, load=0.25, details={"participants": 3, "rooms": 1})
    hub.beat("turn", "198.51.100.1:3478")
    hub.clock.advance(5)
    header = sign_request(hub.secret, "allocate", "GET", "/api/v1/daemons", b"", hub.clock.seconds())
    listed = hub.request("GET", "/api/v1/daemons", headers={"Authorization": header})
    assert listed.status == 200
    (one,) = listed.json["servers"]
    assert (one["address"], one["alive"], one["state"]) == (SEVEN, False, "ready")
    assert (one["participants"], one["load"]) == (3, 0.25) and 5 <= one["age"] < 6


def test_the_list_of_servers_is_for_an_allocateserver_only(hub: Hub) -> None:
    assert hub.request("GET", "/api/v1/daemons").problem == "signature"
    assert hub.sign_in(ADA).get("/api/v1/daemons").problem == "signature"
    header = sign_request(hub.secret, "sfu", "GET", "/api/v1/daemons", b"", hub.clock.seconds())
    assert hub.request("GET", "/api/v1/daemons", headers={"Authorization": header}).problem == "signature"


def test_the_ways_that_a_turnserver_registered_are_handed_on(hub: Hub) -> None:
    ways = ["turn:198.51.100.1:3478?transport=udp", "turns:turn.example.com:443?transport=tcp"]
    hub.beat("sfu", "1.sfu.example.com:443")
    hub.beat("turn", "198.51.100.1:3478", media=ways)
    ada = hub.sign_in(ADA)
    token = join(ada, ada.instant()).json["token"]
    assert verify_access_token(hub.secret, token, hub.clock.seconds()).turn == tuple(ways)


@pytest.mark.parametrize(
    "way", ["198.51.100.1:3478", "http://x:1", "turn:x", "turn:x:99999", "turn:x:1?transport=sctp"]
)
def test_what_is_no_way_to_a_turnserver_is_refused(hub: Hub, way: str) -> None:
    assert hub.beat("turn", "198.51.100.1:3478", media=[way]).status == 400
