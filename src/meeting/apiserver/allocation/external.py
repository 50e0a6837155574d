"""The enterprise's allocateserver, asked by GET (docs/protocols/allocation.md)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from twisted.logger import Logger

from meeting.apiserver.allocation import rules
from meeting.apiserver.allocation.rules import BadAnswer, Servers
from meeting.daemon.client import DaemonClient, Unreachable
from meeting.daemon.errors import PleaseWait

T = TypeVar("T")

_PREPARING = "The servers for this meeting are being prepared."


class ExternalAllocator:
    """Asks `url`. Whatever goes wrong there is "please wait" for whoever asked, and a line in the log."""

    log = Logger()

    def __init__(self, client: DaemonClient, url: str, *, timeout: float = 10.0) -> None:
        """`timeout`: seconds for the whole answer."""
        self._client = client
        self._url = urlsplit(url)
        self._timeout = timeout

    async def servers(self, email: str, begin_at: datetime | None, end_at: datetime | None) -> Servers:
        """The servers of a meeting; both times None: an instant one."""
        times = {"BeginAt": _unix(begin_at), "EndAt": _unix(end_at)}
        return await self._ask({"Kind": "SFUTURN", "Email": email, **times}, rules.parse_servers)

    async def file_server(self, email: str) -> str:
        """The address of the fsserver."""
        return await self._ask({"Kind": "FS", "Email": email}, rules.parse_file_server)

    async def _ask(self, parameters: dict[str, str], parse: Callable[[Any], T]) -> T:
        query = urlencode([*parse_qsl(self._url.query, keep_blank_values=True), *parameters.items()])
        url = urlunsplit((self._url.scheme, self._url.netloc, self._url.path or "/", query, ""))
        try:
            status, headers, answer = await self._client.exchange("GET", url, timeout=self._timeout)
        except Unreachable as error:
            self.log.warn("the allocateserver cannot be asked: {error}", error=error.detail)
            raise PleaseWait(rules.WAIT, _PREPARING) from error
        if status != 200:
            self.log.info("the allocateserver answers {status}", status=status)
            said = headers.getRawHeaders("Retry-After")
            raise PleaseWait(rules.retry_after(said[0] if said else None), _PREPARING)
        try:
            return parse(answer)
        except BadAnswer as error:
            self.log.error("the allocateserver's answer cannot be used: {error}", error=str(error))
            raise PleaseWait(rules.WAIT, _PREPARING) from error


def _unix(moment: datetime | None) -> str:
    return "0" if moment is None else str(int(moment.timestamp()))
