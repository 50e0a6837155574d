"""Settings: decided once, known to every replica, never two at once, and never over a flag."""

from base64 import b64encode
from struct import pack

from meeting.apiserver.settings.rules import CONTRAST, contrast
from tests.support.hub import Browser, Hub, MakeHub

ADA = "ada@example.com"


def png(width: int, height: int) -> bytes:
    """The beginning of a picture of so many points, which is all that is looked at."""
    return b"\x89PNG\r\n\x1a\n" + pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 6, 0, 0, 0) + bytes(60)


PNG = png(320, 80)


def change(browser: Browser, version: int, **values: object) -> object:
    return browser.patch("/api/v1/admin/settings", {"version": version, "values": values})


def started(make_hub: MakeHub, *arguments: str) -> tuple[Hub, Browser]:
    hub = make_hub("--administrator", ADA, *arguments)
    return hub, hub.sign_in(ADA)


def test_a_setting_changes_with_its_version_and_is_written_down(make_hub: MakeHub) -> None:
    hub, ada = started(make_hub)
    before = ada.get("/api/v1/admin/settings").json
    assert before["version"] == 0 and before["values"]["name"] == "Meeting"
    answer = ada.patch("/api/v1/admin/settings", {"version": 0, "values": {"name": "Acme Meet", "max_minutes": 90}})
    assert answer.json["version"] == 1 and answer.json["values"]["max_minutes"] == 90
    # Made to the old version: somebody else's change is not undone.
    late = ada.patch("/api/v1/admin/settings", {"version": 0, "values": {"name": "Other"}})
    assert late.problem == "changed-meanwhile"
    assert hub.request("GET", "/api/v1/branding").json["name"] == "Acme Meet"
    entry = ada.get("/api/v1/admin/audit?word=settings&outcome=done").json["entries"][0]
    assert entry["details"]["name"] == {"from": "Meeting", "to": "Acme Meet"}
    assert set(entry["details"]) == {"name", "max_minutes"}


def test_another_replica_knows_within_five_seconds(make_hub: MakeHub) -> None:
    hub, ada = started(make_hub)
    database = hub.server.database._url.database
    other = Hub(["--demo", "--stateDirectory", str(database).rpartition("/")[0]]).start()
    ada.patch("/api/v1/admin/settings", {"version": 0, "values": {"name": "Acme Meet"}})
    assert other.request("GET", "/api/v1/branding").json["name"] == "Meeting"
    other.clock.advance(5)
    assert other.request("GET", "/api/v1/branding").json["name"] == "Acme Meet"
    other.stop()


def test_settings_are_there_before_the_first_request_after_a_start(make_hub: MakeHub) -> None:
    hub, ada = started(make_hub)
    ada.patch("/api/v1/admin/settings", {"version": 0, "values": {"name": "Acme Meet"}})
    database = hub.server.database._url.database
    other = Hub(["--demo", "--stateDirectory", str(database).rpartition("/")[0]]).start()
    assert other.request("GET", "/api/v1/branding").json["name"] == "Acme Meet"
    other.stop()


def test_a_flag_locks_its_setting(make_hub: MakeHub) -> None:
    _, ada = started(make_hub, "--allowedDomain", "example.com")
    settings = ada.get("/api/v1/admin/settings").json
    assert settings["locked"] == ["allowed_domains"] and settings["values"]["allowed_domains"] == ["example.com"]
    body = {"version": 0, "values": {"allowed_domains": ["evil.example"]}}
    assert ada.patch("/api/v1/admin/settings", body).problem == "locked"


def test_only_allowed_domains_sign_in_from_the_next_request_on(make_hub: MakeHub) -> None:
    hub, ada = started(make_hub)
    body = {"version": 0, "values": {"allowed_domains": ["Example.com", "@example.org"]}}
    assert ada.patch("/api/v1/admin/settings", body).json["values"]["allowed_domains"] == ["example.com", "example.org"]
    hub.sign_in("grace@example.org")
    eve = hub.browser()
    assert eve.post("/api/v1/sign-in/codes", {"email": "eve@evil.example"}).status == 202
    assert not [mail for mail in hub.mails() if mail["to"] == "eve@evil.example"]


def test_what_cannot_be_is_told_where(make_hub: MakeHub) -> None:
    _, ada = started(make_hub)
    for values, where in (
        ({"color": "#ffff00"}, "body.values.color"),
        ({"color_dark": "#101010"}, "body.values.color_dark"),
        ({"color": "red"}, "body.values.color"),
        ({"allowed_domains": ["exa mple"]}, "body.values.allowed_domains.0"),
        ({"privacy_url": "javascript:alert(1)"}, "body.values.privacy_url"),
        ({"retention": {"audit": 1}}, "body.values.retention.audit"),
        ({"retention": {"chatter": 1}}, "body.values.retention.chatter"),
        ({"nonsense": 1}, "body.values.nonsense"),
    ):
        answer = ada.patch("/api/v1/admin/settings", {"version": 0, "values": values})
        assert answer.problem == "bad-request" and answer.json["errors"][0]["where"] == where, answer.json
    assert ada.get("/api/v1/admin/settings").json["version"] == 0


def test_a_logo_is_a_picture_and_lasts_under_its_own_address(make_hub: MakeHub) -> None:
    hub, ada = started(make_hub)

    def put(data: bytes, version: int) -> object:
        headers = {"Origin": "https://meet.example.com", "Cookie": f"meeting_session={ada.cookies['meeting_session']}"}
        return hub.request("PUT", f"/api/v1/admin/logo?version={version}", body=data, headers=headers)

    assert put(b"<svg onload=alert(1)>", 0).problem == "bad-request"  # type: ignore[attr-defined]
    assert put(b"GIF89a" + bytes([64, 0, 64, 0]) + bytes(60), 0).problem == "bad-request"  # type: ignore[attr-defined]
    assert put(PNG + bytes(300_000), 0).problem == "too-large"  # type: ignore[attr-defined]
    assert put(png(2049, 8), 0).problem == "too-large"  # type: ignore[attr-defined]
    assert put(PNG, 0).status == 200  # type: ignore[attr-defined]
    address = hub.request("GET", "/api/v1/branding").json["logo"]
    logo = hub.request("GET", address)
    assert logo.body == PNG and logo.headers["Content-Type"] == "image/png"
    assert "immutable" in logo.headers["Cache-Control"]
    hub.browser().post("/api/v1/sign-in/codes", {"email": "carol@example.com"})
    (mail,) = (each for each in hub.mails() if each["to"] == "carol@example.com")
    shown = hub.request("GET", f"/mailbox/{mail['id']}").body
    assert b'src="data:image/png;base64,' + b64encode(PNG) in shown and b"cid:" not in shown
    assert ada.patch("/api/v1/admin/settings", {"version": 1, "values": {"logo": None}}).status == 200
    assert hub.request("GET", "/api/v1/branding").json["logo"] is None
    for digest in ("00", "zz", "0" * 64, "0" * 63):
        assert hub.request("GET", f"/api/v1/branding/logo/{digest}").problem == "not-found"


def test_the_contrast_is_that_of_the_recommendation() -> None:
    assert round(contrast("#000000", "#ffffff"), 1) == 21
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54  # the lightest grey that passes, as WCAG's examples have it
    assert contrast("#777777", "#ffffff") < CONTRAST
