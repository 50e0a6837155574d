"""One secret, one key per purpose: access tokens, signed requests, TURN credentials, file links.

The formats are docs/protocols/tokens.md and docs/protocols/file-links.md. Nothing here reads a clock: `now` is Unix
seconds and always passed in. Nobody signs with the secret itself, so a key that leaks opens one door.
"""

import hmac
import re
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, urlencode

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meeting.daemon.errors import BadSignature, ConfigurationError, Gone, MeetingError
from meeting.daemon.turn_user import TurnUser

Purpose = Literal[
    "access-token",
    "daemon-request",
    "turn-credential",
    "file-link",
    "sign-in-code",
    "idempotency",
    "guest-source",
    "webhook",
    "reply-link",
    "return-address",
    "calendar-feed",
]

ISSUER = "meeting"
SHORTEST_SECRET = 16
LONGEST_TOKEN = 16 * 1024
SKEW_OF_TOKENS = 10
SKEW_OF_REQUESTS = 60
NONCES_ARE_KEPT_FOR = 2 * SKEW_OF_REQUESTS
MOST_NONCES = 100_000
DAEMON_KINDS = frozenset({"sfu", "turn", "fs", "allocate", "api"})


class Secret:
    """The one secret given to all five daemons. Shows nothing of itself in texts."""

    def __init__(self, text: str) -> None:
        if len(text) < SHORTEST_SECRET:
            raise ConfigurationError(
                f"The secret has {len(text)} characters; it needs at least {SHORTEST_SECRET}. "
                "A good one: openssl rand -base64 32"
            )
        self._material = text.encode()
        self._keys: dict[Purpose, bytes] = {}

    def __repr__(self) -> str:
        return "<Secret>"

    def key(self, purpose: Purpose) -> bytes:
        """The 32 bytes for one purpose: HKDF-SHA256 (RFC 5869)."""
        if purpose not in self._keys:
            info = f"meeting/v1/{purpose}".encode()
            self._keys[purpose] = HKDF(SHA256(), 32, salt=b"meeting", info=info).derive(self._material)
        return self._keys[purpose]

    @property
    def token_key(self) -> str:
        """The LiveKit API secret that goes with the API key `meeting`: text, because LiveKit's secrets are."""
        return self.key("access-token").hex()


# --- access tokens (RFC 7519, LiveKit's claims)


class BadToken(MeetingError):
    """An access token that opens nothing. The detail does not tell why a signature is wrong."""

    status = 401
    problem = "token"
    title = "The access token is not valid."


class AccessClaims(BaseModel):
    """What an access token says. `grants` are LiveKit's video grants as they stand in the JSON (camelCase)."""

    model_config = ConfigDict(frozen=True)

    identity: str = Field(max_length=512)
    name: str = Field(default="", max_length=512)
    room: str = Field(default="", max_length=512)
    grants: dict[str, Any] = Field(default_factory=dict)
    attributes: dict[str, str] = Field(default_factory=dict)
    metadata: str = ""
    turn: tuple[str, ...] = ()
    """URIs of the turnservers that go with the room (RFC 7065); empty: no TURN."""
    code: str = ""
    """The meeting's code, for webhooks and logs."""
    expires_at: int
    not_before: int = 0


def mint_access_token(secret: Secret, claims: AccessClaims) -> str:
    """The signed JWT for `claims`."""
    payload: dict[str, Any] = {
        "iss": ISSUER,
        "sub": claims.identity,
        "name": claims.name,
        "nbf": claims.not_before,
        "exp": claims.expires_at,
        "metadata": claims.metadata,
        "attributes": claims.attributes,
        "video": {**claims.grants, "room": claims.room},
    }
    ours: dict[str, Any] = {}
    if claims.turn:
        ours["turn"] = list(claims.turn)
    if claims.code:
        ours["code"] = claims.code
    if ours:
        payload["meeting"] = ours
    return jwt.encode(payload, secret.token_key, algorithm="HS256")


