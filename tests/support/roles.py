"""A hub in which everybody is there who may call it, and an example of everything that can be asked of it.

A new operation with a path variable of its own, or with a body that cannot be made up from its schema, gets an example
here: `World.things`, `World.bodies`.
"""

import json
import re
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import jwt
from livekit.protocol.models import ParticipantInfo

from meeting.daemon.openapi import VARIABLE
from meeting.daemon.route import Route, Who
from tests.support.authenticator import Authenticator
from tests.support.hub import ORIGIN, Answer, Browser, Hub
from tests.support.oidc import FakeProvider
from tests.support.rooms import FakeRoom

#: A picture of one pixel.
PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
SFU = "1.sfu.example.com:443"

#: Tables that every call may touch: counters, the renewal of a session, and what was tried.
NOISE = ("rate", "session", "audit", "event", "lease")


@dataclass
class World:
    """One meeting of Ada's, and who stands how to it."""

    hub: Hub
    directory: Path
    actors: dict[str, tuple[Who, "Actor"]] = field(default_factory=dict)
    code: str = ""
    #: Path of the route → values of its variables.
    things: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Name of the handler → a body that is good.
    bodies: dict[str, Any] = field(default_factory=dict)
    #: Who is in the meeting's room.
    present: FakeRoom | None = None
    _watcher: sqlite3.Connection | None = None
    _seen: tuple[int, str] | None = None
    _people: dict[str, ParticipantInfo] = field(default_factory=dict)
    _kept: sqlite3.Connection = field(default_factory=lambda: sqlite3.connect(":memory:"))

    def ask(self, who: str, route: Route, **headers: str) -> Answer:
        """One cell: the actor calls the operation."""
        return self.actors[who][1](route, self.path(route), self.body(route), **headers)

    def path(self, route: Route) -> str:
        """The operation's address, about things that are there."""
        values = {"code": self.code, "room": self.code, **self.things.get(route.path, {})}
        wanted = [found["name"] for found in VARIABLE.finditer(route.path)]
        missing = [name for name in wanted if name not in values]
        assert not missing, f"{route.path}: give tests/support/roles.py an example of {missing}"
        path = VARIABLE.sub(lambda found: values[found["name"]], route.path)
        return path + self.things.get(route.path, {}).get("?", "")

    def body(self, route: Route) -> Any:
        """A body that the operation takes; None: it takes none."""
        name = route.handler.__name__
        if name in self.bodies:
            return self.bodies[name]
        return None if route.body is None else example(route.body.model_json_schema())

    def remember(self) -> None:
        """Keep how everything is."""
        with closing(self._live()) as live:
            live.backup(self._kept)
        if self.present is not None:
            self._people = copied(self.present.participants)

    def restore(self) -> None:
        """Make it so again."""
        with closing(self._live()) as live:
            self._kept.backup(live)
        if self.present is not None:
            self.present.participants = copied(self._people)

    def fingerprint(self) -> str:
        """Of everything in the database but the noise."""
        if self._watcher is None:
            self._watcher = self._live()
        # SQLite tells whether anybody has written at all (PRAGMA data_version): most that is refused writes nothing.
        version = self._watcher.execute("PRAGMA data_version").fetchone()[0]
        if self._seen is None or self._seen[0] != version:
            self._seen = version, self._dump()
        return self._seen[1]

    def _dump(self) -> str:
        with closing(self._live()) as live:
            names = [
                name for (name,) in live.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            ]
            parts = {
                name: live.execute(f'SELECT * FROM "{name}"').fetchall() for name in names if not name.startswith(NOISE)
            }
        return sha256(repr(parts).encode()).hexdigest()

    def _live(self) -> sqlite3.Connection:
        return sqlite3.connect(self.directory / "apiserver.sqlite", timeout=5)


def copied(people: Mapping[str, ParticipantInfo]) -> dict[str, ParticipantInfo]:
    """The same people, each as they are now."""
    return {identity: ParticipantInfo.FromString(info.SerializeToString()) for identity, info in people.items()}


class Actor(Protocol):
    """Somebody who calls an operation, at a path with a body."""

    def __call__(self, route: Route, path: str, body: Any, **headers: str) -> Answer: ...


