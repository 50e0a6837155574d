"""An OpenID Connect provider in memory, whose every word can be made wrong."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.hub import Browser, Hub

ISSUER = "https://sso.example.com/realm"
CLIENT = "meeting"
CLIENT_SECRET = "a client secret/with+signs"
ARGUMENTS = ("--oidcIssuer", ISSUER, "--oidcClientId", CLIENT, "--oidcClientSecret", CLIENT_SECRET)


@cache
def key_of(kid: str) -> rsa.RSAPrivateKey:
    """A key for signing; made once, for it takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class FakeProvider:
    """Answers at the hub's agent as a provider does."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.kid = "first"
        self.key = key_of(self.kid)
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
        }
        self.publish()

    def publish(self) -> None:
        """Let the world see metadata and key."""
        self.serve(f"{ISSUER}/.well-known/openid-configuration", self.metadata)
        self.serve(f"{ISSUER}/keys", {"keys": [self.public_key()]})

    def public_key(self) -> dict[str, Any]:
        key: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**key, "kid": self.kid, "use": "sig"}

    def serve(self, url: str, body: Any, status: int = 200) -> None:
        self.hub.agent.answers[url] = (status, json.dumps(body).encode())

    def begin(self, browser: Browser, next: str = "/") -> dict[str, str]:
        """Send a browser to the provider; what it was sent with."""
        answer = browser.get(f"/api/v1/sign-in/oidc?next={next}")
        assert answer.status == 302, answer.body
        location = answer.headers["Location"]
        assert location.startswith(f"{ISSUER}/authorize?"), location
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    def claims(self, asked: Mapping[str, str], **more: Any) -> dict[str, Any]:
        """Those of an ID token for the attempt at hand; None takes one away."""
        now = int(self.hub.clock.seconds())
        claims: dict[str, Any] = {"iss": ISSUER, "aud": CLIENT, "sub": "u1", "iat": now, "exp": now + 300}
        claims |= {"nonce": asked["nonce"], "email": "ada@example.com", "email_verified": True, "name": "Ada L", **more}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self.key, "RS256", {"kid": self.kid})

    def end(self, browser: Browser, asked: Mapping[str, str], id_token: str, **more: str) -> str:
        """Bring the browser back with a code that is worth `id_token`; where it is sent next."""
        self.serve(f"{ISSUER}/token", {"id_token": id_token, "access_token": "at", "token_type": "Bearer"})
        query = "&".join(f"{name}={value}" for name, value in {"state": asked["state"], "code": "c1", **more}.items())
        answer = browser.get(f"/api/v1/sign-in/oidc/callback?{query}")
        assert answer.status == 302, answer.body
        location: str = answer.headers["Location"]
        return location

    def sign_in(self, browser: Browser, **claims: Any) -> str:
        """All of it; where the browser is sent in the end."""
        asked = self.begin(browser)
        return self.end(browser, asked, self.token(self.claims(asked, **claims)))
