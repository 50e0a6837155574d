"""The talk with an ACME certificate authority (RFC 8555, RFC 9773). It blocks: call it from a thread of its own.

Each answer has a deadline and so has the whole. What fails is an `AuthorityError` with words for an administrator;
neither keys nor what was sent is in them.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography import x509
from josepy.b64 import b64encode
from josepy.errors import DeserializationError
from josepy.json_util import field as jose_field
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from requests.adapters import HTTPAdapter

from meeting.daemon.certificates.keeping import Account
from meeting.daemon.certificates.names import is_address

T = TypeVar("T")

ANSWER_WITHIN = 30
"""Seconds for one answer."""
ORDER_WITHIN = timedelta(minutes=3)
"""From the challenge to the certificate."""
NONCE_ATTEMPTS = 10
"""An authority behind several addresses may refuse the nonce that another of its servers gave (RFC 8555, 6.5)."""
ASK_AGAIN = 6 * 3600.0

_ACCOUNT_GONE = ("unauthorized", "accountDoesNotExist")
_RATE_LIMITED = "rateLimited"


class AuthorityError(Exception):
    """No certificate this time; the text is for the administrator."""

    def __init__(self, detail: str, *, retry_after: float | None = None, unreachable: bool = False) -> None:
        """`retry_after`: seconds, if the authority said so. `unreachable`: it was not reached at all."""
        super().__init__(detail)
        self.retry_after = retry_after
        self.unreachable = unreachable


@dataclass(frozen=True)
class Binding:
    """How an authority knows whose account this is (RFC 8555, section 7.3.4)."""

    kid: str
    mac_key: str = field(repr=False)
    """In base64url."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for, and of whom."""

    directory: str
    host: str
    contact: Sequence[str] = ()
    profile: str | None = None
    ca_files: Sequence[Path] = ()
    binding: Binding | None = None


@dataclass(frozen=True)
class RenewalInfo:
    """When the authority would like a certificate to be renewed; it may be asked again after `retry_after` seconds."""

    window: tuple[float, float] | None
    retry_after: float


class Authority:
    """One authority, as `Wanted` names it."""

    def __init__(self, wanted: Wanted, account: Account) -> None:
        self._wanted = wanted
        self._account = account

    def order(self, key_pem: bytes, replaces: x509.Certificate | None = None) -> bytes:
        """A certificate for that key with its chain, in PEM. The challenge is answered meanwhile, on port 80.

        `replaces`: the one that it follows (RFC 9773, section 5). An authority may let such an order pass its limits.
        """
        return _translated(lambda: self._order(key_pem, replaces))

    def renewal_info(self, cert: x509.Certificate) -> RenewalInfo:
        """The renewal window of a certificate of this authority; None where it has no opinion."""
        return _translated(lambda: self._renewal_info(cert))

    def _order(self, key_pem: bytes, replaces: x509.Certificate | None) -> bytes:
        talk = self._signed_in()
        host = self._wanted.host
        if is_address(host):
            csr = crypto_util.make_csr(key_pem, ipaddrs=[ip_address(host)])
        else:
            csr = crypto_util.make_csr(key_pem, domains=[host])
        order = self._new_order(talk, csr, replaces)
        try:
            return self._finish(talk, order)
        except requests.RequestException as error:
            raise AuthorityError(f"the authority was lost in the middle of the order: {_short(error)}") from None

    def _new_order(self, talk: "_Client", csr: bytes, replaces: x509.Certificate | None) -> messages.OrderResource:
        if replaces is not None and talk.renewal_url is not None:
            try:
                talk.replaces = _ari_identity(replaces)
                return talk.new_order(csr, profile=self._wanted.profile)
            except (errors.ConflictError, messages.Error, ValueError, x509.ExtensionNotFound) as error:
                # Replaced already (409), another account's, another authority's: then it is an order like any other.
                if isinstance(error, messages.Error) and error.code == _RATE_LIMITED:
                    raise
                talk.replaces = None
        return talk.new_order(csr, profile=self._wanted.profile)

    def _finish(self, talk: client.ClientV2, order: messages.OrderResource) -> bytes:
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_PENDING:
                challenge = _http_challenge(authorization)
                talk.answer_challenge(challenge, challenge.response(self._account.key))
        deadline = datetime.now() + ORDER_WITHIN
        return str(talk.poll_and_finalize(order, deadline).fullchain_pem).encode()

    def _renewal_info(self, cert: x509.Certificate) -> RenewalInfo:
        talk = self._client()
        if talk.renewal_url is None:
            return RenewalInfo(None, ASK_AGAIN)
        answer = talk.net.get(f"{talk.renewal_url}/{_ari_identity(cert)}")
        window = messages.RenewalInfo.from_json(answer.json()).suggested_window
        # The library counts from the local time and gives no zone.
        again = (client.ClientV2.retry_after(answer, int(ASK_AGAIN)) - datetime.now()).total_seconds()
        return RenewalInfo((_moment(window.start), _moment(window.end)), again)

    def _client(self) -> "_Client":
        network = _Network(self._account.key, self._wanted.ca_files)
        return _Client(client.ClientV2.get_directory(self._wanted.directory, network), network)

    def _signed_in(self) -> "_Client":
        try:
            return self._sign_in()
        except messages.Error as error:
            if error.code not in _ACCOUNT_GONE:
                raise
        # Revoked or deactivated, by us elsewhere or by the authority: such a key is never taken again.
        self._account.replace()
        return self._sign_in()

    def _sign_in(self) -> "_Client":
        talk = self._client()
        contact = tuple(f"mailto:{address}" for address in self._wanted.contact)
        registration = messages.NewRegistration(
            contact=contact, terms_of_service_agreed=True, external_account_binding=self._binding(talk)
        )
        try:
            talk.new_account(registration)
        except errors.ConflictError as known:
            # The account is there already; that is all that the next requests need.
            talk.net.account = messages.RegistrationResource(body=messages.Registration(), uri=known.location)
        return talk

    def _binding(self, talk: "_Client") -> dict[str, Any] | None:
        binding = self._wanted.binding
        if binding is not None:
            key = self._account.key.public_key()
            return messages.ExternalAccountBinding.from_data(key, binding.kid, binding.mac_key, talk.directory)
        if talk.external_account_required():
            raise AuthorityError(
                "the authority takes only accounts that are bound to a customer of its own (external account binding): "
                "give --acmeEabKid and --acmeEabKeyFile, which it shows to its customers"
            )
        return None