def make_world(hub: Hub, directory: Path) -> World:
    """The world; `hub` has `root@example.com` as its administrator, and single sign-on."""
    world = World(hub, directory)
    FakeProvider(hub)
    for kind, address in (("sfu", SFU), ("turn", "198.51.100.1:3478"), ("fs", "fs.example.com:443")):
        assert hub.beat(kind, address).status == 200
    ada, bob, eve, cohost = (hub.sign_in(f"{name}@example.com") for name in ("ada", "bob", "eve", "carl"))
    stranger, banned, root = (hub.sign_in(f"{name}@example.com") for name in ("zoe", "mallory", "root"))
    meeting = ada.schedule(invitees=["bob@example.com", "carl@example.com"])
    world.code = meeting["code"]
    room = FakeRoom(hub, SFU, meeting["id"])
    guest, other_guest = hub.browser("192.0.2.5"), hub.browser("192.0.2.6")
    device = {"device": "abcd1234"}
    elsewhere = eve.instant()["code"]
    assert other_guest.post(f"/api/v1/meetings/{elsewhere}/join", {**device, "name": "Grace"}).status == 200
    identities = []
    for browser in (ada, bob, cohost, guest, banned):
        joined = browser.post(f"/api/v1/meetings/{world.code}/join", {**device, "name": "Grace"})
        assert joined.status == 200, joined.body
        room.enter(joined.json, "microphone", grants={})
        identities.append(joined.json["identity"])
    of_bob, of_cohost = (identities[place].partition(":")[0] for place in (1, 2))
    appointed = ada.request("PUT", f"/api/v1/meetings/{world.code}/roles/{of_cohost}", {"role": "co-host"})
    assert appointed.status < 300, appointed.body
    of_banned = identities[4].partition(":")[0]
    ban = ada.post(f"/api/v1/meetings/{world.code}/room/remove", {"id": of_banned, "ban": True})
    assert ban.status < 300, ban.body
    world.present = room
    world.actors = {
        "nobody": (Who.NOBODY, _person(hub.browser("192.0.2.9"))),
        "another meeting's guest": (Who.NOBODY, _person(other_guest)),
        "guest": (Who.GUEST, _person(guest)),
        "stranger": (Who.STRANGER, _person(stranger)),
        "another meeting's host": (Who.STRANGER, _person(eve)),
        "participant": (Who.PARTICIPANT, _person(bob)),
        "co-host": (Who.COHOST, _person(cohost)),
        "owner": (Who.OWNER, _person(ada)),
        "administrator": (Who.ADMINISTRATOR, _person(root)),
        "daemon": (Who.DAEMON, _daemon(hub)),
    }
    assert ada.patch("/api/v1/me", {"handle": "ada"}).status == 200
    assert _person(ada)(_route(hub, "put_picture"), "/api/v1/me/picture", PIXEL).status == 200
    file = ada.post(f"/api/v1/meetings/{world.code}/files", {"name": "a.png", "type": "image/png", "size": 1}).json
    token = ada.post("/api/v1/tokens", {"name": "x", "scopes": ["me:read"]}).json["token"]
    group = ada.post("/api/v1/groups", {"name": "Team", "emails": ["bob@example.com"]}).json
    feed = ada.post("/api/v1/me/calendar/feed").json["feed"]
    link = re.search(r"/r\?answer=accepted#(\S+)", next(each["text"] for each in hub.mails() if "#" in each["text"]))
    assert link is not None, "an invitation has its reply links"
    world.things = {
        "/api/v1/groups/<id:group_id>": {"group_id": group["id"]},
        "/api/v1/calendar.ics": {"?": "?" + feed.partition("?")[2]},
        "/api/v1/meetings/<code>/roles/<id:subject>": {"subject": of_bob},
        "/api/v1/meetings/<code>/bans/<id:subject>": {"subject": of_banned},
        "/files/<id:id>": {"id": file["id"]},
        "/api/v1/tokens/<id:id>": {"id": token["id"]},
        "/api/v1/admin/tokens/<id:id>": {"id": token["id"]},
        "/api/v1/people/<id:id>/picture": {"id": ada.get("/api/v1/me").json["person"]["id"]},
        "/api/v1/personal-links/<handle>": {"handle": "ada"},
        "/api/v1/me/sessions/<id:id>": {"id": root.get("/api/v1/me/sessions").json["sessions"][0]["id"]},
        "/api/v1/me/passkeys/<id:id>": {"id": _passkey(root)},
        "/mailbox/<id:mail_id>": {"mail_id": "0" * 32},
        "/mailbox/<id:mail_id>/invite.ics": {"mail_id": "0" * 32},
    }
    _administration(world, root, of_bob, meeting["id"])
    beat = {"kind": "sfu", "address": SFU, "instance": "0123456789abcdef0123456789abcdef"}
    world.bodies |= {
        "create_group": {"name": "Others", "emails": ["bob@example.com"]},
        "look_at_reply": {"token": link[1]},
        "reply_by_link": {"token": link[1], "answer": "declined"},
        "reply_to_meeting": {"answer": "accepted"},
        "change_calendar": {"reminder_minutes": 5},
        "appoint": {"role": "presenter"},
        "change_room": {"locked": True},
        "mute": {"identity": identities[1]},
        "ask": {"identity": identities[1]},
        "raise_hand": {**device, "raised": True},
        "remove": {"id": of_bob},
        "sign_in": {"email": "ada@example.com", "code": "000000"},
        "create_meeting": {"kind": "instant"},
        "join_meeting": {**device, "name": "Somebody"},
        "keep_message": {"id": "0" * 32, "text": "Hello"},
        "create_token": {"name": "x", "scopes": ["me:read"]},
        "put_picture": PIXEL,
        "take_heartbeat": {**beat, "url": f"https://{SFU}", "version": "0.1.0"},
        "take_farewell": beat,
    }
    world.remember()
    return world


