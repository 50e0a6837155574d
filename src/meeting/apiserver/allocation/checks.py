"""Whether an sfuserver can be reached and knows our secret: it is asked to say yes to an access token of ours.

That is the question a browser puts before it joins, so a server that answers it well serves people too.
"""

from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent

from meeting.daemon.client import Unreachable, exchange
from meeting.daemon.secret import AccessClaims, Secret, mint_access_token

#: A room that no meeting has: nobody ever joins with this token.
_NO_ROOM = "0" * 32


class Probe:
    """Asks sfuservers whether they take our tokens."""

    def __init__(self, agent: IAgent, clock: IReactorTime, secret: Secret, *, timeout: float = 5.0) -> None:
        """`timeout`: seconds for the whole answer."""
        self._agent = agent
        self._clock = clock
        self._secret = secret
        self._timeout = timeout

    async def ask(self, url: str) -> tuple[str, str]:
        """("", "") when all is well; else one word for it, and the words."""
        claims = AccessClaims(
            identity="apiserver",
            room=_NO_ROOM,
            grants={"roomJoin": True},
            expires_at=int(self._clock.seconds()) + 60,
        )
        bearer = f"Bearer {mint_access_token(self._secret, claims)}"
        try:
            status, _, _ = await exchange(
                self._agent, self._clock, "GET", f"{url}/rtc/validate", bearer, timeout=self._timeout
            )
        except Unreachable as error:
            return "unreachable", f"The media server cannot be reached from this hub: {error.detail}"[:300]
        if status == 401:
            return (
                "secret",
                f"{url} refuses a token of this hub: is --secret the same there, and do both clocks agree?"[:300],
            )
        if status != 200:
            return "unreachable", f"{url} answers {status} to a token of this hub: is it an sfuserver?"[:300]
        return "", ""
