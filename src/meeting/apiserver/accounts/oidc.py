"""Another service's word for who someone is (OpenID Connect Core 1.0): the provider is asked, its tokens are checked.

The authorization code flow with PKCE (RFC 7636, S256). What the provider says is believed when it came from its token
endpoint over TLS *and* its ID token is signed by one of its published keys, for us, now, and for the attempt at hand
(section 3.1.3.7). `state` and `nonce` are single_sign_on.py's.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent

from meeting.daemon.client import exchange
from meeting.daemon.errors import MeetingError

#: How long what the provider publishes of itself is believed, and how often keys may be fetched for an unknown `kid`.
METADATA_LIFETIME = 3600.0
KEYS_INTERVAL = 30.0
#: By how much clocks may differ, in seconds.
LEEWAY = 60
#: Bytes of an answer; a provider with many keys publishes some ten kilobytes.
LARGEST = 256 << 10

#: Signatures with a provider's private key alone: `none`, and HMAC under a key that others know too, are no proof.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})


class OidcFailed(MeetingError):
    """The single sign-on came to nothing; `reason` is one of the words that the sign-in page has a text for."""

    status = 502
    problem = "single-sign-on"
    title = "The single sign-on did not work."

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail, extra={"reason": reason})
        self.reason = reason


@dataclass(frozen=True)
class OidcSettings:
    """What an administrator says of the provider."""

    issuer: str
    client_id: str
    client_secret: str | None
    name: str
    scopes: str
    #: Claims, each with a value, that make an administrator.
    administrators: tuple[tuple[str, str], ...] = ()
    #: Whether addresses are believed that the provider does not call verified.
    trust_email: bool = False
    #: Whether there is no other way to sign in.
    only: bool = False


@dataclass
class _Known:
    """What the provider publishes, and when it was fetched."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    metadata_until: float = 0.0
    keys: Mapping[str, Any] = field(default_factory=dict)
    keys_from: float = float("-inf")


