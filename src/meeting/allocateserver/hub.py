"""What the hub knows of sfuservers (docs/protocols/registration.md)."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from meeting.allocateserver.values import SfuServer
from meeting.daemon.client import DaemonClient, Unreachable
from meeting.daemon.secret import Secret

PATH = "/api/v1/daemons"
LARGEST_LIST = 1 << 20


class _Server(BaseModel):
    model_config = ConfigDict(extra="ignore")

    address: str
    alive: bool
    age: float
    participants: int = Field(ge=0)


class _Servers(BaseModel):
    model_config = ConfigDict(extra="ignore")

    servers: list[_Server]


class HubList:
    """The list of a hub."""

    log = Logger()

    def __init__(self, agent: IAgent, clock: IReactorTime, secret: Secret, hub: str, *, timeout: float = 10.0) -> None:
        """`hub`: its URL. `timeout`: seconds for the whole answer."""
        self._client = DaemonClient(agent, secret, "allocate", clock, largest=LARGEST_LIST)
        self._url = hub.rstrip("/") + PATH
        self._timeout = timeout
        self._trouble = ""

    async def sfuservers(self) -> list[SfuServer] | None:
        """None: the hub cannot be asked now; said once."""
        try:
            servers, trouble = await self._ask(), ""
        except _Trouble as error:
            servers, trouble = None, str(error)
        if trouble and trouble != self._trouble:
            self.log.error("{what}; machines stay as they are", what=trouble)
        self._trouble = trouble
        return servers

    async def _ask(self) -> list[SfuServer]:
        try:
            status, answer = await self._client.get(self._url, timeout=self._timeout)
        except Unreachable as error:
            raise _Trouble(f"the hub cannot be reached: {error.detail}") from error
        if status != 200:
            raise _Trouble(f"the hub answers {status}: is --secret the same there, and do both clocks agree?")
        try:
            servers = _Servers.model_validate(answer).servers
        except ValidationError as error:
            raise _Trouble("the hub's list of servers cannot be understood: is it another version?") from error
        return [SfuServer(each.address, each.alive, each.age, each.participants) for each in servers]


class _Trouble(Exception):
    """Why there is no list."""