def verify_access_token(secret: Secret, token: str, now: float) -> AccessClaims:
    """The claims of a token that holds at `now`; raises BadToken. Tokens of LiveKit's libraries are equally good."""
    if len(token) > LONGEST_TOKEN:
        raise BadToken("The access token is too long.")
    try:
        payload = jwt.decode(
            token,
            secret.token_key,
            algorithms=["HS256"],
            issuer=ISSUER,
            options={
                "require": ["exp", "iss"],
                # The clock is the caller's: the times are compared below.
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_sub": False,
            },
        )
    except jwt.MissingRequiredClaimError as error:
        raise BadToken(f"The access token lacks the claim {error.claim}.") from None
    except (jwt.PyJWTError, RecursionError):
        raise BadToken("The access token was not made with this server's key.") from None
    claims = _claims(payload)
    if now >= claims.expires_at + SKEW_OF_TOKENS:
        raise BadToken("The access token has expired.")
    if now < claims.not_before - SKEW_OF_TOKENS:
        raise BadToken("The access token is not valid yet; is a clock wrong?")
    return claims


def _claims(payload: Mapping[str, Any]) -> AccessClaims:
    """AccessClaims out of a verified payload, whose shape is nobody's promise."""
    grants = payload.get("video") or {}
    ours = payload.get("meeting") or {}
    if not isinstance(grants, dict) or not isinstance(ours, dict):
        raise BadToken("The access token's grants are not an object.")
    try:
        return AccessClaims(
            identity=payload.get("sub") or "",
            name=payload.get("name") or "",
            room=grants.get("room") or "",
            grants={name: value for name, value in grants.items() if name != "room"},
            attributes=payload.get("attributes") or {},
            metadata=payload.get("metadata") or "",
            turn=ours.get("turn") or (),
            code=ours.get("code") or "",
            expires_at=payload["exp"],
            not_before=payload.get("nbf") or 0,
        )
    except (ValidationError, TypeError):
        raise BadToken("The access token's claims have the wrong shape.") from None


# --- signed requests between daemons

_AUTHORIZATION = re.compile(r"Meeting v1 ([a-z]{2,16}) ([0-9]{1,15}) ([A-Za-z0-9_-]{22}) ([A-Za-z0-9_-]{43})", re.ASCII)


def sign_request(secret: Secret, kind: str, method: str, path: str, body: bytes, now: float) -> str:
    """The Authorization header for a request. `path` is path with query as sent."""
    time, nonce = str(int(now)), secrets.token_urlsafe(16)
    return f"Meeting v1 {kind} {time} {nonce} {_request_signature(secret, kind, method, path, time, nonce, body)}"


class RequestVerifier:
    """Checks the signatures of requests and remembers their nonces, so that none is taken twice."""

    def __init__(self, secret: Secret, most_nonces: int = MOST_NONCES) -> None:
        self._secret = secret
        self._most_nonces = most_nonces
        self._seen: OrderedDict[str, float] = OrderedDict()

    def verify(self, header: str | None, method: str, path: str, body: bytes, now: float) -> str:
        """The kind of daemon that signed; raises BadSignature. `path` is path with query as received."""
        if not header:
            raise BadSignature("The request carries no signature.")
        match = _AUTHORIZATION.fullmatch(header)
        if match is None or match[1] not in DAEMON_KINDS:
            raise BadSignature("The Authorization header is not: Meeting v1 <kind> <time> <nonce> <signature>")
        kind, time, nonce, signature = match.groups()
        if abs(now - int(time)) > SKEW_OF_REQUESTS:
            raise BadSignature(f"The request is more than {SKEW_OF_REQUESTS} s off this server's clock.")
        expected = _request_signature(self._secret, kind, method, path, time, nonce, body)
        if not hmac.compare_digest(signature, expected):
            raise BadSignature("The signature does not fit.")
        # Only after the signature: a stranger must not be able to fill the memory of nonces.
        self._remember(nonce, now)
        return kind

    def _remember(self, nonce: str, now: float) -> None:
        while self._seen and next(iter(self._seen.values())) + NONCES_ARE_KEPT_FOR < now:
            self._seen.popitem(last=False)
        if nonce in self._seen:
            raise BadSignature("The request was received before.")
        self._seen[nonce] = now
        if len(self._seen) > self._most_nonces:
            self._seen.popitem(last=False)


