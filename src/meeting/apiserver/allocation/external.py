"""The enterprise's allocateserver, asked by GET (docs/protocols/allocation.md)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from twisted.logger import Logger

from meeting.apiserver.allocation import rules
from meeting.apiserver.allocation.rules import BadAnswer, NotServed, Servers
from meeting.daemon.client import DaemonClient, Unreachable

T = TypeVar("T")


class ExternalAllocator:
    """Asks `url`. Whatever goes wrong there is "please wait" for whoever asked, and a line in the log."""

    log = Logger()

    def __init__(self, client: DaemonClient, url: str, *, timeout: float = 10.0) -> None:
        """`timeout`: seconds for the whole answer."""
        self._client = client
        self._url = urlsplit(url)
        self._timeout = timeout

    async def servers(self, email: str, begin_at: datetime | None, end_at: datetime | None) -> tuple[Servers, bool]:
        """The servers of a meeting, and whether they can be given back; both times None: an instant one.

        Raises NotServed.
        """
        return await self._ask(_question(email, begin_at, end_at), rules.parse_servers)

    async def file_server(self, email: str) -> str:
        """The address of the fsserver. Raises NotServed."""
        address, _ = await self._ask({"Kind": "FS", "Email": email}, rules.parse_file_server)
        return address

    async def release(self, email: str, begin_at: datetime | None, end_at: datetime | None) -> None:
        """Give back what was promised: the same question by DELETE. Raises NotServed when it has to be tried again."""
        try:
            status, _, _ = await self._client.exchange(
                "DELETE", self._address(_question(email, begin_at, end_at)), timeout=self._timeout
            )
        except Unreachable as error:
            raise NotServed("unreachable", f"The allocateserver cannot be asked: {error.detail}") from error
        if status >= 500 or status == 429:
            raise NotServed("refused", f"The allocateserver answers {status}.")

    async def _ask(self, parameters: dict[str, str], parse: Callable[[Any], T]) -> tuple[T, bool]:
        try:
            status, headers, answer = await self._client.exchange(
                "GET", self._address(parameters), timeout=self._timeout
            )
        except Unreachable as error:
            self.log.warn("the allocateserver cannot be asked: {error}", error=error.detail)
            raise NotServed("unreachable", f"The allocateserver cannot be asked: {error.detail}") from error
        if status != 200:
            said = answer.get("detail") if isinstance(answer, dict) else None
            words = f": {said[:120]}" if isinstance(said, str) and said.isprintable() else "."
            self.log.info("the allocateserver answers {status}{words}", status=status, words=words)
            wait = headers.getRawHeaders("Retry-After")
            raise NotServed(
                "refused",
                f"The allocateserver answers {status}{words}",
                rules.retry_after(wait[0] if wait else None),
            )
        try:
            parsed = parse(answer)
        except BadAnswer as error:
            self.log.error("the allocateserver's answer cannot be used: {error}", error=str(error))
            raise NotServed("unusable", f"The allocateserver's answer cannot be used: {error}.") from error
        return parsed, _takes_back(headers.getRawHeaders("Allow") or [])

    def _address(self, parameters: dict[str, str]) -> str:
        query = urlencode([*parse_qsl(self._url.query, keep_blank_values=True), *parameters.items()])
        return urlunsplit((self._url.scheme, self._url.netloc, self._url.path or "/", query, ""))


def _question(email: str, begin_at: datetime | None, end_at: datetime | None) -> dict[str, str]:
    return {"Kind": "SFUTURN", "Email": email, "BeginAt": _unix(begin_at), "EndAt": _unix(end_at)}


def _unix(moment: datetime | None) -> str:
    return "0" if moment is None else str(int(moment.timestamp()))


def _takes_back(allow: Sequence[str]) -> bool:
    """Whether an answer says that this address takes DELETE (RFC 9110 section 10.2.1)."""
    return any(method.strip().upper() == "DELETE" for line in allow for method in line.split(","))
