"""Who somebody is, and who is calling."""

from collections.abc import Mapping
from typing import Any

from meeting.apiserver.accounts import oidc_routes, passkey_routes, routes
from meeting.apiserver.accounts.callers import Callers, Rates, origin_of
from meeting.apiserver.accounts.oidc import OidcSettings, Provider
from meeting.apiserver.accounts.passkeys import Passkeys, relying_party
from meeting.apiserver.accounts.profile import Profiles
from meeting.apiserver.accounts.sessions import Sessions
from meeting.apiserver.accounts.single_sign_on import SingleSignOn
from meeting.apiserver.accounts.use_cases import Accounts
from meeting.apiserver.idempotency.use_cases import Idempotency
from meeting.apiserver.parts.foundation import Foundation
from meeting.apiserver.parts.mail import MailPart
from meeting.apiserver.tokens import routes as token_routes
from meeting.apiserver.tokens.use_cases import Tokens
from meeting.daemon.throttle import Throttle
from meeting.daemon.web import Api


class PeoplePart:
    """People, the ways in which they sign in, and the programs that act for them."""

    services = ()

    def __init__(self, base: Foundation, outgoing: MailPart) -> None:
        database, clock, options = base.database, base.clock, base.options
        self._base = base
        self.sessions = Sessions(database, clock, base.secret.key("sign-in-code"), base.audit)
        self.profiles = Profiles(database, clock)
        self._methods: list[routes.SignInMethod] = ["code"]
        self._single = single = oidc_settings(options)
        party = relying_party(origin_of(base.public_url))
        self._passkeys = None
        if single is not None and single.only:
            self._methods.clear()
        elif party is not None:
            self._passkeys = Passkeys(database, clock, outgoing.mail, self.sessions, party, self._domains)
            self._methods.append("passkey")
        self._single_sign_on = None
        if single is not None:
            provider = Provider(base.agent, clock, single, base.public_url + oidc_routes.CALLBACK)
            self._single_sign_on = SingleSignOn(
                database,
                clock,
                self.sessions,
                provider,
                single,
                domains=self._domains,
                administrators=base.administrators,
            )
            self._methods.append("oidc")
        self.accounts = Accounts(
            database,
            clock,
            outgoing.mail,
            self.sessions,
            base.secret.key("sign-in-code"),
            allowed_domains=self._domains,
            administrators=base.administrators,
            codes="code" in self._methods,
        )
        self.tokens = Tokens(database, clock, outgoing.mail)
        self.idempotency = Idempotency(database, clock, base.secret.key("idempotency"))
        self.callers = Callers(
            self.sessions,
            base.public_url,
            of_token=self.tokens.caller,
            throttle=Throttle(clock),
            rates=Rates(options["requestsOfPerson"], options["requestsOfAddress"]),
        )
        self.sweeps = (self.accounts.sweep, self.tokens.sweep, self.idempotency.sweep)

    def add_routes(self, api: Api) -> None:
        """Signing in, and tokens. One's own account is `MeetingsPart`'s: it knows who meets whom."""
        routes.add_routes(api, self.accounts, self.sessions, self.callers, self._server)
        if self._passkeys is not None:
            passkey_routes.add_routes(api, self._passkeys, self.callers)
        if self._single_sign_on is not None:
            oidc_routes.add_routes(api, self._single_sign_on, self.callers)
        token_routes.add_routes(api, self.tokens, self.callers)

    def _server(self) -> routes.ServerAnswer:
        decided = self._base.decisions.current
        return routes.ServerAnswer(
            name=decided.name,
            version=self._base.release,
            demo=self._base.options["demo"],
            sign_in_methods=self._methods,
            oidc_name=None if self._single is None else self._single.name,
            house=routes.HouseAnswer.model_validate(decided),
        )

    def _domains(self) -> frozenset[str]:
        return frozenset(self._base.decisions.current.allowed_domains)


def oidc_settings(options: Mapping[str, Any]) -> OidcSettings | None:
    """The single sign-on, if there is one."""
    if options["oidcIssuer"] is None:
        return None
    return OidcSettings(
        issuer=options["oidcIssuer"],
        client_id=options["oidcClientId"],
        client_secret=options["oidcClientSecret"],
        name=options["oidcName"],
        scopes=options["oidcScopes"],
        administrators=tuple(options["oidcAdministratorClaim"]),
        trust_email=options["oidcTrustEmail"],
        only=options["oidcOnly"],
    )
