"""The demo ends in order: who is in a room is told, the daemons say good-bye to a hub that still answers."""

import re
from pathlib import Path
from time import monotonic

from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from meeting.daemon.secret import AccessClaims, Secret, mint_access_token
from tests.integration.sfuserver.sockets import connect
from tests.support.deadlines import deadline
from tests.support.processes import Process, free_port

A_FEW = 8.0
"""Seconds. About one on an idle machine; what has to wait for a time limit takes longer than this."""


@deadline(200)
async def test_sigterm_ends_the_demo_in_order_within_seconds(tmp_path: Path) -> None:
    from twisted.internet import reactor

    port = free_port()
    ports = ["--port", str(port), "--mediaPort", str(free_port()), "--turnPort", str(free_port())]
    options = ["--stateDirectory", str(tmp_path / "state"), "--logLevel", "debug"]
    demo = Process(["demo", *ports, *options], tmp_path / "demo.log")
    demo.start()
    try:
        await deferToThread(demo.wait_ready, f"http://localhost:{port}/readyz")
        # Not before all four have registered: who is not known says no good-bye.
        while demo.text.count("registered with the hub") < 4:
            await deferLater(reactor, 0.1)
        secret = Secret((tmp_path / "state" / "secret").read_text())
        claims = AccessClaims(identity="anna", room="standup", grants={"roomJoin": True}, expires_at=2**40)
        socket = await connect(
            f"localhost:{port}", "/rtc", {"Authorization": f"Bearer {mint_access_token(secret, claims)}"}
        )
        await socket.first("join")

        began = monotonic()
        demo.terminate()
        leave = await socket.first("leave")
        assert (leave.reason, leave.action) == (DisconnectReason.SERVER_SHUTDOWN, LeaveRequest.RECONNECT)
        assert await deferToThread(demo.wait) == 0, demo.text
        assert monotonic() - began < A_FEW, demo.text
    finally:
        demo.kill()

    farewells = re.findall(r"DELETE /api/v1/daemons/heartbeat (\d+)", demo.text)
    assert [status[0] for status in farewells] == ["2"] * 4, demo.text
    ending = demo.text.partition("process: stopping")[2]
    for word in ("error", "warn", "Traceback", " 503 "):
        assert word not in ending, ending