def _request_signature(secret: Secret, kind: str, method: str, path: str, time: str, nonce: str, body: bytes) -> str:
    lines = ("meeting/v1", kind, method, path, time, nonce, sha256(body).hexdigest())
    return _base64url(_hmac_sha256(secret.key("daemon-request"), "\n".join(lines)))


# --- TURN credentials (draft-uberti-behave-turn-rest-00)

TURN_REALM = "meeting"
LONGEST_TURN_CREDENTIAL = 24 * 3600


class TurnCredential(NamedTuple):
    """A user name that carries its own end, and its password."""

    username: str
    password: str


def turn_credential(
    secret: Secret, room: str, identity: str, expires_at: int, servers: Iterable[str] = ()
) -> TurnCredential:
    """The credential of one participant of one room until `expires_at` (Unix seconds).

    `servers`: the media addresses (`ip:port`) of the room's sfuserver, which may be reached whatever they are.
    """
    username = TurnUser.of(expires_at, room, identity, servers).name
    return TurnCredential(username, turn_password(secret.key("turn-credential"), username))


def turn_password(key: bytes, username: str) -> str:
    """The password of a TURN user name; `key` is `Secret.key("turn-credential")`. SHA-1 is the draft's choice."""
    return b64encode(hmac.digest(key, username.encode(), sha1)).decode("ascii")


# --- links to files


class BadLink(MeetingError):
    """A link to a file that the hub did not make, or not for this."""

    status = 403
    problem = "link"
    title = "This link is not valid."


class LinkExpired(Gone):
    """A link to a file that was good once."""

    problem = "link-expired"
    title = "This link is over; reload the page for a new one."


@dataclass(frozen=True)
class FileLink:
    """What a verified link allows. `size` (bytes) belongs to uploads, `name` to downloads."""

    meeting: str
    expires: int
    size: int | None
    name: str | None


def sign_file_link(
    secret: Secret,
    method: str,
    path: str,
    meeting: str,
    expires: int,
    size: int | None = None,
    name: str | None = None,
) -> str:
    """The query of a link to `path` for `method` (PUT or GET), good until `expires` (Unix seconds)."""
    query = {"meeting": meeting, "expires": str(expires)}
    if size is not None:
        query["size"] = str(size)
    if name is not None:
        query["name"] = name
    query["signature"] = _link_signature(secret, method, path, query)
    return urlencode(query, quote_via=quote)


def verify_file_link(secret: Secret, method: str, path: str, query: Mapping[str, str], now: float) -> FileLink:
    """What the link allows; raises BadLink or LinkExpired. `query` holds decoded values. HEAD is covered by GET."""
    meeting, expires, size = query.get("meeting", ""), query.get("expires", ""), query.get("size")
    if not _is_number(expires) or not meeting or "\n" in meeting or (size is not None and not _is_number(size)):
        raise BadLink("The link is incomplete.")
    expected = _link_signature(secret, "GET" if method == "HEAD" else method, path, query)
    if not hmac.compare_digest(query.get("signature", "").encode(errors="replace"), expected.encode()):
        raise BadLink("The link was not made for this.")
    if now > int(expires):
        raise LinkExpired()
    return FileLink(meeting, int(expires), None if size is None else int(size), query.get("name"))


def _link_signature(secret: Secret, method: str, path: str, query: Mapping[str, str]) -> str:
    values = (query["meeting"], query["expires"], query.get("size", ""), query.get("name", ""))
    return _base64url(_hmac_sha256(secret.key("file-link"), "\n".join(("meeting/v1/file", method, path, *values))))


def _is_number(text: str) -> bool:
    return 0 < len(text) <= 15 and text.isascii() and text.isdecimal()


def _hmac_sha256(key: bytes, text: str) -> bytes:
    # A query from outside may decode to lone surrogates.
    return hmac.digest(key, text.encode(errors="surrogatepass"), sha256)


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