class _Replacing(messages.NewOrder):
    """A new order that says which certificate it replaces (RFC 9773, section 5)."""

    replaces: str = jose_field("replaces", omitempty=True)


class _Client(client.ClientV2):
    """`acme`'s, whose orders can say what they replace."""

    replaces: str | None = None

    @property
    def renewal_url(self) -> str | None:
        """Where the authority tells of renewals, if it does."""
        try:
            return str(self.directory["renewalInfo"])
        except KeyError:
            return None

    def _post(self, url: str, obj: Any, *arguments: Any, **keywords: Any) -> requests.Response:
        if self.replaces is not None and isinstance(obj, messages.NewOrder):
            obj = _Replacing(identifiers=obj.identifiers, profile=obj.profile, replaces=self.replaces)
        return super()._post(url, obj, *arguments, **keywords)


class _Network(client.ClientNetwork):
    """Trusts the system's roots and further ones, and does not lose heart at the second bad nonce."""

    def __init__(self, key: JWKEC, ca_files: Sequence[Path]) -> None:
        super().__init__(key, alg=ES256, user_agent=f"meeting/{version('meeting')} acme-python", timeout=ANSWER_WITHIN)
        trust = ssl.create_default_context()
        for file in ca_files:
            trust.load_verify_locations(file)
        self.session.mount("https://", _TrustingAdapter(trust))

    def post(self, *arguments: Any, **keywords: Any) -> requests.Response:
        """Sign and send; each attempt with a nonce of its own."""
        for _ in range(NONCE_ATTEMPTS - 1):
            try:
                return super().post(*arguments, **keywords)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*arguments, **keywords)

    def _send_request(self, method: str, url: str, *arguments: Any, **keywords: Any) -> requests.Response:
        response = super()._send_request(method, url, *arguments, **keywords)
        if response.status_code in (429, 503) and "Retry-After" in response.headers:
            again = self._seconds_until(response)
            raise AuthorityError(_refusal_in(response), retry_after=again)
        return response

    @staticmethod
    def _seconds_until(response: requests.Response) -> float:
        until: datetime = client.ClientV2.retry_after(response, 3600)
        return max(0.0, (until - datetime.now()).total_seconds())


class _TrustingAdapter(HTTPAdapter):
    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._trust, **keywords)

    def proxy_manager_for(self, *arguments: Any, **keywords: Any) -> Any:
        return super().proxy_manager_for(*arguments, ssl_context=self._trust, **keywords)


def _translated(talk: Callable[[], T]) -> T:
    """Do it; whatever goes wrong becomes one kind of error."""
    try:
        return talk()
    except AuthorityError:
        raise
    except requests.exceptions.SSLError as error:
        raise AuthorityError(
            f"the authority's own certificate is not trusted (an authority of your own: --acmeCa): {_short(error)}",
            unreachable=True,
        ) from None
    except (requests.RequestException, OSError) as error:
        raise AuthorityError(f"the authority cannot be reached: {_short(error)}", unreachable=True) from None
    except errors.ValidationError as error:
        raise AuthorityError(_challenge_trouble(error)) from None
    except errors.TimeoutError:
        raise AuthorityError("the authority did not come to an end with the order in time") from None
    except errors.IssuanceError as error:
        raise AuthorityError(f"the authority does not issue the certificate: {_short(error.error)}") from None
    except messages.Error as error:
        hour = 3600.0 if error.code == _RATE_LIMITED else None
        raise AuthorityError(f"the authority refuses: {_short(error)}", retry_after=hour) from None
    except (errors.Error, DeserializationError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise AuthorityError(f"the authority's answer cannot be understood: {_short(error)}") from None


def _http_challenge(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    for each in authorization.body.challenges:
        if isinstance(each.chall, challenges.HTTP01):
            return each
    raise AuthorityError("the authority does not offer the HTTP-01 challenge for this name")


def _challenge_trouble(error: errors.ValidationError) -> str:
    host = error.failed_authzrs[0].body.identifier.value
    said = [
        _short(challenge.error)
        for authorization in error.failed_authzrs
        for challenge in authorization.body.challenges
        if challenge.error is not None
    ]
    return (
        f"the authority did not find its challenge at http://{host}/.well-known/acme-challenge/…: port 80 of {host} "
        f"has to reach this daemon's --acmePort from outside. It says: {'; '.join(said)}"
    )


def _refusal_in(response: requests.Response) -> str:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"HTTP status {response.status_code}"
    return f"the authority asks for patience: {_short(detail)}"


def _ari_identity(cert: x509.Certificate) -> str:
    """Authority key identifier and serial number (RFC 9773, section 4.1)."""
    authority = cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    if authority is None:
        raise ValueError("the certificate does not name its authority's key")
    serial = cert.serial_number.to_bytes(cert.serial_number.bit_length() // 8 + 1, "big")
    return ".".join(b64encode(each).decode("ascii") for each in (authority, serial))


def _moment(value: datetime) -> float:
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def _short(error: object) -> str:
    """One line, not too long: it is shown and kept."""
    return " ".join(str(error).split())[:500]
