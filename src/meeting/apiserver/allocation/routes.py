"""/api/v1/daemons/heartbeat: how servers register (docs/protocols/registration.md)."""

from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.allocation import rules
from meeting.apiserver.allocation.use_cases import AddressTaken, Allocation, Beat
from meeting.apiserver.models import Answer
from meeting.daemon.errors import BadRequest, BadSignature
from meeting.daemon.registration import PATH, Farewell, Heartbeat, HeartbeatAnswer
from meeting.daemon.secret import RequestVerifier, Secret
from meeting.daemon.web import Api, Call, Reply, Who

LIST = "/api/v1/daemons"


class SfuServerAnswer(Answer):
    """An sfuserver as it stands now. `age`: seconds since this instance was first heard."""

    address: str
    state: str
    alive: bool
    age: float
    load: float
    participants: int


class SfuServers(Answer):
    """All of them; those that are gone are forgotten after a week."""

    servers: list[SfuServerAnswer]


def add_routes(
    api: Api,
    allocation: Allocation,
    secret: Secret,
    clock: IReactorTime,
    *,
    over: Callable[[list[str]], Awaitable[list[str]]],
) -> None:
    """Declare the routes of the daemons. `over`: those of these rooms whose meetings have ended."""
    tags = ("daemons",)
    verifier = RequestVerifier(secret)

    def check(call: Call, kind: str) -> None:
        """Raises BadSignature unless a daemon of this kind sent exactly this."""
        request = call.request
        request.content.seek(0)
        path, body = request.uri.decode("ascii", "replace"), request.content.read()
        signed_as = verifier.verify(
            call.header("Authorization"), request.method.decode("ascii"), path, body, clock.seconds()
        )
        if signed_as != kind:
            raise BadSignature(f"Signed as {signed_as}, but about a server of another kind.")

    @api.route(
        "POST",
        PATH,
        callers=Who.DAEMON,
        body=Heartbeat,
        answer=HeartbeatAnswer,
        summary="A server is there.",
        errors=(BadSignature, AddressTaken),
        tags=tags,
    )
    async def take_heartbeat(call: Call, body: Heartbeat) -> HeartbeatAnswer:
        check(call, body.kind)
        if not rules.is_address(body.address) or not rules.are_places(body.kind, body.media):
            raise BadRequest("address and media are host:port; a turnserver's media are turn: and turns: URIs.")
        others = await allocation.heartbeat(
            Beat(
                body.kind,
                body.address,
                body.url,
                body.instance,
                body.version,
                body.state,
                body.load,
                tuple(body.media),
                body.details,
            )
        )
        ended = await over(body.rooms) if body.kind == "turn" and body.rooms else []
        return HeartbeatAnswer(interval=allocation.interval.total_seconds(), over=ended, others=others)

    @api.route(
        "GET",
        LIST,
        callers=Who.DAEMON,
        answer=SfuServers,
        summary="The sfuservers that registered: for the allocateserver.",
        errors=(BadSignature,),
        tags=tags,
    )
    async def list_servers(call: Call) -> SfuServers:
        check(call, "allocate")
        return SfuServers.model_validate({"servers": await allocation.sfuservers()})

    @api.route(
        "DELETE",
        PATH,
        callers=Who.DAEMON,
        body=Farewell,
        status=204,
        summary="A server stops.",
        errors=(BadSignature,),
        tags=tags,
    )
    async def take_farewell(call: Call, body: Farewell) -> Reply:
        check(call, body.kind)
        await allocation.leave(body.kind, body.address, body.instance)
        return Reply(204)
