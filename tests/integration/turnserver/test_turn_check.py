"""`meeting check-turn` says what is reachable and what is not."""

from twisted.internet.threads import deferToThread

from meeting.turnserver.check import main
from tests.support.deadlines import deadline
from tests.support.turnserver import HOST, free_udp_port, turnserver


async def said(*arguments: str) -> tuple[int, list[str]]:
    lines: list[str] = []
    status = await deferToThread(main, arguments, lines.append)
    return status, lines


COMMON = ("--ip", HOST, "--apiserver", f"http://{HOST}:9", "--relayPorts", "20000-20999")


@deadline(60)
async def test_a_server_that_relays_is_told_from_one_that_does_not() -> None:
    async with turnserver() as server:
        port = str(server.relay.addresses[0][1])
        status, lines = await said(*COMMON, "--port", port, "--secret", "correct horse battery staple")
        assert status == 1, "there is no hub"
        assert lines[0].startswith(f"{HOST}:{port}: answers; it sees us as {HOST}:")
        assert lines[1] == f"{HOST}:{port}: relays for who has a credential made with this secret"
        assert "refused" in lines[2]
        assert len(server.allocations) == 0, "what it took it gave back"
        _, lines = await said(*COMMON, "--port", port, "--secret", "another secret, long enough")
        assert "is its --secret another one?" in lines[1]


@deadline(60)
async def test_a_port_without_server_is_told() -> None:
    _, lines = await said(*COMMON, "--port", str(free_udp_port()), "--secret", "correct horse battery staple")
    assert "refused" in lines[0] or "no answer" in lines[0]
    status, lines = await said("--secret", "correct horse battery staple")
    assert status == 2
    assert lines[0].startswith("meeting check-turn: ")