def _administration(world: World, root: Browser, somebody: str, meeting_id: str) -> None:
    """What administrators look after."""
    hook = {"url": "https://example.com/h", "events": ["meeting.created"]}
    made = root.post("/api/v1/admin/webhooks", hook)
    assert made.status == 201, made.body
    version = root.get("/api/v1/admin/settings").json["version"]
    logo = _route(world.hub, "admin_set_logo")
    assert _person(root)(logo, f"{logo.path}?version={version}", PIXEL).status < 300
    digest = root.get("/api/v1/branding").json["logo"].rpartition("/")[2]
    version = root.get("/api/v1/admin/settings").json["version"]
    mail = world.hub.mails()[0]["id"]
    for route in world.hub.server.api.routes:
        if route.path.startswith("/api/v1/admin/people/<"):
            world.things[route.path] = {"id": somebody}
        elif route.path.startswith("/api/v1/admin/webhooks/<"):
            world.things[route.path] = {"id": made.json["webhook"]["id"]}
        elif route.path.startswith("/api/v1/admin/mails/<"):
            world.things[route.path] = {"id": mail}
        elif route.path.startswith("/api/v1/admin/meetings/<"):
            world.things[route.path] = {"id": meeting_id}
        elif route.path.startswith("/api/v1/admin/usage"):
            world.things[route.path] = {"?": "?month=2026-11"}
    world.things |= {
        "/api/v1/branding/logo/<digest>": {"digest": digest},
        logo.path: {"?": f"?version={version}"},
    }
    world.bodies |= {
        "admin_erase": {"email": "bob@example.com"},
        "admin_change_settings": {"version": version, "values": {}},
        "admin_set_logo": PIXEL,
        "admin_add_webhook": hook,
        "admin_drain_server": {"kind": "sfu", "address": SFU, "drained": True},
    }


def _route(hub: Hub, name: str) -> Route:
    return next(route for route in hub.server.api.routes if route.handler.__name__ == name)


def _passkey(of: Browser) -> str:
    """A passkey that somebody has just registered."""
    options = of.post("/api/v1/me/passkeys/options").json["options"]
    made = of.post("/api/v1/me/passkeys", {"name": "Key", "credential": Authenticator(ORIGIN).create(options)})
    assert made.status == 201, made.body
    return str(made.json["id"])


def token_of(browser: Browser, hub: Hub, *scopes: str) -> Actor:
    """A program with a token of this person."""
    made = browser.post("/api/v1/tokens", {"name": "Robot", "scopes": list(scopes)})
    assert made.status == 201, made.body
    secret = made.json["secret"]

    def call(route: Route, path: str, body: Any, **headers: str) -> Answer:
        return _send(hub, route, path, body, {**headers, "Authorization": f"Bearer {secret}"}, "192.0.2.20")

    return call


def _send(hub: Hub, route: Route, path: str, body: Any, headers: dict[str, str], source: str) -> Answer:
    if isinstance(body, bytes):
        headers["Content-Type"] = "image/png"
        return hub.request(route.method, path, body=body, headers=headers, source=source)
    return hub.request(route.method, path, json_body=body, headers=headers, source=source)


def _person(browser: Browser) -> Actor:
    def call(route: Route, path: str, body: Any, **headers: str) -> Answer:
        # What a call sets (a sign-out, a guest's session) is not what the next one has.
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers["Origin"] = ORIGIN
        return _send(browser.hub, route, path, body, headers, browser.source)

    return call


def _daemon(hub: Hub) -> Actor:
    def call(route: Route, path: str, body: Any, **headers: str) -> Answer:
        if route.path == "/api/v1/webhooks/sfu":
            return _report(hub, path)
        if isinstance(body, bytes):
            body = None
        return hub.daemon(route.method, path, body, "allocate" if path == "/api/v1/daemons" else "sfu")

    return call


def _report(hub: Hub, path: str) -> Answer:
    body = json.dumps({"event": "room_started", "room": {"name": "0" * 32}}).encode()
    claims = {"iss": "meeting", "exp": hub.clock.seconds() + 60, "sha256": b64encode(sha256(body).digest()).decode()}
    headers = {"Authorization": jwt.encode(claims, hub.secret.token_key, "HS256"), "Content-Type": "application/json"}
    return hub.request("POST", path, body=body, headers=headers)


def example(schema: Mapping[str, Any], defs: Mapping[str, Any] | None = None) -> Any:
    """The smallest value that a JSON schema takes, as far as its words tell."""
    defs = defs if defs is not None else schema.get("$defs", {})
    if "$ref" in schema:
        return example(defs[schema["$ref"].rsplit("/", 1)[1]], defs)
    for word in ("examples", "enum"):
        if schema.get(word):
            return schema[word][0]
    if "const" in schema:
        return schema["const"]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return example(next(each for each in schema[word] if each.get("type") != "null"), defs)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: example(properties[name], defs) for name in schema.get("required", ())}
        case "array":
            return [example(schema["items"], defs)] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
    if schema.get("format") == "date-time":
        return "2026-11-24T14:00:00Z"
    if schema.get("pattern") == "^[0-9a-f]{32}$":
        return "0" * 32
    return "x" * max(1, schema.get("minLength", 1))
