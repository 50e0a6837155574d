"""How often the hub may be asked, and what it measures of being asked."""

from prometheus_client import generate_latest

from meeting.apiserver.service import ApiServer
from tests.support.hub import Hub, MakeHub
from tests.support.logs import captured_events, text_of


def test_a_person_who_asks_too_often_is_told_when_to_come_back_and_others_go_on(make_hub: MakeHub) -> None:
    hub = make_hub("--requestsOfPerson", "20")
    ada, bob = hub.sign_in("ada@example.com"), hub.sign_in("bob@example.com")
    answers = [ada.get("/api/v1/meetings") for _ in range(25)]
    assert [answer.status for answer in answers] == [200] * 20 + [429] * 5
    assert answers[0].headers["RateLimit-Policy"] == '"person";q=20;w=60'
    assert answers[0].headers["RateLimit"] == '"person";r=19;t=3'
    refused = answers[-1]
    assert (refused.problem, refused.headers["Retry-After"]) == ("too-many-requests", "3")
    assert refused.headers["RateLimit"].startswith('"person";r=0;')
    assert bob.get("/api/v1/meetings").status == 200, "though from the same address"
    hub.clock.advance(3)
    assert ada.get("/api/v1/meetings").status == 200


def test_strangers_of_one_address_share_a_measure_and_those_signed_in_there_do_not(make_hub: MakeHub) -> None:
    hub = make_hub("--requestsOfAddress", "20")
    ada = hub.sign_in("ada@example.com")
    statuses = {hub.request("GET", "/api/v1/me", source="192.0.2.1").status for _ in range(40)}
    assert statuses == {200, 429}
    for bad in ({"Cookie": "meeting_session=x"}, {"Authorization": "Bearer mtg_x"}):
        assert hub.request("GET", "/api/v1/me", headers=bad).status == 429, "nobody is known by it"
    assert ada.get("/api/v1/me").status == 200
    assert hub.request("GET", "/api/v1/me", source="192.0.2.2").status == 200


def test_a_costly_operation_has_a_limit_of_its_own(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    body = {"name": "x", "scopes": ["me:read"]}
    statuses = [ada.post("/api/v1/tokens", body).status for _ in range(31)]
    assert statuses == [201] * 30 + [429]
    assert ada.get("/api/v1/tokens").status == 200


def test_requests_are_measured_by_route_and_not_by_what_strangers_make_up(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    code = ada.instant()["code"]
    for path in (f"/api/v1/meetings/{code}", "/api/v1/meetings/aaa-aaaa-aaa", "/api/v1/nothing", "/api/x/y"):
        ada.get(path)
    page = metrics(hub.server)
    one = '{method="GET",route="/api/v1/meetings/<code>",status='
    assert f'meeting_requests_total{one}"2xx"}} 1.0' in page
    assert f'meeting_requests_total{one}"4xx"}} 1.0' in page
    assert 'meeting_requests_total{method="other",route="none",status="4xx"} 2.0' in page
    assert 'meeting_request_seconds_count{method="GET",route="/api/v1/meetings/<code>"} 2.0' in page
    assert code not in page and "nothing" not in page


def metrics(server: ApiServer) -> str:
    return generate_latest(server.metrics.registry).decode()


def test_a_slow_request_stands_in_the_log(make_hub: MakeHub) -> None:
    hub = make_hub("--slowRequest", "1s", "--allocateserver", "http://allocate.example.com/a")
    ada = hub.sign_in("ada@example.com")
    code = ada.instant()["code"]
    headers = {"Host": "meet.example.com", "Cookie": f"meeting_session={ada.cookies['meeting_session']}"}
    headers |= {"Origin": "https://meet.example.com", "Content-Type": "application/json"}
    with captured_events() as events:
        hub.begin("POST", f"/api/v1/meetings/{code}/join", b'{"device": "abcd1234"}', headers)
        hub.clock.pump([1.5] * 60)
    slow = [event for event in events if "slow:" in (event.get("log_format") or "")]
    assert len(slow) == 1
    assert "POST /api/v1/meetings/<code>/join took" in text_of(slow)
    assert code not in text_of(slow)