class Provider:
    """The provider: where to send people, and what becomes of the code they bring back."""

    def __init__(self, agent: IAgent, clock: IReactorTime, settings: OidcSettings, redirect_uri: str) -> None:
        """`redirect_uri`: where the provider sends people back to, as it is registered there."""
        self._agent = agent
        self._clock = clock
        self._settings = settings
        self._redirect_uri = redirect_uri
        self._known = _Known()

    async def authorization_url(self, state: str, nonce: str, challenge: str) -> str:
        """Where to send someone (section 3.1.2.1). Raises OidcFailed."""
        metadata = await self._metadata()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str(metadata["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def claims(self, code: str, verifier: str, nonce: str) -> dict[str, Any]:
        """What the provider says of the person who brought `code`: of the ID token, then of its userinfo endpoint.

        Raises OidcFailed.
        """
        metadata = await self._metadata()
        tokens = await self._exchange_code(metadata, code, verifier)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise OidcFailed("provider", "The provider sent no ID token; --oidcScopes must contain openid.")
        claims = await self._verified(id_token, nonce)
        endpoint = metadata.get("userinfo_endpoint")
        wanted = {"email", *(name for name, _ in self._settings.administrators)}
        if isinstance(endpoint, str) and isinstance(access_token, str) and wanted - claims.keys():
            more = await self._ask("GET", endpoint, f"Bearer {access_token}")
            # Section 5.3.2: what is said of another subject is not for us.
            if more.get("sub") != claims["sub"]:
                raise OidcFailed("token", "The provider's userinfo is about somebody else.")
            claims = {**more, **claims}
        return claims

    async def _exchange_code(self, metadata: Mapping[str, Any], code: str, verifier: str) -> Mapping[str, Any]:
        """Section 3.1.3.1; how we say who we are is section 9's client_secret_basic unless only post is offered."""
        settings = self._settings
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri}
        form |= {"code_verifier": verifier, "client_id": settings.client_id}
        authorization = ""
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if settings.client_secret is not None:
            if "client_secret_basic" not in methods and "client_secret_post" in methods:
                form["client_secret"] = settings.client_secret
            else:
                # RFC 6749 section 2.3.1: both are form-encoded before they are joined.
                pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
                authorization = f"Basic {b64encode(pair.encode()).decode()}"
        return await self._ask("POST", str(metadata["token_endpoint"]), authorization, urlencode(form).encode())

    async def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that is signed by the provider, for us, now, and for this attempt."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise OidcFailed("token", "The provider's ID token cannot be read.") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise OidcFailed(
                "token", f"The provider signs its ID token by {str(algorithm)[:20]!r}, which proves nothing."
            )
        key = await self._key(kid, algorithm)
        try:
            # The times are ours to check: by the clock that everything here goes by.
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options={
                    "require": ["iss", "sub", "aud", "exp", "iat"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_aud": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise OidcFailed("token", "The provider's ID token is not signed by its keys.") from error
        check_claims(
            claims, str(self._known.metadata["issuer"]), self._settings.client_id, nonce, self._clock.seconds()
        )
        return claims

    async def _key(self, kid: object, algorithm: str) -> jwt.PyJWK:
        """The key that `kid` names. Keys change: one that is not known is looked for anew, not too often."""
        for again in (False, True):
            known = self._known
            now = self._clock.seconds()
            if again and now - known.keys_from < KEYS_INTERVAL:
                break
            if again or not known.keys or now - known.keys_from > METADATA_LIFETIME:
                metadata = await self._metadata()
                known.keys = await self._ask("GET", str(metadata["jwks_uri"]))
                known.keys_from = now
            found = _keys(known.keys, kid, algorithm)
            if found is not None:
                return found
        raise OidcFailed("token", "The provider's ID token is signed by a key that it does not publish.")

    async def _metadata(self) -> Mapping[str, Any]:
        """What the provider publishes of itself (OpenID Connect Discovery 1.0, sections 4.2 and 4.3)."""
        known = self._known
        if self._clock.seconds() < known.metadata_until:
            return known.metadata
        issuer = self._settings.issuer
        found = await self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if str(found.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
            raise OidcFailed("provider", f"--oidcIssuer {issuer} calls itself {str(found.get('issuer'))[:200]!r}.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not is_safe(found.get(name)):
                raise OidcFailed("provider", f"The provider's {name} is not an https address.")
        if found.get("userinfo_endpoint") is not None and not is_safe(found["userinfo_endpoint"]):
            raise OidcFailed("provider", "The provider's userinfo_endpoint is not an https address.")
        known.metadata, known.metadata_until = found, self._clock.seconds() + METADATA_LIFETIME
        return found

    async def _ask(self, method: str, url: str, authorization: str = "", form: bytes = b"") -> Mapping[str, Any]:
        try:
            status, _, answer = await exchange(
                self._agent,
                self._clock,
                method,
                url,
                authorization,
                body=form,
                content_type="application/x-www-form-urlencoded",
                largest=LARGEST,
            )
        except OidcFailed:
            raise
        except MeetingError as error:
            raise OidcFailed("unreachable", error.detail) from error
        if status != 200 or not isinstance(answer, dict):
            said = answer.get("error") if isinstance(answer, dict) else None
            place = urlsplit(url)._replace(query="").geturl()
            raise OidcFailed("provider", f"{place} answered {status}{f' {said!r:.100}' if said else ''}.")
        return answer


def is_safe(url: object) -> bool:
    """Whether secrets may be sent to a URL: https, or this very machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1"))
    )


def check_claims(claims: Mapping[str, Any], issuer: str, client_id: str, nonce: str, now: float) -> None:
    """The claims of an ID token whose signature is good (section 3.1.3.7). Raises OidcFailed."""
    audience = claims["aud"]
    audiences = audience if isinstance(audience, list) else [audience]
    lives = claims["exp"]
    begins = claims.get("nbf", 0)
    checks = {
        "was issued by somebody else": claims["iss"] == issuer,
        "is not for us": client_id in audiences and claims.get("azp", client_id) == client_id,
        "is for several and does not say for whom": len(audiences) == 1 or claims.get("azp") == client_id,
        "names nobody": isinstance(claims["sub"], str) and 0 < len(claims["sub"]) <= 255,
        "is over": isinstance(lives, int | float) and now < lives + LEEWAY,
        "is not good yet": isinstance(begins, int | float) and begins - LEEWAY <= now,
        "was made for another attempt": isinstance(claims.get("nonce"), str) and claims["nonce"] == nonce,
    }
    for wrong, fine in checks.items():
        if not fine:
            raise OidcFailed("token", f"The provider's ID token {wrong}.")


def has_claim(claims: Mapping[str, Any], name: str, value: str) -> bool:
    """Whether a claim is `value`, or a list with it; `realm.roles` looks within objects."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    values = found if isinstance(found, list) else [found]
    return any(each is not None and (each if isinstance(each, str) else json.dumps(each)) == value for each in values)


def _keys(published: Mapping[str, Any], kid: object, algorithm: str) -> jwt.PyJWK | None:
    """The one key of a JWK set (RFC 7517) that fits."""
    entries = published.get("keys")
    fitting = [
        each
        for each in (entries if isinstance(entries, list) else ())
        if isinstance(each, dict)
        and each.get("use", "sig") == "sig"
        and each.get("alg", algorithm) == algorithm
        and each.get("kty")
        == {"R": "RSA", "P": "RSA", "E": "EC"}.get(algorithm[0] if algorithm != "EdDSA" else "", "OKP")
        and (kid is None or each.get("kid") == kid)
    ]
    if len(fitting) != 1:
        return None  # without a `kid` there must be only one
    try:
        return jwt.PyJWK(fitting[0], algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
